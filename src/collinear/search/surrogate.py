"""The models of a search: one of the objective, one of each limited value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from collinear.search.goal import Limit
from collinear.search.grid_model import Array, GridModel, Indices, Posterior
from collinear.search.hyper import ANOVA, Fit, HyperPrior, fit_hyper
from collinear.search.kernels import AxisShape
from collinear.search.observations import Observations
from collinear.search.warp import SHARES, Warp, bounded, make_warp

NEEDED = 4  # observations below which there is no model
FIT_AT_MOST = 200  # observations in a fit of hyperparameters; all are conditioned on
REFIT_GROWTH = 1.15  # growth of the data at which hyperparameters are fitted anew

Axes = tuple[AxisShape, ...]


@dataclass(frozen=True)
class Surrogate:
    """A posterior over the grid and the scale it lives on.

    Attributes:
        posterior: Of the standardised values.
        warp: From recorded to standardised values.
    """

    posterior: Posterior
    warp: Warp


@dataclass(frozen=True)
class LimitModel:
    """The model of a limited value.

    Attributes:
        surrogate: Of the value, or of its logarithm.
        maximum: The limit on the standardised scale.
        tighter: The smaller limits of `Limit.tighter` on that scale.
    """

    surrogate: Surrogate
    maximum: float
    tighter: tuple[float, ...] = ()

    def at(self, level: int) -> LimitModel:
        """The same with one of several limits, 0 for the tightest."""
        if not self.tighter:
            return self
        return LimitModel(self.surrogate, (*self.tighter, self.maximum)[level])

    def probability(self, points: Indices) -> Array:
        """Probability that the mean value at m points keeps the limit."""
        mean, covariance = self.surrogate.posterior.moments(points)
        sd = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
        return np.asarray(ndtr((self.maximum - mean) / sd))


@dataclass(frozen=True)
class Models:
    """What is known about a grid.

    Attributes:
        objective: The model of the objective.
        limits: One model for each limit that enough trials recorded.
    """

    objective: Surrogate
    limits: tuple[LimitModel, ...]

    def at(self, level: int) -> Models:
        """The same for one of several limits, 0 for the tightest."""
        return Models(self.objective, tuple(m.at(level) for m in self.limits))

    def feasibility(self, points: Indices) -> Array:
        """Probability that m points keep all limits, taken as independent."""
        total = np.ones(len(points))
        for model in self.limits:
            total *= model.probability(points)
        return total


def build(
    axes: Axes, seen: Observations, limits: Sequence[Limit], prior: HyperPrior = ANOVA
) -> Models | None:
    """The models given everything seen, or None below `NEEDED` finite costs."""
    if not enough(axes, seen):
        return None
    n = last_refit(seen)
    share, fit = _fit(axes, seen.points[:n], bounded(seen.costs[:n]), SHARES, prior)
    values = bounded(seen.costs)
    objective = _condition(axes, seen.points, values, share, fit)
    models = (_limit_model(axes, seen, n, k, m, prior) for k, m in enumerate(limits))
    return Models(objective, tuple(m for m in models if m is not None))


def enough(axes: Axes, seen: Observations) -> bool:
    """Whether there can be a model: `NEEDED` finite costs and an axis to vary."""
    return bool(np.sum(seen.measured) >= NEEDED and axes)


def last_refit(seen: Observations) -> int:
    """Number of observations at the last refit: after a batch that adds 15 %."""
    last = 0
    for n in seen.batches:
        enough = np.sum(seen.measured[:n]) >= NEEDED
        if enough and n >= REFIT_GROWTH * last:
            last = n
    return last


def _limit_model(
    axes: Axes, seen: Observations, n: int, k: int, limit: Limit, prior: HyperPrior
) -> LimitModel | None:
    raw = seen.limited[:, k]
    known = np.isfinite(raw)
    if np.sum(known[:n]) < NEEDED:
        return None
    logs = limit.maxima[0] > 0.0 and bool(np.all(raw[known] > 0.0))
    maxima = np.log(limit.maxima) if logs else np.array(limit.maxima)
    maximum = float(maxima[-1])
    values = np.log(raw[known]) if logs else raw[known]
    values = bounded(values, keep=maximum)
    points, early = seen.points[known], int(np.sum(known[:n]))
    share, fit = _fit(axes, points[:early], values[:early], (None,), prior)
    surrogate = _condition(axes, points, values, share, fit)
    *tighter, largest = surrogate.warp.forward(maxima).tolist()
    return LimitModel(surrogate, largest, tuple(tighter))


def _condition(
    axes: Axes, points: Indices, values: Array, share: float | None, fit: Fit
) -> Surrogate:
    warp = make_warp(values, share)
    model = GridModel(axes, fit.hyper)
    return Surrogate(Posterior(model, points, warp.forward(values)), warp)


def _fit(
    axes: Axes,
    points: Indices,
    values: Array,
    shares: tuple[float | None, ...],
    prior: HyperPrior,
) -> tuple[float | None, Fit]:
    shape, content = (len(values), len(axes)), (points.tobytes(), values.tobytes())
    return _remembered_fit(axes, shape, *content, shares, prior)


@lru_cache(maxsize=32)
def _remembered_fit(
    axes: Axes,
    shape: tuple[int, int],
    points: bytes,
    values: bytes,
    shares: tuple[float | None, ...],
    prior: HyperPrior,
) -> tuple[float | None, Fit]:
    """`choose_fit`, which is pure, so an answer may be kept for the same data."""
    indices = np.frombuffer(points, dtype=np.intp).reshape(shape)
    return choose_fit(axes, indices, np.frombuffer(values), shares, prior)


def forget_fits() -> None:
    """Empties the memory of fits, to measure what a fresh process pays."""
    _remembered_fit.cache_clear()


def choose_fit(
    axes: Axes,
    points: Indices,
    values: Array,
    shares: Sequence[float | None],
    prior: HyperPrior = ANOVA,
) -> tuple[float | None, Fit]:
    """The warp, and the hyperparameters under it, that explain the values best.

    Args:
        axes: The d axes.
        points: n x d indices.
        values: n finite recorded values.
        shares: The warps to choose from; see `Warp`.
        prior: What is believed of the hyperparameters before the data.
    """
    chosen = _informative(values)
    tried = []
    for share in shares:
        warp = make_warp(values, share)
        scaled = warp.forward(values[chosen])
        fit = fit_hyper(axes, points[chosen], scaled, prior=prior)
        tried.append((fit.loss + warp.log_jacobian(scaled), share, fit))
    _, share, fit = min(tried, key=lambda entry: entry[0])
    return share, fit


def _informative(values: Array) -> NDArray[np.intp]:
    """At most `FIT_AT_MOST` observations: the best half, and the rest thinned out."""
    if len(values) <= FIT_AT_MOST:
        return np.arange(len(values))
    order, half = np.argsort(values, kind="stable"), FIT_AT_MOST // 2
    others = np.linspace(half, len(values) - 1, FIT_AT_MOST - half).astype(np.intp)
    return np.sort(np.concatenate([order[:half], order[others]]))
