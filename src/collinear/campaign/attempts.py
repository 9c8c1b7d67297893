"""The attempts of a program, one line of JSON each, and what failed ones printed.

Clocks stay out of the journal: two equal histories may differ in them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FAILED_LOG = "failed.log"  # in work/: what failed attempts printed
INTERRUPTED = "interrupted"  # in a line: the user ended this attempt
_TAIL, _LINE = 4096, 200  # bytes of a log that are read, characters that are kept
_KEPT = 2**16  # bytes of the log of a failed attempt


def append_record(work: Path, record: Mapping[str, Any]) -> None:
    """One line more; a torn line before it (a kill, a full disk) stays by itself."""
    with open(work / "attempts.jsonl", "ab+") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            if stream.read() != b"\n":
                stream.write(b"\n")
        stream.write(json.dumps(record).encode() + b"\n")


def keep_log(log: Path, work: Path) -> None:
    """Keeps the end of the log, which Snakemake empties for each attempt."""
    if not log.exists():
        return
    with open(log, "rb") as stream:
        stream.seek(max(0, log.stat().st_size - _KEPT))
        text = stream.read()
    with open(work / FAILED_LOG, "ab") as kept:
        kept.write(text if text.endswith(b"\n") else text + b"\n")


def last_line(path: Path) -> str | None:
    """The last line with text of a log, shortened; None without one."""
    if not path.exists():
        return None
    with open(path, "rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL))
        text = stream.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LINE] if lines else None


def read_attempts(work: Path) -> list[dict[str, Any]]:
    """The clocks of all attempts that ended; a torn line is left out."""
    return [r for r in read_records(work) if "exit_code" in r]


def attempt_failed(attempt: Mapping[str, Any]) -> bool:
    """Whether an attempt ended with a fault, or with a result that was refused."""
    if attempt.get(INTERRUPTED):
        return False
    return bool(attempt["exit_code"] != 0 or attempt.get("message"))


def read_records(work: Path) -> list[dict[str, Any]]:
    """All lines, also of attempts that were begun and killed."""
    path = work / "attempts.jsonl"
    if not path.exists():
        return []
    attempts = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            attempts.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return attempts
