"""Why a training step takes as long as it does: t(b) = max(h, d0 + c b).

A step is bound by the host (starting kernels, loading data: h seconds whatever the
minibatch) or by the device (d0 + c b). Below the knee b = (h - d0) / c a larger
minibatch is free; far above it nothing is gained any more. The model explains the
measurements of document 003 (docs/minibatch.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from collinear.training.errors import TuningError


@dataclass(frozen=True)
class HostDevice:
    """A fitted model of a step's time.

    Attributes:
        host: h, seconds that a step takes at least.
        fixed: d0, seconds of the device whatever the size.
        per_item: c, seconds of the device an item.
        residual: Root mean square of the relative deviations of the fit.
    """

    host: float
    fixed: float
    per_item: float
    residual: float

    def seconds(self, size: float) -> float:
        """Return the predicted seconds of a step."""
        return max(self.host, self.fixed + self.per_item * size)

    @property
    def knee(self) -> float | None:
        """Size where the device takes as long as the host; None: never, or always."""
        if self.per_item == 0 or self.host <= self.fixed:
            return None
        return (self.host - self.fixed) / self.per_item

    def as_json(self) -> dict[str, Any]:
        """Return JSON types, the knee among them."""
        return asdict(self) | {"knee": self.knee}


def fit_host_device(sizes: Sequence[int], seconds: Sequence[float]) -> HostDevice:
    """Fit t(b) = max(h, d0 + c b) by least squares of relative deviations.

    Each way of cutting the ascending sizes into a flat and a rising part is tried; the
    rising part has no negative coefficient.

    Args:
        sizes: Different minibatch sizes.
        seconds: Seconds of a step at each.

    Raises:
        TuningError: Fewer than two sizes, or a time that is not positive.
    """
    order = np.argsort(sizes)
    b, t = np.asarray(sizes, float)[order], np.asarray(seconds, float)[order]
    if len(b) < 2 or len(set(b)) < len(b):
        raise TuningError(
            f"two or more different sizes are needed for a fit, but got {list(sizes)}"
        )
    if not (t > 0).all():
        raise TuningError(f"times must be above 0 seconds, but got {list(seconds)}")
    # One flat size says nothing: a straight line through the others meets any.
    fits = [_fit_cut(b, t, cut) for cut in range(len(b) - 1) if cut != 1]
    return min(fits, key=lambda model: model.residual)


def _fit_cut(b: NDArray, t: NDArray, cut: int) -> HostDevice:
    """Fit with the first `cut` sizes flat and the others rising."""
    rows = np.stack([np.ones_like(b[cut:]), b[cut:]], 1) / t[cut:, None]
    # Columns of one level: the two coefficients differ by orders of magnitude.
    level = np.linalg.norm(rows, axis=0)
    fixed, per_item = nnls(rows / level, np.ones(len(rows)))[0] / level
    weights = 1 / t[:cut] ** 2
    host = float((weights * t[:cut]).sum() / weights.sum()) if cut else 0.0
    fitted = np.maximum(host, fixed + per_item * b)
    residual = float(np.sqrt(np.mean((fitted / t - 1) ** 2)))
    return HostDevice(host, float(fixed), float(per_item), residual)
