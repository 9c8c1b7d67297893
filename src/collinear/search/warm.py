"""Warm start: what an earlier search of a similar problem says about this one.

Two data sets, or two lengths of training, give other values but often a similar order
of settings. So only ranks are taken over: each earlier cost becomes the normal score
of its rank. The model of these scores, fitted as any other, gives a mean m over the
grid. The new search then models its standardised objective as

    f = b m + g,   b ~ N(1/2, 1/4),   g as without a warm start.

The data weigh b: where m explains nothing, b goes to zero and the search is what it
would have been. Given the results y at X, with K the covariance of y without m,

    b | y  is normal with precision  P = m_X' K^-1 m_X + 4
    and mean  (m_X' K^-1 y + 2) / P,

and f's mean moves by b (m - k(., X) K^-1 m_X): the part of m that the results do not
show already. This is universal kriging with a prior on the coefficient (H. Omre,
Mathematical Geology 19, 1987).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

import numpy as np
from scipy.special import ndtri

from collinear.search.goal import LARGEST_COST
from collinear.search.grid_model import Array, Posterior
from collinear.search.observations import Observations, active_axes
from collinear.search.replay import StrategyError
from collinear.search.space import Axis, Point, SearchSpace, plain_number
from collinear.search.surrogate import NEEDED, Axes, Models, build

_B_MEAN, _B_SD = 0.5, 0.5
_TOLERANCE = 1e-9  # relative, of two values that are taken for the same


@dataclass(frozen=True)
class EarlierTrial:
    """A trial of another search.

    Attributes:
        params: Value of each of its axes.
        cost: What it measured, lower is better; None when it diverged or was stopped.
        feasible: Whether it keeps the limits of the new search.
    """

    params: Mapping[str, float]
    cost: float | None
    feasible: bool = True


@dataclass(frozen=True)
class Prior:
    """Earlier trials on the grid of a new search.

    Attributes:
        points: n distinct grid points.
        scores: Normal scores of the ranks of their costs; lower is better.
        best: The point of the best earlier trial that keeps the limits.
        skipped: Number of earlier trials with a value that the grid does not have.
    """

    points: tuple[Point, ...]
    scores: tuple[float, ...]
    best: Point
    skipped: int = 0


def make_prior(trials: Iterable[EarlierTrial], space: SearchSpace) -> Prior:
    """Places earlier trials on a grid, by the names and values of the axes.

    Axes that only the earlier search had are left out of account. Trials that fall on
    one point count through the mean of their costs; a trial without a cost, or with
    one beyond `LARGEST_COST`, ranks last.

    Raises:
        StrategyError: An axis of the grid is missing in a trial or has no number
            there, or no trial with a cost lies on the grid.
    """
    costs: dict[Point, list[float]] = {}
    feasible: dict[Point, bool] = {}
    skipped = 0
    for trial in trials:
        point = _locate(trial.params, space)
        if point is None:
            skipped += 1
            continue
        known = costs.setdefault(point, [])
        if trial.cost is not None and abs(trial.cost) <= LARGEST_COST:
            known.append(trial.cost)
        feasible[point] = feasible.get(point, True) and trial.feasible
    means = {p: fmean(c) if c else math.inf for p, c in costs.items()}
    measured = [p for p, mean in means.items() if math.isfinite(mean)]
    if not measured:
        raise StrategyError(
            "a warm start needs an earlier trial with a value on the grid, but of "
            f"{len(costs) + skipped} settings {skipped} lie off it and the others have "
            "no value"
        )
    best = min(measured, key=lambda p: (not feasible[p], means[p]))
    points = tuple(sorted(means))
    return Prior(points, _normal_scores([means[p] for p in points]), best, skipped)


def _locate(params: Mapping[str, float], space: SearchSpace) -> Point | None:
    indices = []
    for axis in space.axes:
        if axis.name not in params and len(axis) > 1:
            raise StrategyError(
                f"a warm start needs earlier trials with a value of {axis.name!r}, but "
                f"they have {sorted(params)}"
            )
        index = _index(axis, params.get(axis.name, axis.values[0]))
        if index is None:
            return None
        indices.append(index)
    return tuple(indices)


def _index(axis: Axis, value: float) -> int | None:
    """The index of the nearest value that can be taken for the same."""
    value = plain_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise StrategyError(
            f"a warm start needs a number for {axis.name!r} in each earlier trial, but "
            f"got {value!r}"
        )
    near = [
        index
        for index, known in enumerate(axis.values)
        if math.isclose(known, value, rel_tol=_TOLERANCE)
    ]
    return min(near, key=lambda i: abs(axis.values[i] - value), default=None)


def _normal_scores(costs: Sequence[float]) -> tuple[float, ...]:
    """Quantiles of the ranks (R. van der Waerden, 1952); ties share their mean rank."""
    from scipy.stats import rankdata  # slow to import; see `start_order`

    ranks = rankdata(costs)
    return tuple(ndtri(ranks / (len(costs) + 1)).tolist())


@lru_cache(maxsize=4)
def prior_models(prior: Prior, space: SearchSpace, axes: Axes) -> Models:
    """The model of the scores over the grid.

    Raises:
        StrategyError: Too few earlier trials lie on the grid.
    """
    active = active_axes(space)
    points = np.array([[p[k] for k in active] for p in prior.points], dtype=np.intp)
    n = len(prior.points)
    seen = Observations(
        points.reshape(n, len(active)), np.array(prior.scores), np.zeros((n, 0)), (n,)
    )
    models = build(axes, seen, ())
    if models is None:
        raise StrategyError(
            f"a warm start needs {NEEDED} or more earlier trials on the grid, but got "
            f"{n} ({prior.skipped} had a value off the grid)"
        )
    return models


@dataclass(frozen=True)
class Shift:
    """By how much the earlier trials move the posterior of the new objective.

    Attributes:
        missing: The part of m, over the grid, that the results do not show: N numbers.
        mean: Posterior mean of b.
        sd: Posterior standard deviation of b.
    """

    missing: Array
    mean: float
    sd: float

    def drawn(self, seed: int, slot: int) -> Array:
        """The shift over the grid for one draw of b."""
        b = np.random.default_rng([seed, slot, 0xB0]).normal(self.mean, self.sd)
        return np.asarray(b * self.missing)


def shift(earlier: Models, posterior: Posterior) -> Shift:
    """The shift of a posterior; see the module for the formulas.

    Args:
        earlier: The model of the earlier scores, on the same grid.
        posterior: Of the new, standardised objective.
    """
    mean = earlier.objective.posterior.mean
    m = (mean - mean.mean()) / (float(np.std(mean)) or 1.0)
    flat = np.ravel_multi_index(tuple(posterior.points.T), posterior.model.shape)
    fitted = Posterior(posterior.model, posterior.points, m[flat])
    solved = fitted.solved
    precision = float(m[flat] @ solved) + 1.0 / _B_SD**2
    centre = (float(posterior.values @ solved) + _B_MEAN / _B_SD**2) / precision
    return Shift(m - fitted.mean, centre, 1.0 / math.sqrt(precision))
