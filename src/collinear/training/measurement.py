"""What was measured of one minibatch size, and the statistics behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from collinear.training.errors import check_count, check_positive


@dataclass(frozen=True)
class Measurement:
    """A training step at one minibatch size.

    Attributes:
        size: Items in a minibatch.
        seconds: Median time of a step; None: the size could not be run.
        error: Standard error of that median; None with a single timing.
        mean: Mean time of a step, which the rules of the document use.
        fastest: Least time of a step; on a CPU that others use too, the steadiest.
        steps: Steps that were timed, warm-up not counted.
        settled: Whether the error came below what was asked for.
        usage: Utilisation of the device in percent, mean of the upper half; or None.
        usages: Its single values, one a second.
        memory: Largest memory of the device in bytes; None where it is not counted.
        reason: Why `seconds` is missing, or what was noticed.

    Raises:
        TuningError: The size is no whole number from 1 on, or `seconds` is not above 0.
    """

    size: int
    seconds: float | None
    error: float | None = None
    mean: float | None = None
    fastest: float | None = None
    steps: int = 0
    settled: bool = True
    usage: float | None = None
    usages: tuple[float, ...] = ()
    memory: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_count("the size of a measurement", self.size)
        if self.seconds is not None:
            check_positive("the seconds of a measurement", self.seconds)

    @property
    def per_item(self) -> float | None:
        """Seconds an item, or None."""
        return None if self.seconds is None else self.seconds / self.size

    def as_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self) | {"usages": list(self.usages)}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Measurement:
        """Return what `as_json` wrote.

        Raises:
            TypeError: A name is not known or missing.
        """
        found = dict(values)
        found["usages"] = tuple(found.get("usages", ()))
        return Measurement(**found)


def median_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the median of timings and its standard error.

    The error is half the distance between the quantiles 1/2 -/+ 1/(2 sqrt(n)): the
    binomial interval of one standard deviation, whatever the timings' distribution
    (H. A. David, H. N. Nagaraja, "Order Statistics", 3rd ed., sec. 7.1). A few slow
    steps on a shared machine move neither.

    >>> median, error = median_and_error([1.0, 2.0, 3.0, 4.0, 50.0])
    >>> median, round(error, 2)
    (3.0, 0.89)
    """
    found = np.asarray(values, float)
    n = len(found)
    middle = float(np.median(found))
    if n < 2:
        return middle, None
    away = 0.5 / math.sqrt(n)
    low, high = np.quantile(found, [0.5 - away, 0.5 + away])
    return middle, float(high - low) / 2


def mean_of_upper_half(usages: Sequence[float]) -> float:
    """Return the utilisation of document 003: zeros dropped, mean of the upper half.

    Args:
        usages: Percent, one a second.

    Returns:
        Percent; 0 when every value is 0. Of an odd number the middle one counts too.

    >>> mean_of_upper_half([0, 10, 0, 90, 100])
    95.0
    """
    busy = sorted(value for value in usages if value > 0)
    upper = busy[len(busy) // 2 :]
    return sum(upper) / len(upper) if upper else 0.0
