"""Time and memory of a training step from what it does, with error bars.

A cost is a sum of counts (`counting.StepCounts` or the like) times coefficients that
are not negative, fitted to a short profile by least squares of relative deviations:
times of a profile span orders of magnitude, and a per cent counts the same everywhere.
On a GPU the host starts kernels ahead of the device, and a step takes the longer of
both: then the cost is max(host, device), with the host's share one coefficient times
the number of operations.
The interval of a prediction is that of a linear regression (N. Draper, H. Smith,
"Applied Regression Analysis", 3rd ed., sec. 3.1), in relative terms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import t as student

from collinear.training.cost_checks import (
    check_names,
    read_costs,
    read_count,
    read_counts,
)
from collinear.training.errors import TuningError, check_positive, check_share

_Array = NDArray[np.float64]

LEVEL = 0.95
"""Share of new measurements that a prediction's interval is to hold."""


@dataclass(frozen=True)
class Prediction:
    """A predicted cost.

    Attributes:
        value: The expected cost.
        low: Lower end of the interval.
        high: Upper end.
        beyond: Counts that are larger or smaller than all that was measured, by more
            than the factor that `CostModel.predict` allows.
    """

    value: float
    low: float
    high: float
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True)
class CostModel:
    """A fitted cost.

    Attributes:
        names: Counts that it is made of.
        coefficients: Cost of one of each; 0 where the profile shows none.
        deviation: Relative standard deviation of what it was fitted to.
        freedom: Degrees of freedom of that.
        spread: Inverse of X'X of the counts with a coefficient, divided by the cost:
            how well the profile tells them apart.
        ranges: Smallest and largest value of each count in the profile.
        host_name: Count that the host's time is proportional to; empty: none.
        host: Seconds of the host for one of it; 0 where the profile shows none.
    """

    names: tuple[str, ...]
    coefficients: tuple[float, ...]
    deviation: float
    freedom: int
    spread: tuple[tuple[float, ...], ...]
    ranges: tuple[tuple[float, float], ...]
    host_name: str = ""
    host: float = 0.0

    def predict(
        self, counts: Mapping[str, float], level: float = LEVEL, reach: float = 2.0
    ) -> Prediction:
        """Predict a cost.

        Args:
            counts: A value for each name, and for `host_name`; others do not matter.
            level: Share of new measurements inside the interval, between 0 and 1.
            reach: Factor by which a count may leave what was measured, above 0.

        Raises:
            TuningError: A count is missing, not finite or below 0, or the profile has
                never seen it; or the level or the reach is out of its range.
        """
        check_share("level", level)
        check_positive("reach", reach)
        row = np.array(
            [read_count(counts, name, "a prediction") for name in self.names]
        )
        starts = (
            read_count(counts, self.host_name, "a prediction")
            if self.host_name
            else 0.0
        )
        self._check_known(row)
        value = float(row @ np.array(self.coefficients))
        if value <= 0:
            raise TuningError(f"the predicted cost must be above 0 for {dict(counts)}")
        used = row[self._used] / value
        leverage = float(used @ np.array(self.spread) @ used) if len(used) else 0.0
        host = self.host * starts
        if host > value:
            value, leverage = host, 0.0
        width = student.ppf((1 + level) / 2, self.freedom) * self.deviation
        width *= math.sqrt(1 + leverage)
        beyond = tuple(
            name
            for name, x, (low, high) in zip(self.names, row, self.ranges, strict=True)
            if x > reach * high or 0 < x < low / reach
        )
        # The regression is in relative terms: a symmetric interval of the logarithm
        # never goes below 0.
        return Prediction(
            value, value * math.exp(-width), value * math.exp(width), beyond
        )

    @property
    def _used(self) -> NDArray[np.bool_]:
        return np.array(self.coefficients) > 0

    def _check_known(self, row: NDArray[np.float64]) -> None:
        for name, x, (_, high) in zip(self.names, row, self.ranges, strict=True):
            if x > 0 and high == 0:
                raise TuningError(
                    f"a cost with {name} cannot be predicted: the profile has measured "
                    "nothing with it; profile again with such a setting"
                )

    def as_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> CostModel:
        """Return what `as_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: It is no such record.
        """
        found = CostModel(
            names=tuple(str(name) for name in values["names"]),
            coefficients=tuple(float(x) for x in values["coefficients"]),
            deviation=float(values["deviation"]),
            freedom=int(values["freedom"]),
            spread=tuple(tuple(float(x) for x in row) for row in values["spread"]),
            ranges=tuple((float(low), float(high)) for low, high in values["ranges"]),
            host_name=str(values["host_name"]),
            host=float(values["host"]),
        )
        found._check()
        return found

    def _check(self) -> None:
        """Check that the parts fit together, so that a prediction is a number."""
        counts = {len(self.names), len(self.coefficients), len(self.ranges)}
        sides = {len(self.spread), *(len(row) for row in self.spread)}
        if len(counts) > 1 or sides != {sum(c > 0 for c in self.coefficients)}:
            raise ValueError(f"the numbers do not fit {len(self.names)} counts")
        rows = (self.coefficients, *self.spread, *self.ranges)
        numbers = [self.deviation, self.host, *(x for row in rows for x in row)]
        if not all(math.isfinite(x) for x in numbers) or self.freedom < 1:
            raise ValueError("all numbers must be finite, and freedom at least 1")


