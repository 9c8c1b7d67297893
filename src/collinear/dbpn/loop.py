"""The loop around a trainer's updates: when it saves, searches, and ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from collinear.dbpn.stpt import RateSearch
from collinear.dbpn.trainer import Trainer


def train(
    trainer: Trainer,
    *,
    save: Callable[[Trainer], None],
    should_stop: Callable[[], bool],
    watch: Callable[[Trainer], None] = lambda _: None,
    hopeless: Callable[[Trainer], bool] = lambda _: False,
    until: int | None = None,
) -> bool:
    """Update until the training is over, has diverged, or is asked to stop.

    Args:
        trainer: The training; it goes on from its step.
        save: Stores its state; called every `save_every` updates and on a stop.
        should_stop: Asked after each update.
        watch: Called after each update.
        hopeless: Asked before each update: ends the training.
        until: Updates after which a part of the training is over, and saved. A search
            for the learning rate that is under way then is finished first.

    Returns:
        Whether the training is over. If not, it has been saved.
    """
    end = trainer.task.iterations if until is None else until
    clock = _Clock(trainer)
    stpt = trainer.task.stage_settings.stpt
    search = RateSearch(stpt, trainer) if stpt is not None else None
    while trainer.step < end and not hopeless(trainer):
        searched = search.update(trainer, should_stop) if search else False
        if searched is None:
            clock.update()
            save(trainer)
            return False
        if searched:
            watch(trainer)
            clock.update()
            save(trainer)  # a search is dear
            continue
        trainer.update()
        watch(trainer)
        saving = trainer.step % trainer.task.settings.save_every == 0
        if (trainer.row_due or saving) and trainer.trouble():
            break
        stopping = trainer.step < end and should_stop()
        if saving or stopping:
            clock.update()
            save(trainer)
        if stopping:
            return False
    clock.update()
    if end < trainer.task.iterations and not trainer.trouble():
        save(trainer)
    return True


class _Clock:
    """Adds the time since its last update to the trainer's seconds."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._last = time.monotonic()

    def update(self) -> None:
        now = time.monotonic()
        self._trainer.seconds += now - self._last
        self._last = now
