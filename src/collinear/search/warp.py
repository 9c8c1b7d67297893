"""From recorded costs to the standardised values of a model, and back.

The warp log(y - best + share (median - best)) spreads the costs near the best and
draws the bad ones together. It pays on landscapes that fall steeply to their optimum
and harms on wide plateaus, so the data choose: `surrogate.fit` compares the marginal
likelihoods of the recorded costs, with the Jacobian of each warp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collinear.search.grid_model import Array

SHARES = (None, 0.1)  # None: no warp
_CAP = 2.0
_DIGITS = 9  # of a standardised value: rounding of shifted data must not matter


@dataclass(frozen=True)
class Warp:
    """A monotone map of costs.

    Attributes:
        share: Softness of the logarithm at the best cost, > 0; None for no warp.
        best: Lowest cost.
        spread: Median minus lowest cost, > 0.
        centre: Subtracted after the logarithm.
        scale: Divides the difference, > 0.
    """

    share: float | None
    best: float
    spread: float
    centre: float
    scale: float

    def forward(self, costs: Array) -> Array:
        """Standardised values of costs >= best."""
        raw = _raw((costs - self.best) / self.spread, self.share)
        return np.round((raw - self.centre) / self.scale, _DIGITS)

    def backward(self, values: Array) -> Array:
        """Costs of standardised values."""
        raw = np.asarray(values) * self.scale + self.centre
        relative = raw if self.share is None else np.exp(raw) - self.share
        return self.best + self.spread * relative

    def slope(self, values: Array) -> Array:
        """Derivative of `backward`."""
        raw = np.asarray(values) * self.scale + self.centre
        growth = np.ones_like(raw) if self.share is None else np.exp(raw)
        return self.spread * self.scale * growth

    def log_jacobian(self, values: Array) -> float:
        """Sum over values of log |d cost / d value|, in units of the spread."""
        return float(np.sum(np.log(self.slope(values) / self.spread)))


def make_warp(costs: Array, share: float | None) -> Warp:
    """The warp with a given share that standardises finite costs."""
    best = float(np.min(costs))
    spread = float(np.median(costs)) - best
    if spread <= 0.0:
        spread = float(np.max(costs)) - best or 1.0
    raw = _raw((costs - best) / spread, share)
    return Warp(share, best, spread, float(np.median(raw)), float(np.std(raw)) or 1.0)


def bounded(costs: Array, *, keep: float = -np.inf) -> Array:
    """Costs without gaps and far outliers: what a model may be fitted to.

    Costs above median + 2 (median - best) are cut there. A missing cost (a diverged
    trial) becomes the worst value seen, so that the model learns where not to go.

    Args:
        costs: n costs, NaN where there is none; at least one is finite.
        keep: A cost that must stay below the cut, such as a limit.
    """
    known = costs[np.isfinite(costs)]
    best, middle = float(np.min(known)), float(np.median(known))
    spread = middle - best or float(np.max(known)) - best
    cap = max(middle + _CAP * spread, keep + spread)
    worst = min(float(np.max(known)), cap)
    return np.where(np.isfinite(costs), np.minimum(costs, cap), worst)


def _raw(relative: Array, share: float | None) -> Array:
    if share is None:
        return np.asarray(relative)
    return np.log(np.maximum(relative, 0.0) + share)
