"""Looks at something again and again beside a program, and may have the program end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@contextmanager
def looking(look: Callable[[], bool], pause: float) -> Iterator[None]:
    """Looks every few seconds, in a thread, while the block runs.

    Args:
        look: Whether that was the last look. A file that cannot be read (a file server
            that hiccups) is looked for again.
        pause: Seconds before each look.

    Yields:
        While the block runs. Afterwards nobody looks any more.
    """
    over = threading.Event()

    def loop() -> None:
        while not over.wait(pause):
            with suppress(OSError):
                if look():
                    return

    watcher = threading.Thread(target=loop, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@dataclass(frozen=True)
class Overtime:
    """A limit that may come while a program runs.

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
    """Ends a program when its time is over, while the block runs.

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

    def look() -> bool:
        reason = overtime.reason(started, time.time())
        if reason is None:
            return False
        reasons.append(reason)
        end()
        return True

    with looking(look, overtime.pause):
        yield reasons
