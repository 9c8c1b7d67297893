"""What the commands do: train a stage, score weights, enlarge an image.

Files of a training in its folder: `state.pt` (training state, deleted at the end),
`weights.pt`, `curve.tsv`, and `metrics.json`, which is written last: where it stands,
the training is over.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from collinear.dbpn.acceleration import usable
from collinear.dbpn.config import Settings, as_json, warnings_of
from collinear.dbpn.data import data_digest, list_images, load_pairs
from collinear.dbpn.device import (
    choose_device,
    device_of,
    keep_freed_memory,
    peak_memory_mb,
)
from collinear.dbpn.files import make_folder, remove_left_overs, write_json, write_text
from collinear.dbpn.folders import find_images
from collinear.dbpn.infer import Tiling, enlarge, upscale
from collinear.dbpn.loop import train
from collinear.dbpn.pixels import NonFiniteError, quantise
from collinear.dbpn.progress import Progress
from collinear.dbpn.rungs import Rungs
from collinear.dbpn.scalars import Scalars
from collinear.dbpn.scoring import load_ma_model, score_images, score_record
from collinear.dbpn.section import ConfigError
from collinear.dbpn.state import StateError, check_identity, load_state, save_state
from collinear.dbpn.store import load_or_keep_pairs
from collinear.dbpn.task import Task, identity_of
from collinear.dbpn.trainer import CURVE_COLUMNS, Trainer
from collinear.dbpn.weights import (
    Weights,
    check_architecture,
    load_weights,
    save_weights,
)
from collinear.quality.images import RgbImage, read_image, write_png
from collinear.quality.score import SCORER, VALUES, SetScore
from collinear.training.stopping import StopTable

STATE, WEIGHTS, CURVE, METRICS = "state.pt", "weights.pt", "curve.tsv", "metrics.json"

_log = logging.getLogger(__name__)


def run_stage(
    stage: str,
    settings: Settings,
    *,
    seed: int,
    out: Path,
    init: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    tensorboard: Path | None = None,
    stop: StopTable | None = None,
) -> bool:
    """Train one stage into a folder; go on from its state, or return when it is over.

    Args:
        stage: "pretrain" or "finetune".
        settings: The configuration.
        seed: Seed of initial weights and patches.
        out: Folder for the results, made if missing.
        init: Weights to start from; needed for "finetune".
        should_stop: Asked after each update; the state is saved before returning.
        tensorboard: Folder for scalars of the learning curve.
        stop: Table by which the training ends early; only for "finetune".

    Returns:
        Whether the training is over (also when it has diverged).

    Raises:
        ConfigError, DataError, ImageError, ScoreError, WeightsError, StateError,
        FeatureError: Bad input; the message says what and where.
    """
    opened = open_training(stage, settings, seed=seed, out=out, init=init)
    if opened is None:
        return True
    trainer, identity = opened
    rungs = _open_rungs(stop, trainer)
    scalars = Scalars(tensorboard, len(trainer.curve))

    def save(current: Trainer) -> None:
        save_state(out / STATE, identity, current.state())
        write_text(out / CURVE, curve_text(current))

    with Progress(stage, trainer.task.iterations, trainer.step) as progress:

        def watch(current: Trainer) -> None:
            progress.update(current.step, _last_rmse(current))
            if current.row_due:
                scalars.update(current)
            if rungs is not None and rungs.update(current):
                save(current)  # scores are dear

        over = train(
            trainer,
            save=save,
            should_stop=should_stop,
            watch=watch,
            hopeless=lambda now: rungs is not None and rungs.verdict(now) is not None,
        )
    scalars.close()
    if not over:
        return False
    _publish(trainer, identity, out, rungs)
    return True


def _open_rungs(stop: StopTable | None, trainer: Trainer) -> Rungs | None:
    if stop is None:
        return None
    settings = trainer.task.settings
    files = list_images(settings).evaluation
    return Rungs(stop, trainer.task, load_pairs(files, settings.scale))


def open_training(
    stage: str, settings: Settings, *, seed: int, out: Path, init: Path | None
) -> tuple[Trainer, dict[str, Any]] | None:
    """Check everything, and return a trainer at the step of its saved state.

    Args:
        stage: As `run_stage`, and the others likewise.

    Returns:
        The trainer and its identity; None when the folder holds its results.
    """
    if stage == "finetune" and init is None:
        raise ConfigError("finetune needs --init, the pretrained weights")
    device = choose_device(settings)
    settings = usable(settings, device)
    start = load_weights(init) if init else None
    if start is not None and init is not None:
        check_architecture(start, settings.scale, settings.model, init)
    files = list_images(settings).train
    digest = data_digest(files, settings.scale)
    identity = identity_of(stage, settings, seed, digest, start)
    make_folder(out)
    if is_finished(out, identity):
        _log.info("%s holds this training already", out)
        return None
    for warning in warnings_of(settings):
        _log.warning(warning)
    remove_left_overs(out)
    keep_freed_memory()
    pairs = load_or_keep_pairs(
        files, settings.scale, settings.data.cache, settings.data.store
    )
    trainer = Trainer(Task(stage, settings, seed, pairs, digest, start), device)
    if (out / STATE).exists():
        trainer.restore(load_state(out / STATE, identity))
    _log_plan(trainer)
    return trainer, identity


def is_finished(out: Path, identity: Mapping[str, Any], name: str = METRICS) -> bool:
    """Return whether the folder holds the results of this training in a file `name`.

    Raises:
        StateError: It holds the results of another training.
    """
    path = out / name
    if not path.exists():
        return False
    try:
        found = json.loads(path.read_text())["identity"]
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"{path}: is not the record of a training; remove it"
        ) from error
    check_identity(path, found, identity)
    return True


def run_score(settings: Settings, *, init: Path, out: Path) -> SetScore | None:
    """Super-resolve and score the evaluation images with some weights.

    Writes `images/*.png` and then `score.json` into the folder.

    Returns:
        The scores, or None when the network returns NaN or infinite values.

    Raises:
        ModelError: Ma's model is missing or another file; and as `run_stage`.
    """
    device = choose_device(settings)
    weights = load_weights(init)
    check_architecture(weights, settings.scale, settings.model, init)
    files = list_images(settings).evaluation
    ma_model = load_ma_model(settings.scoring)
    make_folder(out / "images")
    model = weights.build().to(device)
    record: dict[str, Any] = {
        "scorer": SCORER,
        "digests": {
            "weights": weights.digest,
            "data": data_digest(files, settings.scale),
        },
    }
    images: list[tuple[str, RgbImage, RgbImage]] = []
    try:
        for pair in load_pairs(files, settings.scale):
            images.append((pair.stem, upscale(model, pair.lq, settings.scale), pair.gt))
    except NonFiniteError as error:
        record |= {"status": "diverged", "reason": str(error)}
        record |= {"values": dict.fromkeys(VALUES), "images": []}
        write_json(out / "score.json", record)
        return None
    for name, sr, _ in images:
        write_png(out / "images" / f"{name}.png", sr)
    score = score_images(images, settings.scoring, ma_model, settings.threads)
    record |= score_record(score, ma_model)
    record |= {"images": [dataclasses.asdict(image) for image in score.images]}
    write_json(out / "score.json", record)
    return score


def run_upscale(
    *, init: Path, image: Path, out: Path, device: str = "auto", tiling: Tiling
) -> None:
    """Enlarge an image file, or all images of a folder, into PNG files.

    Args:
        init: The weights.
        image: An image file, or a folder of them.
        out: A .png file, or a folder; images in it keep their names.
        device: "auto", "cpu" or "cuda".
        tiling: How images are cut.

    Raises:
        As `run_stage`, and TilingError.
    """
    weights = load_weights(init)
    if image.is_dir():
        pairs = [(p, out / f"{p.stem}.png") for p in find_images([image], "--image")]
        make_folder(out)
    else:
        if out.suffix.lower() != ".png":
            raise ConfigError(f"--out {out}: must end in .png")
        pairs = [(image, out)]
        make_folder(out.parent)
    model = weights.build().to(device_of(device))
    with Progress("upscale", len(pairs)) as progress:
        for done, (source, target) in enumerate(pairs, start=1):
            large = enlarge(model, read_image(source), tiling)
            write_png(target, quantise(large, model.settings.normalisation))
            progress.update(done, source.name)


def _last_rmse(trainer: Trainer) -> str:
    rmse = trainer.curve[-1][-1] if trainer.curve else None
    return "" if rmse is None else f"RMSE {rmse:.3g}"


def _log_plan(trainer: Trainer) -> None:
    task = trainer.task
    _log.info(
        "%s: %d iterations of %d patches = %.6g epochs of %d images, on %s%s",
        task.stage,
        task.iterations,
        task.stage_settings.minibatch,
        trainer.epochs(task.iterations),
        len(task.images),
        trainer.device.type,
        f", from iteration {trainer.step}" if trainer.step else "",
    )


def _publish(
    trainer: Trainer, identity: Mapping[str, Any], out: Path, rungs: Rungs | None
) -> None:
    """Write the results; metrics.json last, because it says that all is there."""
    trouble = trainer.trouble()
    task = trainer.task
    iterations = trouble[0] if trouble else trainer.step
    weights = None if trouble else _weights_of(trainer, identity)
    if weights is not None:
        save_weights(out / WEIGHTS, weights)
    write_text(out / CURVE, curve_text(trainer))
    features = trainer.features
    hopeless = rungs.verdict(trainer) if rungs else None
    status, reason = ("stopped", hopeless) if hopeless else ("done", None)
    if trouble:
        status, reason = "diverged", trouble[1]
    metrics = {
        "status": status,
        "reason": reason,
        "stage": task.stage,
        "epochs": trainer.epochs(iterations),
        "iterations": iterations,
        "seconds": round(trainer.seconds, 3),
        "peak_memory_mb": round(peak_memory_mb(trainer.device), 1),
        "digests": {
            "config": identity["config"],
            "data": identity["data"],
            "weights": weights.digest if weights else None,
            "features": identity["features"],
        },
        "identity": identity,
        "feature_rms": features.tap_rms.tolist() if features else None,
        "weights": WEIGHTS if weights else None,
    }
    if trainer.rates:
        metrics["learning_rates"] = trainer.rates
    if rungs is not None:
        metrics["planned_epochs"] = trainer.epochs(task.iterations)
        metrics["rungs"] = rungs.records(trainer)
    write_json(out / METRICS, metrics)
    (out / STATE).unlink(missing_ok=True)


def _weights_of(trainer: Trainer, identity: Mapping[str, Any]) -> Weights:
    task = trainer.task
    return Weights(
        scale=task.settings.scale,
        model=task.settings.model,
        generator=trainer.result.state_dict(),
        metadata={
            "identity": dict(identity),
            "iterations": trainer.step,
            "settings": as_json(task.stage_settings),
            "averaged": trainer.average is not None,
            "versions": {
                "collinear": version("collinear"),
                "torch": str(torch.__version__),
                "python": platform.python_version(),
            },
        },
    )


def curve_text(trainer: Trainer) -> str:
    """Return the learning curve as tab-separated text; empty: a term not in use."""
    names: tuple[str, ...] = CURVE_COLUMNS
    if trainer.task.stage_settings.loss == "l1":
        names = tuple("l1" if name == "mse" else name for name in names)
    lines = ["\t".join(names)]
    lines += ["\t".join(_cell(value) for value in row) for row in trainer.curve]
    return "\n".join(lines) + "\n"


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if math.isfinite(value) else str(value)
