"""The choice at the end: what the model believes of the measured points.

The lowest recorded value is the luckiest run. The posterior mean weighs it against its
repeats and its neighbours, and comes with a spread and two probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collinear.search.grid_model import Array
from collinear.search.observations import Observations, full_point
from collinear.search.replay import StrategyError
from collinear.search.space import Point, SearchSpace
from collinear.search.surrogate import Models

SAFE = 0.9  # probability of keeping the limits from which a point is recommended
_SHORT_LIST = 100
ROUGHNESS = 0.5  # share of what the model leaves over, until repeats tell
_N_DRAWS = 4000


@dataclass(frozen=True)
class Recommendation:
    """A measured point and what the model believes of it.

    Attributes:
        point: Grid point.
        cost: Expected cost, in units of the objective; lower is better, so an
            objective that is maximised comes with its sign changed.
        sd: Standard deviation of that expectation, same units.
        p_best: Probability of being the best of the points listed with it that keep
            the limits with probability >= `SAFE`, or what was asked for instead (of
            all of them, when none does).
        p_feasible: Probability that its mean values keep all limits.
        n_trials: Number of its trials that taught something.
    """

    point: Point
    cost: float
    sd: float
    p_best: float
    p_feasible: float
    n_trials: int


def rank_measured(
    models: Models,
    seen: Observations,
    space: SearchSpace,
    seed: int = 0,
    *,
    roughness: float = ROUGHNESS,
    safe: float = SAFE,
) -> tuple[Recommendation, ...]:
    """The most promising measured points, the one to take home first.

    Points that keep the limits with probability >= `safe` come first, by posterior
    mean; then the others by that probability. A point where a trial gave no finite
    cost is no candidate, so the list is empty where each point has one.

    Args:
        models: The models given everything seen.
        seen: The observations.
        space: The grid.
        seed: Of the draws behind `Recommendation.p_best`, >= 0.
        roughness: See `_with_roughness`; 0 trusts no single run.
        safe: Probability of keeping the limits that is enough, in (0, 1].
    """
    objective = models.objective
    grid_mean = _with_roughness(models, roughness)
    shape = objective.posterior.model.shape
    flat = np.ravel_multi_index(tuple(seen.points.T), shape)
    known, counts = np.unique(flat, return_counts=True)
    sound = ~np.isin(known, flat[~seen.measured])
    known, counts = known[sound], counts[sound]
    if not len(known):
        return ()
    points = np.stack(np.unravel_index(known, shape), axis=1)
    p_feasible = models.feasibility(points)
    risk = np.where(p_feasible >= safe, 0.0, 1.0 - p_feasible)
    order = np.lexsort((grid_mean[known], risk))[:_SHORT_LIST]
    points, counts, p_feasible = points[order], counts[order], p_feasible[order]
    _, covariance = objective.posterior.moments(points)
    mean = grid_mean[known[order]]
    p_best = _chance_of_best(mean, covariance, p_feasible >= safe, seed)
    sd = np.sqrt(np.maximum(np.diag(covariance), 0.0)) * objective.warp.slope(mean)
    rows = zip(
        [full_point(row, space) for row in points],
        *(a.tolist() for a in (objective.warp.backward(mean), sd, p_best)),
        *(a.tolist() for a in (p_feasible, counts)),
        strict=True,
    )
    return tuple(Recommendation(*row) for row in rows)


def check_shares(roughness: float, safe: float) -> None:
    """Checks what a recommendation is asked to believe.

    Raises:
        StrategyError: One of the shares is out of range, or NaN.
    """
    if not (0.0 <= roughness <= 1.0 and 0.0 < safe <= 1.0):
        raise StrategyError(
            "a recommendation needs roughness in [0, 1] and safe in (0, 1], but got "
            f"roughness={roughness!r} and safe={safe!r}"
        )


def _with_roughness(models: Models, share: float) -> Array:
    """Posterior mean over the grid, corrected where nothing was ever repeated.

    Without repeats, noise and a roughness of the landscape look the same. A share of
    what the model left over then counts as roughness, which is part of a point's
    value; as soon as there are repeats, none of it does.
    """
    posterior = models.objective.posterior
    flat = np.ravel_multi_index(tuple(posterior.points.T), posterior.model.shape)
    mean = posterior.mean.copy()
    if len(np.unique(flat)) == len(flat):
        mean[flat] += share * (posterior.values - mean[flat])
    return mean


def _chance_of_best(
    mean: Array, covariance: Array, safe: NDArray[np.bool_], seed: int
) -> Array:
    """How often each of m points is lowest in joint draws."""
    rivals = np.flatnonzero(safe) if safe.any() else np.arange(len(mean))
    values, vectors = np.linalg.eigh(covariance[np.ix_(rivals, rivals)])
    half = vectors * np.sqrt(np.maximum(values, 0.0))
    generator = np.random.default_rng([seed, 0xBE57])
    draws = mean[rivals] + generator.standard_normal((_N_DRAWS, len(rivals))) @ half.T
    found = np.zeros(len(mean))
    wins = np.bincount(np.argmin(draws, axis=1), minlength=len(rivals))
    found[rivals] = wins / _N_DRAWS
    return found
