"""The learning rate of a pretraining by short-term pre-training (`docs/stpt.md`)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from collinear.dbpn.config import StptSettings
from collinear.training.stpt import SETS, StptPlan, choose, mix_for

if TYPE_CHECKING:
    from collinear.dbpn.trainer import Trainer


def plan_of(settings: StptSettings, iterations: int) -> StptPlan:
    """What is tried in a training of so many updates.

    Raises:
        TuningError: alpha is longer than `every`, or another rule is broken.
    """
    epochs = max(1, math.ceil(iterations / settings.every))
    mixed = settings.candidates == "mix"
    return StptPlan(
        iterations=settings.every,
        alpha=settings.alpha,
        schedule=mix_for(epochs) if mixed else ((1, SETS[settings.candidates]),),
        warm_up=settings.warm_up,
        warm_up_rate=settings.warm_up_rate,
        least=settings.least,
        most=settings.most,
    )


class RateSearch:
    """Tries candidates every so many updates, one after another, from one state.

    A candidate's score is the loss on minibatches that are never trained on as they
    are: patches of the training images, the same for all.
    """

    def __init__(self, settings: StptSettings, trainer: Trainer) -> None:
        self._plan = plan_of(settings, trainer.task.iterations)

    def update(self, trainer: Trainer, should_stop: Callable[[], bool]) -> bool | None:
        """Set the rate of the updates to come; try candidates when it is time.

        Args:
            trainer: The training; after a trial it has done the winner's updates.
            should_stop: Asked after each update; the training is then as before.

        Returns:
            Whether updates were done; None when asked to stop.
        """
        plan = self._plan
        done, within = divmod(trainer.step, plan.iterations)
        if within or trainer.step + plan.alpha > trainer.task.iterations:
            return False
        factors = plan.factors(done + 1)
        if not factors:
            trainer.rate = plan.warm_up_rate
            return False
        if done == plan.warm_up:
            trainer.rate = trainer.task.stage_settings.learning_rate
        start = copy.deepcopy(trainer.state())
        rates = [plan.bounded(start["rate"] * factor) for factor in factors]
        scores, best = [], copy.deepcopy(start)
        for rate in rates:
            trainer.restore(copy.deepcopy(start))
            trainer.rate = rate
            for _ in range(plan.alpha):
                trainer.update()
                if should_stop():
                    trainer.restore(start)
                    return None
            scores.append(math.nan if trainer.trouble() else -trainer.check_loss())
            if choose(factors[: len(scores)], scores) == len(scores) - 1:
                best = copy.deepcopy(trainer.state())
        chosen = choose(factors, scores)
        trainer.restore(best)
        trainer.rate = min(rates) if chosen is None else rates[chosen]
        trainer.rates.append((start["step"], trainer.rate))
        return chosen is not None
