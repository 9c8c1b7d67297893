"""Training a stage into a folder: checks, start or resumption, end.

`collinear.dbpn.results` says which files the folder holds.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from collinear.dbpn.acceleration import usable
from collinear.dbpn.config import Settings, warnings_of
from collinear.dbpn.data import data_digest, list_images, load_pairs
from collinear.dbpn.device import (
    choose_device,
    keep_freed_memory,
)
from collinear.dbpn.files import make_folder, remove_left_overs, write_text
from collinear.dbpn.loop import train
from collinear.dbpn.progress import Progress
from collinear.dbpn.results import CURVE, METRICS, STATE, curve_text, publish
from collinear.dbpn.rungs import Rungs
from collinear.dbpn.scalars import Scalars
from collinear.dbpn.section import ConfigError
from collinear.dbpn.state import StateError, check_identity, load_state, save_state
from collinear.dbpn.store import load_or_keep_pairs
from collinear.dbpn.task import Task, identity_of
from collinear.dbpn.trainer import Trainer
from collinear.dbpn.weights import (
    check_architecture,
    load_weights,
)
from collinear.training.stopping import StopTable

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
    publish(trainer, identity, out, rungs)
    return True


def _open_rungs(stop: StopTable | None, trainer: Trainer) -> Rungs | None:
    if stop is None:
        return None
    settings = trainer.task.settings
    if trainer.scores and trainer.scored not in ("", stop.value):
        raise StateError(
            f"--stop: judges by {stop.value}, but this training was scored by "
            f"{trainer.scored} before it was interrupted; go on with that table, or "
            "remove the state"
        )
    trainer.scored = stop.value
    files = list_images(settings).evaluation
    return Rungs(stop, trainer.task, load_pairs(files, settings.scale))


def open_training(
    stage: str,
    settings: Settings,
    *,
    seed: int,
    out: Path,
    init: Path | None,
    result: str = METRICS,
) -> tuple[Trainer, dict[str, Any]] | None:
    """Check everything, and return a trainer at the step of its saved state.

    Args:
        stage: As `run_stage`, and the others likewise.
        result: Name of the file that is written last.

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
    if is_finished(out, identity, result):
        _note_finished(out, result)
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
        if not isinstance(found, Mapping):
            raise TypeError("identity")
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"{path}: is not the record of a training; remove it"
        ) from error
    check_identity(path, found, identity)
    return True


def _note_finished(out: Path, result: str) -> None:
    """Say that nothing is left to do, and how the training ended.

    Raises:
        StateError: Its weights are missing.
    """
    record = json.loads((out / result).read_text())
    weights, status = record.get("weights"), record.get("status", "done")
    if weights is not None and not (out / str(weights)).exists():
        raise StateError(
            f"{out / result}: names {weights}, which is missing; put it "
            f"back, or remove {result} to train again"
        )
    how = "" if status == "done" else f", which {status}: {record.get('reason')}"
    _log.info("%s holds this training already%s", out, how)


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
