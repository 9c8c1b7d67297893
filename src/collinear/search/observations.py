"""The numbers that the shared model is fitted to, taken from a history.

Axes of a single value take no part: points are given on the active axes only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collinear.search.goal import LARGEST_COST, Goal
from collinear.search.grid_model import Array, Indices
from collinear.search.history import Asked, History, Result, Status
from collinear.search.replay import sorted_results
from collinear.search.space import Point, SearchSpace


@dataclass(frozen=True)
class Observations:
    """Told trials on the grid that teach something, in the order of their batches.

    Attributes:
        points: n x d indices on the active axes.
        costs: n objectives to be minimised; NaN for a trial that diverged, was stopped
            or gave no usable number.
        limited: n x q recorded values of the q limits; NaN where missing.
        batches: Number of observations at the end of each batch of results.
    """

    points: Indices
    costs: Array
    limited: Array
    batches: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.costs)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Where there is a finite cost."""
        return np.isfinite(self.costs)


def observe(history: History, space: SearchSpace, goal: Goal) -> Observations:
    """Reads a history; a failed trial, which taught nothing, is left out.

    The order within a batch of results is that in which they were asked, so it does
    not matter which trial of a batch ended first.
    """
    order: dict[tuple[Point, int], int] = {}
    seen: set[tuple[Point, int]] = set()
    kept: list[Result] = []
    batches: list[int] = []
    for event in history.events:
        if isinstance(event, Asked):
            for proposal in event.proposals:
                order.setdefault(proposal.key, len(order))
            continue
        for result in sorted_results(event, order):
            if result.key in seen or result.point not in space:
                continue
            seen.add(result.key)
            if result.status is not Status.FAILED:
                kept.append(result)
        batches.append(len(kept))
    active = active_axes(space)
    points = np.array([[r.point[k] for k in active] for r in kept], dtype=np.intp)
    costs = np.array([_number(goal.cost(r)) for r in kept])
    rows = [[_number(r.values.get(m.name)) for m in goal.limits] for r in kept]
    return Observations(
        points.reshape(len(kept), len(active)),
        costs,
        np.array(rows, dtype=float).reshape(len(kept), len(goal.limits)),
        tuple(batches),
    )


def active_axes(space: SearchSpace) -> tuple[int, ...]:
    """Numbers of the axes with two or more values."""
    return tuple(k for k, n in enumerate(space.shape) if n > 1)


def full_point(indices: Indices, space: SearchSpace) -> Point:
    """The grid point with the given indices on the active axes, and 0 on the others."""
    point = [0] * len(space.shape)
    for k, index in zip(active_axes(space), indices, strict=True):
        point[k] = int(index)
    return tuple(point)


def _number(value: float | None) -> float:
    if value is None or not abs(value) <= LARGEST_COST:
        return float("nan")
    return float(value)