def fit_cost(
    rows: Sequence[Mapping[str, float]], costs: Sequence[float], host: str = ""
) -> CostModel:
    """Fit a cost to measurements.

    Args:
        rows: Counts of each measurement, all with the same names.
        costs: What was measured, one a row, above 0.
        host: Name of the count that bounds the cost from the host's side, above 0 in
            each row; it is no part of the sum, which needs one count at least.

    Raises:
        TuningError: Fewer measurements than counts and one, no count beside the host's,
            rows of other names, not one cost a row, a cost that is not above 0, or a
            count that is not finite or below 0 (the host's: not above 0).
    """
    names = tuple(name for name in rows[0] if name != host) if rows else ()
    if len(rows) <= len(names):
        raise TuningError(
            f"a cost of {len(names)} counts needs {len(names) + 1} measurements or "
            f"more, but got {len(rows)}"
        )
    check_names(rows, names, host)
    y = np.array(read_costs(costs, len(rows)))
    x = np.array(read_counts(rows, names))
    if not host:
        return _fit(names, x, y)
    starts = np.array(read_counts(rows, (host,)))[:, 0]
    if not (starts > 0).all():
        raise TuningError(
            f"the host's count {host!r} must be above 0 in each row, but is 0 in row "
            f"{int(np.argmin(starts)) + 1}"
        )
    return _fit_with_host(names, x, y, host, starts)


def _fit_with_host(
    names: tuple[str, ...], x: _Array, y: _Array, host: str, starts: _Array
) -> CostModel:
    """Try every number of measurements that the host binds: those cheapest a start."""
    order = np.argsort(y / starts)
    best, least = _fit(names, x, y), math.inf
    for bound in range(len(y) - len(names)):
        if bound == 1:
            continue  # one measurement meets any coefficient
        held, free = order[:bound], order[bound:]
        each = float(np.mean(y[held] / starts[held])) if bound else 0.0
        device = _fit(names, x[free], y[free])
        fitted = np.maximum(x @ np.array(device.coefficients), each * starts)
        squares = float(((fitted / y - 1) ** 2).sum())
        freedom = device.freedom + bound - (1 if bound else 0)
        # Fewer degrees of freedom must pay: compare variances, not sums.
        if squares / freedom < least:
            least = squares / freedom
            best = replace(
                device,
                deviation=math.sqrt(least),
                freedom=freedom,
                ranges=_ranges(x),
                host_name=host,
                host=each,
            )
    return best


def _fit(names: tuple[str, ...], x: _Array, y: _Array) -> CostModel:
    relative = x / y[:, None]
    level = np.linalg.norm(relative, axis=0)
    level[level == 0] = 1
    coefficients = nnls(relative / level, np.ones(len(y)))[0] / level
    used = coefficients > 0
    freedom = len(y) - int(used.sum())
    fitted = x @ coefficients
    deviation = math.sqrt(float(((fitted / y - 1) ** 2).sum()) / freedom)
    scaled = x[:, used] / y[:, None]
    return CostModel(
        names,
        tuple(map(float, coefficients)),
        deviation,
        freedom,
        tuple(map(tuple, np.linalg.pinv(scaled.T @ scaled).tolist())),
        _ranges(x),
    )


def _ranges(x: _Array) -> tuple[tuple[float, float], ...]:
    return tuple((float(column.min()), float(column.max())) for column in x.T)
