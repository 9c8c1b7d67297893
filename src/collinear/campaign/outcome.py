"""What a program wrote in its result file, and whether it keeps the contract."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collinear.campaign.files import read_json, write_json
from collinear.search import Status

METRICS = "metrics.json"  # result of a training
WEIGHTS, CURVE = "weights.pt", "curve.tsv"  # beside it


class ProgramError(RuntimeError):
    """The program broke or wrote what it must not; the message names the log."""


def check_outcome(path: Path, wanted: Sequence[str] = ()) -> dict[str, Any]:
    """Reads a result file and checks what the contract demands of it.

    Args:
        path: The file.
        wanted: Names of the values that it must hold when its status is done.

    Raises:
        ProgramError: Unknown status, values that are neither numbers nor null, or a
            folder where a file must be.
    """
    try:
        record = read_json(path)
    except ValueError as error:
        raise ProgramError(str(error)) from error
    allowed = [status.value for status in Status]
    if not isinstance(record, dict):
        raise ProgramError(
            f"{path}: must be a mapping, whose status must be one of {allowed}, but "
            f"is {_shown(record)}"
        )
    if record.get("status") not in allowed:
        got = _shown(record.get("status"))
        raise ProgramError(f"{path}: status must be one of {allowed}, got {got}")
    over = record["status"] in (Status.DONE, Status.STOPPED)
    for name in (WEIGHTS, CURVE) if over and path.name == METRICS else ():
        if (path.parent / name).is_dir():
            raise ProgramError(
                f"{path.parent / name} must be a file, but is a folder; write one file "
                "(an archive, say)"
            )
    values = record.get("values") or {}
    if not isinstance(values, dict):
        raise ProgramError(f"{path}: values must be a mapping, got {values!r}")
    if record["status"] == Status.DONE and not set(wanted) <= set(values):
        raise ProgramError(
            f"{path}: a done trial must record {list(wanted)}, got {list(values)}"
        )
    for name in wanted:  # others are dropped
        value = values.get(name)
        if value is not None and not _is_number(value):
            raise ProgramError(
                f"{path}: values.{name} must be a finite number or null, got {value!r}"
            )
    rungs = record.get("rungs") or []
    for rung in rungs if isinstance(rungs, list) else [rungs]:
        if not _is_rung(rung):
            raise ProgramError(
                f"{path}: each of rungs must hold epoch (a number) and value (a finite "
                f"number or null), got {rung!r}"
            )
    return record


def tell_diverged(path: Path, wanted: Sequence[str] = ()) -> None:
    """Rewrites a result whose wanted values are NaN or infinite: they become null.

    A done one is a divergence then. A file that cannot be read is left as it is.
    """
    try:
        record = read_json(path)
    except ValueError:
        return
    values = record.get("values") if isinstance(record, dict) else None
    if not isinstance(values, dict):
        return
    for name in wanted:
        value = values.get(name)
        if isinstance(value, float) and not math.isfinite(value):
            if record.get("status") == Status.DONE:
                record["status"] = Status.DIVERGED.value
                record["reason"] = f"{name} is {value}"
            write_json(path, _finite(record))
            return


def _finite(value: Any) -> Any:
    """JSON without NaN and infinities: null in their places."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _shown(value: Any) -> str:
    """What was got, for a message of one line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_rung(rung: Any) -> bool:
    if not isinstance(rung, dict) or "value" not in rung:
        return False
    value = rung["value"]
    return _is_number(rung.get("epoch")) and (value is None or _is_number(value))


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False
