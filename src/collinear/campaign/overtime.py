"""Ends a program that runs for longer than it may, while somebody waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Overtime:
    """A limit that may come while the program runs.

    Attributes:
        reason: Of the Unix times at which the program started and now: why it has to
            end now, or None.
        pause: Seconds between two looks.
    """

    reason: Callable[[float, float], str | None]
    pause: float


@contextmanager
def overseen(
    overtime: Overtime | None, end: Callable[[], None], started: float
) -> Iterator[list[str]]:
    """Asks again and again while the block runs whether the program has to end.

    Args:
        overtime: The limit, or None.
        end: Has the program save its state and end; called at most once, in a thread.
        started: Unix time of its start.

    Yields:
        A list that holds the reason once there was one.
    """
    reasons: list[str] = []
    if overtime is None:
        yield reasons
        return
    over = threading.Event()

    def look() -> None:
        while not over.wait(overtime.pause):
            reason = overtime.reason(started, time.time())
            if reason is not None:
                reasons.append(reason)
                end()
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield reasons
    finally:
        over.set()
        watcher.join()
