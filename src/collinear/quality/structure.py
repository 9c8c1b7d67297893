"""The contrast and structure term of SSIM, averaged over a plane.

Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image Quality Assessment: From
Error Visibility to Structural Similarity", IEEE Transactions on Image Processing 13(4),
2004; called W04 below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collinear.quality.banded import apply, valid_filter

Plane = NDArray[np.float64]

WINDOW = 11
"""Side of the Gaussian window in pixels (W04 section III.B)."""

_SIGMA = 1.5
_C2 = (0.03 * 255) ** 2


@dataclass(frozen=True)
class Moments:
    """A plane and what its windows need, so that pairs share the work.

    Attributes:
        plane: Shape (height, width).
        mean: Local mean, shape (height - 10, width - 10).
        variance: Local variance, the same shape.
    """

    plane: Plane
    mean: Plane
    variance: Plane


def moments(plane: Plane) -> Moments:
    """Return the local moments of a plane with at least 11 pixels a side."""
    plane = np.ascontiguousarray(plane)
    mean = _windows(plane)
    return Moments(plane, mean, _windows(plane * plane) - mean * mean)


def structure(one: Moments, other: Moments) -> float:
    """Return the mean of (2 s12 + C2) / (s1^2 + s2^2 + C2) (W04 eq. 13).

    Args:
        one: Moments of a plane.
        other: Moments of another plane of that shape.

    Returns:
        -1 to 1; 1 for equal planes.
    """
    numerator = _windows(one.plane * other.plane)
    numerator -= one.mean * other.mean
    numerator *= 2
    numerator += _C2
    denominator = one.variance + other.variance
    denominator += _C2
    numerator /= denominator
    return float(numerator.mean())


def _windows(plane: Plane) -> Plane:
    """Average over Gaussian windows that lie inside the plane."""
    rows, columns = (valid_filter(length, _TAPS) for length in plane.shape)
    return apply(plane, rows, columns)


def _gaussian() -> tuple[float, ...]:
    offsets = np.arange(WINDOW) - WINDOW // 2
    taps = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    return tuple((taps / taps.sum()).tolist())


_TAPS = _gaussian()
