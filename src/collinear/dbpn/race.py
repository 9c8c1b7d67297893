"""One variant of a race: the first part of a pretraining, and what it promises.

What is measured must be the same for every variant, whatever loss, patch or minibatch
it trains with: the RMSE on fixed patches of the training images. They are drawn from
the seed alone, so the curve has no noise but that of the weights, and measuring changes
no number of the training. The training state stays in the folder: `pretrain` with the
same settings goes on from it (`docs/racing.md`).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from collinear.dbpn.commands import is_finished, open_training
from collinear.dbpn.config import Settings
from collinear.dbpn.files import write_json, write_text
from collinear.dbpn.loop import train
from collinear.dbpn.patches import plan_patches
from collinear.dbpn.race_plan import RacePlan
from collinear.dbpn.results import CURVE, STATE, curve_text
from collinear.dbpn.section import ConfigError
from collinear.dbpn.state import save_state
from collinear.dbpn.trainer import Trainer

RACE = "race.json"
_MINIBATCHES, _MINIBATCH = 8, 8  # 64 patches, a few at a time


def run_variant(
    settings: Settings,
    plan: RacePlan,
    *,
    seed: int,
    out: Path,
    patch: int,
    init: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Run the first part of a pretraining, or go on with it, and write `race.json`.

    Args:
        settings: The configuration of the variant.
        plan: How long it runs.
        seed: Seed of initial weights and patches.
        out: Folder for the training state and the record.
        patch: Side of the patches that are measured, the same for every variant.
        init: Weights to start from.
        should_stop: Asked after each update; the state is saved before returning.

    Returns:
        Whether the part is over (also when it has diverged).

    Raises:
        As `collinear.dbpn.commands.run_stage`.
    """
    opened = open_training("pretrain", settings, seed=seed, out=out, init=init)
    if opened is None:
        raise ConfigError(f"--out {out}: holds a whole pretraining; use another folder")
    trainer, identity = opened
    record = {**identity, "race": str(plan), "race_patch": patch}
    if is_finished(out, record, RACE):
        return True
    stage, images = trainer.task.stage_settings, len(trainer.task.images)
    steps = plan.steps(stage, images)
    marks = Marks(steps, trainer, patch)

    def save(current: Trainer) -> None:
        save_state(out / STATE, identity, current.state())
        write_text(out / CURVE, curve_text(current))

    over = train(
        trainer, save=save, should_stop=should_stop, watch=marks.update, until=steps[-1]
    )
    if not over:
        return False
    found = outcome(trainer, plan.interval(stage, images))
    write_json(out / RACE, {**found, "identity": record})
    return True


class Marks:
    """Measures a network in training where it is time.

    Args:
        steps: Updates after which it is measured.
        trainer: The training, before its next update.
        patch: Side of the patches; smaller where an image is.
        minibatches: How many times eight patches are measured.
    """

    def __init__(
        self,
        steps: tuple[int, ...],
        trainer: Trainer,
        patch: int,
        minibatches: int = _MINIBATCHES,
    ) -> None:
        self._steps, sizes = steps, trainer.image_sizes
        self._patch = min(patch, *(side for size in sizes for side in size))
        self._patches = [
            plan_patches(
                trainer.task.seed,
                "race",
                number,
                minibatch=_MINIBATCH,
                patch=self._patch,
                sizes=sizes,
                orientations=(0,),
            )
            for number in range(minibatches)
        ]
        last = trainer.marks[-1][0] if trainer.marks else 0
        # A restart between two marks: the time since the first of them is not known.
        self._since = time.monotonic() if trainer.step == last else None

    def update(self, trainer: Trainer) -> None:
        """Measure, if a mark has been reached; a search may reach several at once."""
        last = trainer.marks[-1][0] if trainer.marks else 0
        reached = [step for step in self._steps if last < step <= trainer.step]
        if not reached:
            return
        if trainer.device.type == "cuda":
            torch.cuda.synchronize(trainer.device)
        seconds = None
        if self._since is not None:
            seconds = (time.monotonic() - self._since) / len(reached)
        squares = [trainer.rmse_on(p, self._patch) ** 2 for p in self._patches]
        loss = math.sqrt(statistics.fmean(squares))
        trainer.marks += [(step, loss, seconds) for step in reached]
        self._since = time.monotonic()


def outcome(trainer: Trainer, interval: int) -> dict[str, Any]:
    """What a variant has shown: status, losses, and the seconds of an interval.

    Args:
        trainer: The training after its part.
        interval: Updates between two losses.
    """
    trouble = trainer.trouble()
    losses: list[float] = []
    for step, loss, _ in trainer.marks:
        if not math.isfinite(loss):
            trouble = trouble or (step, f"the RMSE is not finite at iteration {step}")
            break
        losses.append(loss)
    known = [seconds for _, _, seconds in trainer.marks if seconds is not None]
    spent = trainer.seconds / max(1, trainer.step) * interval
    return {
        "status": "diverged" if trouble else "done",
        "reason": trouble[1] if trouble else None,
        "measure": "RMSE on fixed patches",
        "losses": losses,
        # The median: start and interruptions do not count.
        "seconds": statistics.median(known) if known else spent,
        "interval": trainer.epochs(interval),
        "longest": trainer.task.iterations // interval,
        "epochs": trainer.epochs(trainer.step),
        "spent_seconds": round(trainer.seconds, 3),
    }
