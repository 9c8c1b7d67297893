"""When a search with a model has little left to find.

The rule: the largest expected improvement (J. Mockus, 1975) over the points not yet
asked is below a share of the noise of a single trial, in two successive fits. Where
there is no noise, a small share of the range of the values takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from collinear.search.anova import Anova
from collinear.search.grid_model import Array
from collinear.search.history import History, Told
from collinear.search.surrogate import Models

SHARE_OF_NOISE = 0.25
SHARE_OF_RANGE = 1e-3  # where trials repeat exactly
_AT_ONCE = 2048  # grid points in one block
_LIKELY = 0.5  # probability of keeping the limits from which a point may be the best


@dataclass(frozen=True)
class Outlook:
    """What a search may still find, on the standardised scale of its model.

    Attributes:
        improvement: Largest expected improvement over the points not yet asked;
            infinite while no point keeps the limits.
        noise: Standard deviation of a single trial.
        spread: Range of the values seen.
    """

    improvement: float
    noise: float
    spread: float

    def small(self, share: float = SHARE_OF_NOISE) -> bool:
        """True when the improvement is lost in the noise."""
        smallest = max(share * self.noise, SHARE_OF_RANGE * self.spread)
        return self.improvement < smallest


def outlook(strategy: Anova, history: History) -> Outlook | None:
    """The outlook of a search; None while there is no model.

    With several limits on one value it is that of the limit with most to gain.
    """
    models, _ = strategy.models(history)
    if models is None:
        return None
    free = ~strategy.taken(history)
    levels = range(len(strategy.goal.each))
    posterior = models.objective.posterior
    return Outlook(
        max(_largest_improvement(models.at(level), free) for level in levels),
        float(np.sqrt(posterior.model.hyper.noise)),
        float(np.ptp(posterior.values)),
    )


def little_left(
    strategy: Anova, history: History, share: float = SHARE_OF_NOISE
) -> bool:
    """True when the outlook is small now and was before the last results came in."""
    now = outlook(strategy, history)
    if now is None or not now.small(share):
        return False
    before = outlook(strategy, _before_last_results(history))
    return before is not None and before.small(share)


def _before_last_results(history: History) -> History:
    told = [
        i for i, e in enumerate(history.events) if isinstance(e, Told) and e.results
    ]
    return History(history.events[: told[-1]] if told else ())


def _largest_improvement(models: Models, free: NDArray[np.bool_]) -> float:
    """Largest E[max(best - f, 0)] P(within the limits) over the free points."""
    posterior = models.objective.posterior
    shape = posterior.model.shape
    flat = np.unique(np.ravel_multi_index(tuple(posterior.points.T), shape))
    likely = flat[_keeps_limits(models, flat) >= _LIKELY]
    if not len(likely):
        return float("inf")
    best = float(posterior.mean[likely].min())
    largest = 0.0
    candidates = np.flatnonzero(free)
    for start in range(0, len(candidates), _AT_ONCE):
        part = candidates[start : start + _AT_ONCE]
        points = np.stack(np.unravel_index(part, shape), axis=1)
        sd = np.maximum(posterior.deviations(points), 1e-12)
        gap = best - posterior.mean[part]
        z = gap / sd
        density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        gain = (gap * ndtr(z) + sd * density) * _keeps_limits(models, part)
        largest = max(largest, float(gain.max()))
    return largest


def _keeps_limits(models: Models, flat: NDArray[np.intp]) -> Array:
    """Probability that points, given by position, keep all limits."""
    total = np.ones(len(flat))
    for limit in models.limits:
        posterior = limit.surrogate.posterior
        points = np.stack(np.unravel_index(flat, posterior.model.shape), axis=1)
        sd = np.maximum(posterior.deviations(points), 1e-6)
        total *= ndtr((limit.maximum - posterior.mean[flat]) / sd)
    return total
