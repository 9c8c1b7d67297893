"""How far a long work is: a bar on a terminal, some lines in a log elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import TextIO

_log = logging.getLogger(__name__)
_WIDTH = 24
_LINES = 10
_LEAST_LOGGED = 50
"""Works with fewer steps say nothing in a log."""
_SECONDS_BETWEEN = 0.1


class Progress:
    """Shows the share of a work that is done.

    Args:
        label: What is done.
        total: Number of steps.
        start: Steps done before, as after a resume.
        stream: A terminal gets a bar; anything else gets a log line at each tenth.
    """

    def __init__(
        self, label: str, total: int, start: int = 0, stream: TextIO | None = None
    ) -> None:
        self._label, self._total, self._first = label, total, start
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._started = self._shown = time.monotonic()
        self._tenth = _LINES * start // max(total, 1)

    def update(self, done: int, note: str = "") -> None:
        """Show that `done` steps of the total are over; a note follows."""
        if self._terminal:
            now = time.monotonic()
            if now - self._shown >= _SECONDS_BETWEEN or done == self._total:
                self._shown = now
                self._stream.write(f"\r\x1b[K{self._line(done, note)}")
                self._stream.flush()
            return
        tenth = _LINES * done // self._total
        if self._total >= _LEAST_LOGGED and tenth > self._tenth:
            self._tenth = tenth
            _log.info("%s", self._line(done, note))

    def _line(self, done: int, note: str) -> str:
        share = done / self._total
        filled = round(_WIDTH * share)
        bar = "#" * filled + "." * (_WIDTH - filled)
        left = self._seconds_left(done)
        parts = [f"{self._label} [{bar}] {done}/{self._total}", _duration(left), note]
        return "  ".join(part for part in parts if part)

    def _seconds_left(self, done: int) -> float | None:
        if done <= self._first:
            return None
        elapsed = time.monotonic() - self._started
        return elapsed / (done - self._first) * (self._total - done)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._terminal:
            self._stream.write("\n")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left"
