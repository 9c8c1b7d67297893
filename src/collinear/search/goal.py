"""What is minimised, and under which limits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Real

from collinear.search.history import Result, Status

LARGEST_COST = 1e100  # beyond it a "finite" objective is a divergence in disguise


@dataclass(frozen=True)
class Limit:
    """An upper limit on a recorded value, such as ``rmse <= 12.5``.

    Attributes:
        name: Name of the recorded value.
        maximum: Largest value that is allowed.
        tighter: Further, smaller limits for which the best setting is wanted too, in
            ascending order. Feasible means within `maximum`.

    Raises:
        ValueError: A limit is no number or NaN, or they do not ascend, or the tighter
            ones are no tuple.
    """

    name: str
    maximum: float
    tighter: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.tighter, Iterable):
            raise ValueError(
                f"tighter limits on {self.name!r} must be a tuple of numbers, but got "
                f"{self.tighter!r}; a single one is written (12.5,)"
            )
        object.__setattr__(self, "tighter", tuple(self.tighter))
        if any(not isinstance(m, Real) or math.isnan(m) for m in self.maxima):
            raise ValueError(
                f"limits on {self.name!r} must be numbers, but got {list(self.maxima)}"
            )
        if any(not a < b for a, b in pairwise(self.maxima)):
            raise ValueError(
                f"several limits on {self.name!r} must ascend without repeats, but got "
                f"{list(self.maxima)}"
            )

    @property
    def maxima(self) -> tuple[float, ...]:
        """All limits on this value, the tightest first."""
        return (*self.tighter, self.maximum)


@dataclass(frozen=True)
class Goal:
    """What is minimised, and under which limits.

    Attributes:
        objective: Name of the recorded value that is minimised.
        limits: Upper limits on other recorded values; one of them may be a list of
            several (`Limit.tighter`).
        lower_is_better: False turns the objective around (it is then maximised).

    Raises:
        ValueError: Limits are no tuple of `Limit`, or more than one value has several.
    """

    objective: str
    limits: tuple[Limit, ...] = ()
    lower_is_better: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.limits, tuple | list) or not all(
            isinstance(limit, Limit) for limit in self.limits
        ):
            raise ValueError(
                f"limits must be a tuple of Limit, but got {self.limits!r}; a single "
                "one is written (Limit(...),)"
            )
        object.__setattr__(self, "limits", tuple(self.limits))
        several = [limit.name for limit in self.limits if limit.tighter]
        if len(several) > 1:
            raise ValueError(
                f"only one value may have several limits, but got them for {several}"
            )

    @property
    def swept(self) -> Limit | None:
        """The limit that is a list of several, or None."""
        return next((limit for limit in self.limits if limit.tighter), None)

    @property
    def each(self) -> tuple[Goal, ...]:
        """One goal for each of several limits, the tightest first; else this goal."""
        swept = self.swept
        if swept is None:
            return (self,)
        return tuple(
            replace(
                self,
                limits=tuple(
                    Limit(swept.name, maximum) if limit is swept else limit
                    for limit in self.limits
                ),
            )
            for maximum in swept.maxima
        )

    def cost(self, result: Result) -> float | None:
        """The objective to be minimised, or None.

        None unless the trial is done with a value within +/- `LARGEST_COST`.
        """
        value = result.values.get(self.objective)
        if (
            result.status is not Status.DONE
            or value is None
            or not abs(value) <= LARGEST_COST
        ):
            return None
        return value if self.lower_is_better else -value

    def feasible(self, result: Result) -> bool:
        """True when the trial is done, has an objective and keeps every limit."""
        if self.cost(result) is None:
            return False
        for limit in self.limits:
            value = result.values.get(limit.name)
            if value is None or not value <= limit.maximum:
                return False
        return True
