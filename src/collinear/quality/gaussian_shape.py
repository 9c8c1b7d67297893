"""The shape of a generalised Gaussian, found by matching moments on a grid.

K. Sharifi, A. Leon-Garcia, "Estimation of shape parameter for generalized Gaussian
distributions in subband decompositions of video", IEEE Transactions on Circuits and
Systems for Video Technology 5(1), 1995. Shape 2 is a Gaussian, 1 a Laplacian, and the
smaller the shape, the heavier the tails.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma

Values = NDArray[np.float64]

_EPSILON = 1e-7


def shape_of(values: Values, axis: int = 0) -> Values:
    """Return the shape that fits values along an axis.

    Args:
        values: Any shape, with at least two values along the axis.
        axis: The axis that is fitted; it disappears from the result.

    Returns:
        Shapes on the grid 0.03 to 10 in steps of 0.001.
    """
    deviation = values - values.mean(axis=axis, keepdims=True)
    count = values.shape[axis]
    spread = np.mean(np.abs(deviation), axis=axis)
    variance = np.sum(deviation * deviation, axis=axis) / (count - 1)
    return nearest_shape(variance / (spread * spread + _EPSILON))


def nearest_shape(ratio: Values) -> Values:
    """Return the grid's shape whose variance / (mean |x|)^2 is nearest.

    Args:
        ratio: The wanted ratio, any shape, all numbers finite.

    Returns:
        Shapes, the smaller one of a tie.
    """
    shapes, ratios = _table()
    # Descending with the shape: search the reversed table.
    above = len(ratios) - np.searchsorted(ratios[::-1], ratio)
    above = np.clip(above, 1, len(ratios) - 1)
    nearer = np.abs(ratios[above - 1] - ratio) <= np.abs(ratios[above] - ratio)
    return shapes[np.where(nearer, above - 1, above)]


@cache
def _table() -> tuple[Values, Values]:
    """Return the shapes and their ratios."""
    shapes = np.asarray(0.03 + np.arange(9971) * 0.001, dtype=np.float64)
    ratios = gamma(1 / shapes) * gamma(3 / shapes) / gamma(2 / shapes) ** 2
    return shapes, np.asarray(ratios, dtype=np.float64)
