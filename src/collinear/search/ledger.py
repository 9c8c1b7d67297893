"""The data base of one replay: every told point and the cost a strategy sees there.

A history holds raw values. A d-spline needs one finite number for a point, so
diverged, stopped and infeasible trials get bounded stand-ins here, and only here:
nothing of this module is ever written to a history or reported as a result.

The stand-ins follow the data seen so far. Adding a constant to the objective, or
multiplying it by a positive one, does the same to every stand-in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, median

from collinear.search.goal import LARGEST_COST, Goal, Limit
from collinear.search.history import Result, Status
from collinear.search.space import Point, SearchSpace

# Classes of points, best first. A point of a lower class always wins a comparison,
# so a stand-in can guide a spline but never beat a trial that keeps the limits.
FEASIBLE, INFEASIBLE, CENSORED, UNKNOWN = range(4)

Rank = tuple[int, float]

PENALTY = 4.0  # objective units per unit over a limit, at equal spread of both


class Ledger:
    """Costs of all visited points of one grid; filled by replay, local to one ask.

    Attributes:
        visited: Grid points with at least one told result, of any status.
    """

    def __init__(self, space: SearchSpace, goal: Goal) -> None:
        self.visited: set[Point] = set()
        self._space = space
        self._goal = goal
        self._keys: set[tuple[Point, int]] = set()
        self._records: dict[Point, list[tuple[int, Result]]] = {}
        self._standins: tuple[float, float, dict[str, float]] | None = None

    def tell(self, results: Iterable[Result]) -> tuple[Point, ...]:
        """Takes results in; points off the grid and repeated trials are ignored.

        Returns:
            The points that have news, in the order of the results, without repeats.
        """
        news: dict[Point, None] = {}
        for result in results:
            if result.key in self._keys or result.point not in self._space:
                continue
            self._keys.add(result.key)
            self.visited.add(result.point)
            news[result.point] = None
            if result.status is not Status.FAILED:
                record = (_classify(result, self._goal), result)
                self._records.setdefault(result.point, []).append(record)
        self._standins = None
        return tuple(news)

    def cost(self, point: Point) -> float | None:
        """What a d-spline is fed at a point: finite, or None where nothing is known.

        Seeds of one point count through the mean of those of the best class.
        """
        records = self._records.get(point)
        if not records:
            return None
        best = min(grade for grade, _ in records)
        return fmean(self._shown(g, r) for g, r in records if g == best)

    def rank(self, point: Point) -> Rank:
        """Sort key of a point: its class first, then its cost. Lower is better."""
        cost = self.cost(point)
        if cost is None:
            return (UNKNOWN, math.inf)
        return (min(grade for grade, _ in self._records[point]), cost)

    def raw_cost(self, point: Point) -> float | None:
        """Mean of the measured costs at a point, limits ignored; None without any."""
        measured = self.raw_costs(point)
        return fmean(measured) if measured else None

    def raw_costs(self, point: Point) -> tuple[float, ...]:
        """The measured costs at a point, one a trial, limits ignored."""
        costs = [self._goal.cost(r) for _, r in self._records.get(point, ())]
        return tuple(c for c in costs if c is not None)

    def best(self, points: Iterable[Point]) -> Point | None:
        """The point of lowest rank (the first on a tie); None when none has a cost."""
        known = [p for p in points if p in self._records]
        return min(known, key=self.rank, default=None)

    def _shown(self, grade: int, result: Result) -> float:
        cost = self._goal.cost(result)
        if grade == FEASIBLE and cost is not None:
            return cost
        ceiling, clip, weights = self._current_standins()
        if cost is None or grade == CENSORED:
            return ceiling
        excess = 0.0
        for limit in self._goal.limits:
            value = _limit_value(result, limit)
            if value is None:
                return min(max(ceiling, cost), clip)
            excess += weights[limit.name] * max(0.0, value - limit.maximum)
        return min(cost + excess, clip)

    def _current_standins(self) -> tuple[float, float, dict[str, float]]:
        if self._standins is None:
            self._standins = self._compute_standins()
        return self._standins

    def _compute_standins(self) -> tuple[float, float, dict[str, float]]:
        """Ceiling of censored trials, clip of infeasible ones, weight of each limit.

        The ceiling is median + 3 (median - min) of the finite costs. The clip is the
        worst feasible cost plus the margin (median - min). The weight of a limit is
        `PENALTY` times the spread of the objective over the spread of the limited
        value, so that units cancel.
        """
        records = [pair for pairs in self._records.values() for pair in pairs]
        graded = [(g, self._goal.cost(r), r) for g, r in records]
        costs = [c for _, c, r in graded if c is not None and r.status is Status.DONE]
        weights = {
            limit.name: PENALTY * self._relative_spread(costs, limit)
            for limit in self._goal.limits
        }
        if not costs:
            return 0.0, math.inf, weights
        middle = median(costs)
        margin = middle - min(costs)
        feasible = [c for g, c, _ in graded if c is not None and g == FEASIBLE]
        clip = max(feasible) + margin if feasible else LARGEST_COST
        return middle + 3.0 * margin, clip, weights

    def _relative_spread(self, costs: Sequence[float], limit: Limit) -> float:
        results = [r for pairs in self._records.values() for _, r in pairs]
        values = [v for r in results if (v := _limit_value(r, limit)) is not None]
        objective, limited = _spread(costs), _spread(values)
        return objective / limited if objective > 0.0 and limited > 0.0 else 1.0


def _classify(result: Result, goal: Goal) -> int:
    if goal.cost(result) is None:
        return CENSORED
    return FEASIBLE if goal.feasible(result) else INFEASIBLE


def _limit_value(result: Result, limit: Limit) -> float | None:
    value = result.values.get(limit.name)
    if value is None or not math.isfinite(value) or abs(value) > LARGEST_COST:
        return None
    return value


def _spread(values: Sequence[float]) -> float:
    """Median absolute deviation; 0 below three values."""
    if len(values) < 3:
        return 0.0
    middle = median(values)
    return median(abs(v - middle) for v in values)
