"""Statistics of the steerable pyramid: features 19 to 63 of Ma's 138.

Ma et al. 2017 (see `collinear.quality.ma_features`), section 3.2, after A. K. Moorthy,
A. C. Bovik, "Blind Image Quality Assessment: From Natural Scene Statistics to
Perceptual Quality", IEEE Transactions on Image Processing 20(12), 2011; called M11
below.

Each band is divided by the local strength of its neighbourhood in the Gaussian scale
mixture model (J. Portilla, V. Strela, M. J. Wainwright, E. P. Simoncelli, "Image
Denoising Using Scale Mixtures of Gaussians in the Wavelet Domain", IEEE Transactions on
Image Processing 12(11), 2003; called P03). The neighbourhood is 3 x 3 coefficients, the
coefficient of the band below in the same orientation (the parent), and the coefficients
of the five other orientations.

Known oddities of the authors' program, kept because the model was trained with them:
the last orientation of level 1 has no parent; the count N in the strength leaves the
other orientations out; the mean of a band is taken off the divided coefficient, but not
off its neighbourhood; both levels of an orientation are fitted together after the mean
of each was taken off.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from collinear.quality.banded import apply, enlargement
from collinear.quality.gaussian_shape import shape_of
from collinear.quality.products import gram, squared_norms
from collinear.quality.pyramid import ORIENTATIONS, Pyramid, steerable_pyramid
from collinear.quality.structure import Moments, moments, structure

Plane = NDArray[np.float64]

_GUARD = 16
_PATCH = 9


class DegenerateError(ValueError):
    """A plane without enough variation for these statistics."""


def gsm_features(luma: Plane) -> Plane:
    """Return the 45 features of a plane.

    Args:
        luma: Shape (height, width), range 0 to 255.

    Returns:
        Shapes of 12 normalised bands (level 1, then level 2), shapes of 6 orientations
        over both levels, 12 similarities of a band and the high pass band, 15
        similarities of two orientations of level 1 after normalisation.

    Raises:
        DegenerateError: A band is constant or depends linearly on its neighbours.
    """
    pyramid = steerable_pyramid(luma)
    enlarged = [_enlarged(band, luma.shape) for band in pyramid.levels[1]]
    normalised = _normalised_bands(pyramid, enlarged)
    flat = [band.ravel() - band.mean() for level in normalised for band in level]
    fine, coarse = flat[:ORIENTATIONS], flat[ORIENTATIONS:]
    both = [np.concatenate(pair) for pair in zip(fine, coarse, strict=True)]
    shapes = [float(shape_of(values)) for values in (*flat, *both)]
    bands = (*pyramid.levels[0], *enlarged)
    return np.array(
        shapes + _to_highpass(pyramid.highpass, bands) + _pairs(normalised[0])
    )


def _enlarged(band: Plane, shape: tuple[int, ...]) -> Plane:
    return apply(
        band, enlargement(band.shape[0], shape[0]), enlargement(band.shape[1], shape[1])
    )


def _to_highpass(highpass: Plane, bands: Sequence[Plane]) -> list[float]:
    """Return the similarity of each band to the high pass band (M11 section III.D)."""
    reference = moments(highpass)
    return [structure(moments(band), reference) for band in bands]


def _pairs(bands: Sequence[Plane]) -> list[float]:
    """Return the similarity of each pair of orientations (M11 section III.E)."""
    known: list[Moments] = [moments(band) for band in bands]
    return [
        structure(known[first], known[second])
        for first in range(ORIENTATIONS)
        for second in range(first + 1, ORIENTATIONS)
    ]


def _normalised_bands(pyramid: Pyramid, enlarged: list[Plane]) -> list[list[Plane]]:
    fine, coarse = pyramid.levels
    parents = _parents(fine[0].shape, coarse, enlarged)
    return [
        _normalised_level(fine, parents, _GUARD),
        _normalised_level(coarse, [None] * ORIENTATIONS, _GUARD // 2),
    ]


def _parents(
    shape: tuple[int, ...], coarse: Sequence[Plane], enlarged: Sequence[Plane]
) -> list[Plane | None]:
    """Return the coarse bands at twice their size, cut to the size of the fine ones."""
    doubled = (2 * coarse[0].shape[0], 2 * coarse[0].shape[1])
    if doubled == shape:
        return [*enlarged[:-1], None]
    whole = [_enlarged(band, doubled) for band in coarse[:-1]]
    return [*(band[: shape[0], : shape[1]] for band in whole), None]


def _normalised_level(
    bands: Sequence[Plane], parents: Sequence[Plane | None], guard: int
) -> list[Plane]:
    """Return the bands of one level, divided by their strength, without a border.

    Args:
        bands: The six orientations, each of shape (height, width).
        parents: For each its parent in the same shape, or None.
        guard: Coefficients cut from each border, beside the outermost one.

    Returns:
        Each of shape (height - 2 - 2 guard, width - 2 - 2 guard).
    """
    rows, columns = bands[0].shape[0] - 2, bands[0].shape[1] - 2
    # One line a neighbour: six orientations, eight places around, and the parent.
    stack = np.empty((ORIENTATIONS + _PATCH, rows, columns))
    for index, band in enumerate(bands):
        stack[index] = band[1:-1, 1:-1]
    cut = slice(guard, -guard)
    results = []
    for index, (band, parent) in enumerate(zip(bands, parents, strict=True)):
        used = _fill(stack, band, parent)
        flat = stack[:used].reshape(used, rows * columns)
        strength = _strength(flat, _PATCH + (parent is not None))
        centre = flat[index] - flat[index].mean()
        divided = (centre / strength).reshape(rows, columns)
        results.append(divided[cut, cut])
    return results


def _fill(stack: Plane, band: Plane, parent: Plane | None) -> int:
    """Write the places around each coefficient, and return the lines in use."""
    height, width = band.shape
    line = ORIENTATIONS
    for row in range(3):
        for column in range(3):
            if (row, column) != (1, 1):
                stack[line] = band[row : row + height - 2, column : column + width - 2]
                line += 1
    if parent is not None:
        stack[line] = parent[1:-1, 1:-1]
        line += 1
    return line


def _strength(neighbours: Plane, count: int) -> Plane:
    """Return the local strength sqrt(y' C^-1 y / count) (P03 eq. 8, M11 eq. 3).

    Args:
        neighbours: Each coefficient's neighbourhood y as a column, shape (lines, n); C
            is the mean of y y'.
        count: Divisor.

    Returns:
        Shape (n,).
    """
    covariance = gram(neighbours) / neighbours.shape[1]
    squares = squared_norms(_whitening(covariance) / np.sqrt(count), neighbours)
    if not squares.min() > 0:
        raise DegenerateError("a band of the steerable pyramid has no local strength")
    return np.sqrt(squares)


def _whitening(covariance: Plane) -> Plane:
    """Return W with W' W = C^-1: one triangular factor in place of an inverse."""
    try:
        factor = cholesky(covariance, lower=True)
    except LinAlgError as error:
        raise DegenerateError(
            "bands of the steerable pyramid depend linearly on each other"
        ) from error
    return solve_triangular(factor, np.eye(len(factor)), lower=True)
