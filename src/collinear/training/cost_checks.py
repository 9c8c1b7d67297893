"""Checks of what a cost model is fitted to, and of what it is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from collinear.training.errors import TuningError


def check_names(
    rows: Sequence[Mapping[str, float]], names: Sequence[str], host: str
) -> None:
    """Check that a cost has counts, and each row the names of the first.

    Args:
        rows: Counts of each measurement, one at least.
        names: Counts that the cost is a sum of.
        host: Name of the host's count; empty: none.

    Raises:
        TuningError: There is no count, the host's is missing, or a row differs.
    """
    if host and host not in rows[0]:
        raise TuningError(
            f"host must be a count of the rows, but got {host!r}, and the rows have "
            f"{_shown(rows[0])}"
        )
    if not names:
        beside = f" beside that of the host, {host!r}" if host else ""
        raise TuningError(
            f"a cost needs a count{beside}, but got none; add one to each row, such as "
            "1 for the step itself"
        )
    for at, row in enumerate(rows, 1):
        if row.keys() != rows[0].keys():
            raise TuningError(
                f"all rows must have the counts {_shown(rows[0])}, but row {at} has "
                f"{_shown(row)}; give 0 for what a step does not do"
            )


def read_costs(costs: Sequence[float], count: int) -> list[float]:
    """Return measured costs, one for each of so many rows.

    Raises:
        TuningError: Their number differs, or one is not above 0 or not finite.
    """
    if len(costs) != count:
        raise TuningError(
            f"each row must have one cost, but got {count} rows and {len(costs)} costs"
        )
    found = [_number(cost) for cost in costs]
    if not all(math.isfinite(cost) and cost > 0 for cost in found):
        raise TuningError(f"measured costs must be above 0, but got {list(costs)}")
    return found


def read_counts(
    rows: Sequence[Mapping[str, float]], names: Sequence[str]
) -> list[list[float]]:
    """Return the named counts of each row.

    Raises:
        TuningError: One is missing, not finite or below 0.
    """
    return [
        [read_count(row, name, f"row {at}") for name in names]
        for at, row in enumerate(rows, 1)
    ]


def read_count(row: Mapping[str, float], name: str, where: str) -> float:
    """Return one count.

    Args:
        row: Counts by name.
        name: Its name.
        where: What the row is called in a message.

    Raises:
        TuningError: It is missing, not finite or below 0.
    """
    if name not in row:
        raise TuningError(f"{where} needs the count {name!r}, but has {_shown(row)}")
    value = _number(row[name])
    if not (math.isfinite(value) and value >= 0):
        raise TuningError(
            f"counts must be finite and 0 or more, but {where} has {name} {row[name]!r}"
        )
    return value


def _shown(row: Mapping[str, float]) -> str:
    return ", ".join(map(str, row)) or "none"


def _number(value: Any) -> float:
    """Return a value as a number; NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
