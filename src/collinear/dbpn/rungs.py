"""Scores of a network in training, and the end of a training that is hopeless by them.

What a training scored is part of its state, and every verdict follows from these scores
and the table alone: a training that goes on after a kill decides as if it had never
stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collinear.dbpn.data import ImagePair
from collinear.dbpn.infer import upscale
from collinear.dbpn.pixels import NonFiniteError
from collinear.dbpn.scoring import load_ma_model, score_images
from collinear.dbpn.section import ConfigError
from collinear.dbpn.steps import check_steps, score_steps
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer
from collinear.quality.forest import MaModel
from collinear.quality.score import VALUES
from collinear.training.stopping import StopTable, value_at_rung


def read_table(path: Path) -> StopTable:
    """Read the file of `--stop`.

    Raises:
        ConfigError: It is missing, or no stop table.
    """
    try:
        return StopTable.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # also TuningError
        raise ConfigError(f"--stop {path}: {error}") from error


def scores_now(
    trainer: Trainer, images: Sequence[ImagePair], ma_model: MaModel | None
) -> Mapping[str, float | None] | None:
    """Scores of the network as it is; None when its images are not finite."""
    settings = trainer.task.settings
    try:
        results = [
            (pair.stem, upscale(trainer.result, pair.lq, settings.scale), pair.gt)
            for pair in images
        ]
    except NonFiniteError:
        return None
    return score_images(results, settings.scoring, ma_model, settings.threads).values


class Rungs:
    """Scores a training where a stop table asks for it, and judges it.

    Args:
        table: The stop table.
        task: The training.
        images: The evaluation images.

    Raises:
        ConfigError: The value is none that is scored, a rung is not before the end, or
            two scores of a rung fall on the same update.
    """

    def __init__(
        self, table: StopTable, task: Task, images: Sequence[ImagePair]
    ) -> None:
        if table.value not in VALUES:
            raise ConfigError(
                f"--stop: value must be one of {', '.join(VALUES)}, but got "
                f"{table.value!r}"
            )
        self._table, self._images = table, images
        self._model = load_ma_model(task.settings.scoring)
        self._steps = [
            score_steps(rung.score_at, task.stage_settings.minibatch, len(task.images))
            for rung in table.rungs
        ]
        for rung, steps in zip(table.rungs, self._steps, strict=True):
            check_steps(rung.epoch, steps, task.iterations)
        self._due = {step for steps in self._steps for step in steps}
        self._ends = {steps[-1] for steps in self._steps}

    def update(self, trainer: Trainer) -> bool:
        """Score the network if it is time; return whether it has come to a rung."""
        if trainer.step not in self._due or trainer.trouble():
            return False
        values = scores_now(trainer, self._images, self._model) or {}
        trainer.scores.append((trainer.step, values.get(self._table.value)))
        return trainer.step in self._ends

    def records(self, trainer: Trainer) -> list[dict[str, Any]]:
        """The rungs that were reached: epoch, scores, their median, the judgement."""
        found = dict(trainer.scores)
        records = []
        for at, (rung, steps) in enumerate(
            zip(self._table.rungs, self._steps, strict=True)
        ):
            if steps[-1] not in found:
                break
            scores = [found.get(step) for step in steps]
            records.append(
                {
                    "epoch": rung.epoch,
                    "value": value_at_rung(scores),
                    "hopeless": self._table.hopeless(at, scores),
                    "scores": scores,
                }
            )
        return records

    def verdict(self, trainer: Trainer) -> str | None:
        """Why the training is to end, or None."""
        if self._table.run_on:
            return None
        for at, record in enumerate(self.records(trainer)):
            if record["hopeless"]:
                rung = self._table.rungs[at]
                return (
                    f"hopeless at epoch {rung.epoch:g}: {self._table.value} "
                    f"{record['value']:.5g} is worse than {rung.threshold:.5g}, which "
                    f"allows for a later improvement of {rung.margin or 0:.3g}, the "
                    "largest expected"
                )
        return None
