"""The discrete spline (d-spline) of DSICE, updated one sample at a time.

The d-spline is a vector f on n equally spaced markers that minimises

    sum_i w_i^2 (f[p_i] - y_i)^2 + alpha^2 sum_j (f[j] - 2 f[j+1] + f[j+2])^2 .

Grid index i of a line of s points sits on marker 2 + 3 i and n = 3 s + 2: there are
two interpolation markers between neighbours and two buffer markers beyond each end.
The penalty has no boundary rows, so f continues linearly beyond the data.

Sources: marker grid, penalty and alpha = 0.1 as in DSICE 1.0.1 (Kogakuin-HPCL);
fitting by Givens rotations as in T. Tanaka et al., Scientific Programming 22 (2014)
299-307. The order of the operations gives the numbers of DSICE 1.0.1 to the last bit:
on a smooth line curvatures differ by rounding errors alone, and these then decide what
is measured next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

MARKERS_PER_SAMPLE = 3
BUFFER = 2
SMALLEST_ALPHA = 1e-10  # stands for alpha = 0, as in DSICE 1.0.1
DEFAULT_ALPHA = 0.1

_Row = tuple[float, float, float]


class DSplineError(ValueError):
    """Data or settings from which no d-spline can be fitted."""


def marker_of(sample: int) -> int:
    """The marker of grid index ``sample`` (0-based)."""
    return BUFFER + MARKERS_PER_SAMPLE * sample


def sample_of(marker: int, n_samples: int) -> int:
    """The grid index nearest to a marker; buffer markers belong to the ends."""
    nearest = (marker - BUFFER + 1) // MARKERS_PER_SAMPLE
    return min(max(nearest, 0), n_samples - 1)


@dataclass(frozen=True)
class DSpline:
    """A d-spline and its data in factored form; `add` returns a new one.

    Attributes:
        n_samples: Number s of grid points of the line.
        alpha: Weight of the second differences, > 0.
        rows: Upper triangular factor R with bandwidth 3: row j holds R[j, j],
            R[j, j+1] and R[j, j+2]; 3 s + 2 rows.
        rhs: Right-hand side of R f = rhs, 3 s + 2 numbers.
        samples: Grid indices of the data, in the order in which they were added.
        residual: Minimum of the penalised objective, in squared units of the data.
    """

    n_samples: int
    alpha: float
    rows: tuple[_Row, ...]
    rhs: tuple[float, ...]
    samples: tuple[int, ...] = ()
    residual: float = 0.0

    def add(self, sample: int, value: float, *, weight: float = 1.0) -> DSpline:
        """The d-spline with one more observation.

        A second observation of the same grid index is one more row, so repeated
        observations act through their mean.

        Args:
            sample: Grid index, 0 <= sample < n_samples.
            value: Observed value, finite.
            weight: Factor of the row, finite and > 0: the squared misfit counts
                ``weight**2`` times.

        Raises:
            DSplineError: The index is off the line, or a number is not finite.
        """
        _check_datum(self.n_samples, sample, value, weight)
        rows, rhs = list(self.rows), list(self.rhs)
        left_over = _rotate_in(rows, rhs, marker_of(sample), weight, weight * value)
        return DSpline(
            self.n_samples,
            self.alpha,
            tuple(rows),
            tuple(rhs),
            (*self.samples, sample),
            self.residual + left_over * left_over,
        )

    @property
    def determined(self) -> bool:
        """True with data at two or more grid indices: only then is f unique."""
        return len(set(self.samples)) >= 2

    @cached_property
    def markers(self) -> NDArray[np.float64]:
        """Values of f at all 3 s + 2 markers.

        Raises:
            DSplineError: There are data at fewer than two grid indices.
        """
        if not self.determined:
            raise DSplineError(
                "a d-spline needs data at two or more grid indices, but has data at "
                f"{sorted(set(self.samples))}; observe more of the line first"
            )
        values = np.array(_back_substitute(self.rows, self.rhs))
        values.flags.writeable = False
        return values

    @property
    def estimates(self) -> NDArray[np.float64]:
        """Values of f at the s grid indices."""
        return self.markers[BUFFER:-BUFFER:MARKERS_PER_SAMPLE]

    @property
    def curvatures(self) -> NDArray[np.float64]:
        """Absolute second differences of f around the marker of each grid index."""
        f, at = self.markers, BUFFER + MARKERS_PER_SAMPLE * np.arange(self.n_samples)
        return np.abs(f[at - 1] - 2.0 * f[at] + f[at + 1])

    @property
    def minimum(self) -> int:
        """Grid index nearest to the lowest of all markers (the first on a tie)."""
        return sample_of(int(np.argmin(self.markers)), self.n_samples)


def empty(n_samples: int, alpha: float = DEFAULT_ALPHA) -> DSpline:
    """The d-spline without data: its factor is the penalty alone.

    Args:
        n_samples: Number of grid points of the line, >= 1.
        alpha: Weight of the second differences, finite and >= 0 (0 is replaced by
            `SMALLEST_ALPHA`). It needs no rescaling when the data are rescaled.

    Raises:
        DSplineError: A setting is out of range.
    """
    if n_samples < 1:
        raise DSplineError(f"a line needs >= 1 points, but got n_samples={n_samples}")
    if not (math.isfinite(alpha) and alpha >= 0):
        raise DSplineError(f"alpha must be finite and >= 0, but got alpha={alpha!r}")
    alpha = max(alpha, SMALLEST_ALPHA)
    n = MARKERS_PER_SAMPLE * n_samples + 2
    penalty = ((alpha, -2.0 * alpha, alpha),) * (n - 2)
    return DSpline(n_samples, alpha, (*penalty, (0.0,) * 3, (0.0,) * 3), (0.0,) * n)


def fit(
    n_samples: int,
    samples: Sequence[int],
    values: Sequence[float],
    *,
    alpha: float = DEFAULT_ALPHA,
    weights: Sequence[float] | None = None,
) -> DSpline:
    """Fits a d-spline to data on one line.

    Args:
        n_samples: Number of grid points of the line, >= 1.
        samples: m grid indices; repeats are allowed.
        values: m finite observations.
        alpha: Weight of the second differences, >= 0.
        weights: m row factors > 0, or None for ones.

    Raises:
        DSplineError: Lengths differ, or an entry breaks the rules of `DSpline.add`.
    """
    factors = [1.0] * len(samples) if weights is None else weights
    if not len(samples) == len(values) == len(factors):
        raise DSplineError(
            "samples, values and weights must have one length, but got "
            f"{len(samples)}, {len(values)} and {len(factors)}"
        )
    spline = empty(n_samples, alpha)
    for sample, value, weight in zip(samples, values, factors, strict=True):
        spline = spline.add(sample, value, weight=weight)
    return spline


def _check_datum(n_samples: int, sample: int, value: float, weight: float) -> None:
    if not 0 <= sample < n_samples:
        raise DSplineError(
            f"a sample index must lie in 0..{n_samples - 1}, but got {sample}"
        )
    if not math.isfinite(value):
        raise DSplineError(
            f"a d-spline takes finite values only, but got {value!r} at index {sample};"
            " leave a failed trial out, or give a diverged one a bounded value"
        )
    if not (math.isfinite(weight) and weight > 0):
        raise DSplineError(
            f"a weight must be finite and > 0, but got {weight!r} at index {sample}"
        )


def _rotate_in(
    rows: list[_Row], rhs: list[float], marker: int, weight: float, target: float
) -> float:
    """Rotates the row ``weight e_marker`` into R by Givens rotations, in place.

    The row fills in at most two entries (first, second), because R has two
    off-diagonals. Costs O(n - marker).

    Returns:
        What is left of the right-hand side: its square is the growth of the residual.
    """
    first, second = weight, 0.0
    for j in range(marker, len(rows)):
        if first == 0.0 and second == 0.0:
            break
        diagonal, upper, outer = rows[j]
        radius = math.sqrt(diagonal * diagonal + first * first)
        if radius == 0.0:  # only below two data, where R is singular: nothing to turn
            first, second = second, 0.0
            continue
        c, s = diagonal / radius, first / radius
        rows[j] = (c * diagonal + s * first, c * upper + s * second, c * outer)
        rhs[j], target = c * rhs[j] + s * target, c * target - s * rhs[j]
        first, second = c * second - s * upper, -s * outer
    return target


def _back_substitute(rows: Sequence[_Row], rhs: Sequence[float]) -> list[float]:
    """Solves R f = rhs for R with two off-diagonals."""
    n = len(rhs)
    f = [0.0] * (n + 2)
    for j in range(n - 1, -1, -1):
        diagonal, upper, outer = rows[j]
        f[j] = (rhs[j] - outer * f[j + 2] - upper * f[j + 1]) / diagonal
    return f[:n]
