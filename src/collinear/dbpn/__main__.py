"""The application that a campaign runs: python -m collinear.dbpn COMMAND.

Commands exit with 0 for every scientific outcome (also a diverged training), with 2 and
one line on stderr for bad input, and with 75 when a signal stopped a training that goes
on from its saved state when the same command runs again. Torch is imported only where a
command needs it.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from collinear.dbpn.config import STAGES, Settings, warnings_of
from collinear.dbpn.data import IMAGE_ERRORS, check_recorded, list_images
from collinear.dbpn.parser import make_parser
from collinear.dbpn.request import (
    check_designs,
    check_race,
    check_stopping,
    read_race,
    read_request,
    recorded_data,
    tuned_names,
)
from collinear.dbpn.scoring import check_model_file
from collinear.dbpn.section import ConfigError
from collinear.quality.ma_model import ModelError

EXIT_BAD_INPUT = 2
EXIT_STOPPED = 75
"""EX_TEMPFAIL of sysexits.h: run the same command again."""

_log = logging.getLogger("collinear.dbpn")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "check": _check,
        "score": _score,
        "upscale": _upscale,
        "illustrate": _illustrate,
        "convert": _convert,
        "finetune-length": _length,
        "profile": _profile,
        "profile-update": _profile_update,
        "predict": _predict,
        "tune-minibatch": _tune_minibatch,
        "pretrain-variant": _pretrain_variant,
    }
    run = commands.get(options.command, _train)
    try:
        return run(options)
    except (ConfigError, ModelError, *IMAGE_ERRORS, OSError) as error:
        message = str(error)
    except ValueError as error:
        if not _is_input_error(error):
            raise
        message = str(error)
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT


def _is_input_error(error: ValueError) -> bool:
    from collinear.dbpn.features import FeatureError
    from collinear.dbpn.infer import TilingError
    from collinear.dbpn.pixels import NonFiniteError
    from collinear.dbpn.state import StateError
    from collinear.dbpn.weights import WeightsError
    from collinear.training.errors import TuningError

    ours = (FeatureError, NonFiniteError, StateError, TilingError, TuningError)
    return isinstance(error, (*ours, WeightsError))


def _check(options: argparse.Namespace) -> int:
    settings = read_request(options.config, _params(options))
    check_model_file(settings.scoring)
    check_stopping(options.config)
    check_designs(options.config)
    check_race(options.config)
    if options.settings_only:
        sys.stdout.write("ok: settings\n")
        return 0
    images = list_images(settings)
    check_recorded(images, recorded_data(options.config), settings.scale)
    check_stopping(options.config, len(images.train))
    largest = max(settings.pretrain.patch, settings.finetune.patch)
    for variant in check_race(options.config, len(images.train)):
        if variant.pretrain.patch > largest:
            list_images(variant)  # the images must hold its patches too
    if options.init is not None:
        from collinear.dbpn.weights import check_architecture, load_weights

        weights = load_weights(options.init)
        check_architecture(weights, settings.scale, settings.model, options.init)
    if settings.features.kind == "vgg19" and settings.finetune.uses_features:
        from collinear.dbpn.features import check_feature_file

        assert settings.features.file is not None
        check_feature_file(settings.features.file)
    for warning in warnings_of(settings):
        _log.warning(warning)
    counts = [
        f"{name} {settings.stage(name).count_iterations(len(images.train))} iterations"
        for name in STAGES
    ]
    sys.stdout.write(
        f"ok: scale {settings.scale}, {len(images.train)} training and "
        f"{len(images.evaluation)} evaluation images, {', '.join(counts)}\n"
    )
    return 0


def _train(options: argparse.Namespace) -> int:
    settings = _prepared(options)
    from collinear.dbpn.commands import run_stage
    from collinear.dbpn.rungs import read_table

    stop = getattr(options, "stop", None)
    table = read_table(stop) if stop else None

    with _signals_noted() as received:
        over = run_stage(
            options.command,
            settings,
            seed=options.seed,
            out=options.out,
            init=options.init,
            should_stop=lambda: bool(received),
            tensorboard=options.tensorboard,
            stop=table,
        )
    return 0 if over else EXIT_STOPPED


def _pretrain_variant(options: argparse.Namespace) -> int:
    plan, patch = read_race(options.config, options.epochs, options.iterations)
    settings = _prepared(options)
    from collinear.dbpn.race import run_variant

    with _signals_noted() as received:
        over = run_variant(
            settings,
            plan,
            seed=options.seed,
            out=options.out,
            patch=patch,
            init=options.init,
            should_stop=lambda: bool(received),
        )
    return 0 if over else EXIT_STOPPED


def _length(options: argparse.Namespace) -> int:
    settings = _prepared(options)
    from collinear.dbpn.length import run_length

    with _signals_noted() as received:
        over = run_length(
            settings,
            epochs=options.longest,
            seed=options.seed,
            out=options.out,
            init=options.init,
            should_stop=lambda: bool(received),
        )
    return 0 if over else EXIT_STOPPED


def _profile(options: argparse.Namespace) -> int:
    settings = _prepared(options)
    from collinear.dbpn.profile import run_profile

    run_profile(
        options.config,
        settings,
        out=options.out,
        seconds=options.seconds,
        tuned=tuned_names(options.config),
    )
    return 0


def _profile_update(options: argparse.Namespace) -> int:
    settings = _prepared(options)
    from collinear.dbpn.acceleration import usable
    from collinear.dbpn.cost import UpdatePoint, settings_at
    from collinear.dbpn.device import choose_device
    from collinear.dbpn.files import write_json
    from collinear.dbpn.profile_point import measure_update

    point = UpdatePoint(**json.loads(options.point))
    settings = usable(settings, choose_device(settings))
    found = measure_update(settings_at(settings, point), options.seconds)
    write_json(options.out, {"subject": options.subject, **found})
    return 0


def _tune_minibatch(options: argparse.Namespace) -> int:
    settings = _prepared(options)
    from collinear.dbpn.tune_minibatch import run_tuning

    found = run_tuning(
        settings,
        out=options.out,
        rule=options.rule,
        start=options.start,
        largest=options.largest,
        cost=options.cost,
        memory_mib=options.memory_mib,
    )
    sys.stdout.write(
        f"minibatch {found['minibatch']} {found['why']} (accumulate: "
        f"{found['accumulate']}); fastest a patch: {found['fastest']} at once\n"
    )
    return 0


def _predict(options: argparse.Namespace) -> int:
    settings = _prepared(options)
    from collinear.dbpn.predict import predict_text

    sys.stdout.write(predict_text(options.cost, settings))
    return 0


def _score(options: argparse.Namespace) -> int:
    settings = _prepared(options)
    from collinear.dbpn.apply import run_score

    run_score(settings, init=options.init, out=options.out)
    return 0


def _upscale(options: argparse.Namespace) -> int:
    settings = _prepared(options) if options.config else None
    from collinear.dbpn.apply import run_upscale
    from collinear.dbpn.infer import Tiling
    from collinear.dbpn.weights import check_architecture, load_weights

    device = options.device
    if settings is not None:
        weights = load_weights(options.init)
        check_architecture(weights, settings.scale, settings.model, options.init)
        device = settings.device if device == "auto" else device
    tiling = Tiling(options.tile, options.overlap, options.memory_gb, options.ensemble)
    run_upscale(
        init=options.init,
        image=options.image,
        out=options.out,
        device=device,
        tiling=tiling,
    )
    return 0


def _convert(options: argparse.Namespace) -> int:
    from collinear.dbpn.convert import run_convert

    residual = None if options.residual is None else options.residual == "yes"
    run_convert(
        options.weights,
        options.out,
        residual=residual,
        normalisation=options.normalisation,
    )
    return 0


def _illustrate(options: argparse.Namespace) -> int:
    settings = _prepared(options)
    from collinear.dbpn.illustrate import draw_comparison

    named = [_named_file(text) for text in options.weights]
    draw_comparison(settings, named, out=options.out, image=options.image)
    return 0


def _prepared(options: argparse.Namespace) -> Settings:
    """Read the settings and set up torch for them."""
    settings = read_request(options.config, _params(options))
    from collinear.dbpn.device import prepare_torch

    prepare_torch(settings.threads)
    return settings


def _params(options: argparse.Namespace) -> dict[str, float]:
    """Return the values of --param."""
    found = {}
    for text in getattr(options, "param", []):
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            raise ConfigError(
                f"--param must be NAME=NUMBER, but got {text!r}"
            ) from None
        if not name or name in found:
            fault = "gives a value twice" if name else "names nothing"
            raise ConfigError(f"--param must be NAME=NUMBER, but {text!r} {fault}")
        found[name] = int(number) if number.is_integer() else number
    return found


def _named_file(text: str) -> tuple[str, Path]:
    name, separator, file = text.partition("=")
    if not (name and separator and file):
        raise ConfigError(f"--weights must be NAME=FILE, but got {text!r}")
    return name, Path(file)


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """Collect signals in a list instead of ending the process.

    SIGTERM is how Slurm, SIGXCPU is how PJM announces the end of a job's time.
    """
    received: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGXCPU, signal.SIGINT)
    before = [
        signal.signal(number, lambda came, _frame: received.append(came))
        for number in numbers
    ]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
