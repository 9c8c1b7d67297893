"""Statistics of local frequencies: the first 18 of Ma's 138 features.

Ma et al. 2017 (see `collinear.quality.ma_features`), section 3.1, after M. A. Saad,
A. C. Bovik, C. Charrier, "Blind Image Quality Assessment: A Natural Scene Statistics
Approach in the DCT Domain", IEEE Transactions on Image Processing 21(8), 2012; called
S12 below. Windows of 7 x 7 pixels stand 3 pixels apart; three numbers describe the
48 frequencies of each, and the mean over the worst tenth of the windows and over all of
them are the features.

Borders, as in the authors' program: the plane is made a multiple of 3 by zeros at the
bottom and on the right, then 2 pixels of zeros surround it, and these windows count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from collinear.quality.gaussian_shape import shape_of
from collinear.quality.products import multiply

Plane = NDArray[np.float64]

WINDOW = 7
STEP = 3

_BORDER = (WINDOW - STEP) // 2
_EPSILON_VARIATION = 1e-7
_EPSILON_ORIENTED = 1e-8


def dct_features(planes: Sequence[Plane]) -> Plane:
    """Return six features of each plane, one plane after the other.

    Args:
        planes: The scales of an image, each of shape (height, width), range 0 to 1.

    Returns:
        For each plane: shape (mean of the lowest tenth, mean), variation of the
        frequencies (mean of the highest tenth, mean), its variance over orientations
        (mean of the highest tenth, mean).
    """
    return np.concatenate([_plane_features(plane) for plane in planes])


def _plane_features(plane: Plane) -> Plane:
    matrix, groups = _transform()
    coefficients = multiply(matrix, _windows(plane))
    shape = shape_of(coefficients)
    size = np.abs(coefficients)
    variation = _variation(size, _EPSILON_VARIATION)
    oriented = np.stack([_variation(size[g], _EPSILON_ORIENTED) for g in groups])
    variance = np.var(oriented, axis=0, ddof=1)
    return np.array(
        [
            *(_lowest_tenth(shape), shape.mean()),
            *(_highest_tenth(variation), variation.mean()),
            *(_highest_tenth(variance), variance.mean()),
        ]
    )


def _windows(plane: Plane) -> Plane:
    """Return all windows as columns, shape (49, windows)."""
    rows, columns = (math.ceil(length / STEP) for length in plane.shape)
    padded = np.zeros((rows * STEP + 2 * _BORDER, columns * STEP + 2 * _BORDER))
    height, width = plane.shape
    padded[_BORDER : _BORDER + height, _BORDER : _BORDER + width] = plane
    windows = np.empty((WINDOW, WINDOW, rows, columns))
    for row in range(WINDOW):
        for column in range(WINDOW):
            windows[row, column] = padded[
                row : row + STEP * rows : STEP, column : column + STEP * columns : STEP
            ]
    return windows.reshape(WINDOW * WINDOW, rows * columns)


@cache
def _transform() -> tuple[Plane, tuple[slice, ...]]:
    """Return the two-dimensional DCT without its mean, and its orientation groups.

    The 48 frequencies are sorted by group: nearer to one axis than about 32 degrees
    (vertical frequency at most 0.6 of the horizontal one), between, nearer to the other
    (S12 figure 6 shows the groups of a 5 x 5 block).

    Returns:
        The matrix, shape (48, 49), and where each group lies in its rows.
    """
    axis = dct(np.eye(WINDOW), axis=0, norm="ortho")
    vertical, horizontal = (index.ravel()[1:] for index in np.mgrid[:WINDOW, :WINDOW])
    group = np.ones(len(vertical), dtype=int)
    group[5 * vertical <= 3 * horizontal] = 0
    group[5 * horizontal <= 3 * vertical] = 2
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group)).tolist()
    groups = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
    return np.kron(axis, axis)[1:][order], tuple(groups)


def _variation(size: Plane, epsilon: float) -> Plane:
    """Return deviation over mean of each column."""
    mean = size.mean(axis=0)
    centred = size - mean
    deviation = np.sqrt(np.sum(centred * centred, axis=0) / (len(size) - 1))
    return deviation / (mean + epsilon)


def _lowest_tenth(values: Plane) -> float:
    count = math.ceil(len(values) / 10)
    return float(np.sort(values)[:count].mean())


def _highest_tenth(values: Plane) -> float:
    # The authors' slice begins at the floor of 0.9 n, counted from 1.
    first = max(int(0.9 * len(values)) - 1, 0)
    return float(np.sort(values)[first:].mean())
