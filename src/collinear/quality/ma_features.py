"""The 138 features of Ma's no-reference metric for super-resolved images.

C. Ma, C.-Y. Yang, X. Yang, M.-H. Yang, "Learning a no-reference quality metric for
single-image super-resolution", Computer Vision and Image Understanding 158, 2017. Three
groups of statistics, each read by a regression forest of its own
(`collinear.quality.forest`): local frequencies (18), wavelet coefficients (45), and
spatial discontinuity (75, singular values of patches).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collinear.quality.ma_dct import dct_features
from collinear.quality.ma_gsm import DegenerateError, gsm_features
from collinear.quality.products import triangle

Plane = NDArray[np.float64]

SIZES = (18, 45, 75)
"""Number of features in each group."""
SCALES = 3
PATCH = 5
"""Side of the patches whose singular values are taken, in pixels."""
LEAST_SIDE = 46
"""Below, the guarded second level of the pyramid is smaller than its windows."""

_SIGMA = 0.5


class FeatureError(ValueError):
    """A plane without Ma's features; the message says why."""


@dataclass(frozen=True)
class MaFeatures:
    """The features of one plane.

    Attributes:
        frequency: Block DCT, shape (18,).
        wavelet: Steerable pyramid, shape (45,).
        spatial: Singular values, shape (75,).
    """

    frequency: NDArray[np.float64]
    wavelet: NDArray[np.float64]
    spatial: NDArray[np.float64]

    @property
    def groups(self) -> tuple[NDArray[np.float64], ...]:
        """The groups in the order of the model's forests."""
        return self.frequency, self.wavelet, self.spatial


def ma_features(y: NDArray[np.uint8]) -> MaFeatures:
    """Return the features of a luma plane.

    Args:
        y: Luma, shape (height, width), uint8, already shaved.

    Returns:
        The features, all finite.

    Raises:
        FeatureError: The plane is too small, or too flat for its statistics.
    """
    if y.ndim != 2 or y.dtype != np.uint8:
        raise FeatureError(
            "a luma plane must have shape (height, width) and dtype uint8, "
            f"but got {y.shape} and {y.dtype}"
        )
    if min(y.shape) < LEAST_SIDE:
        raise FeatureError(
            f"Ma's features need {LEAST_SIDE} pixels a side at least, but the plane is "
            f"{y.shape[0]} x {y.shape[1]} pixels (height x width)"
        )
    quarter = (y.shape[0] // 4, y.shape[1] // 4)
    if math.prod(math.ceil(side / PATCH) for side in quarter) < PATCH**2:
        raise FeatureError(
            f"Ma's features need {PATCH**2} patches of {PATCH} x {PATCH} pixels at a "
            f"quarter of the size, but the plane is {y.shape[0]} x {y.shape[1]} pixels "
            "(height x width)"
        )
    if y.min() == y.max():
        raise FeatureError("a constant image has no Ma features")
    luma = np.ascontiguousarray(y, dtype=np.float64)
    planes = scales(luma / 255)
    try:
        wavelet = gsm_features(luma)
    except DegenerateError as error:
        raise FeatureError(
            f"the image is too flat for Ma's features: {error}"
        ) from error
    found = MaFeatures(dct_features(planes), wavelet, singular_values(planes))
    if not all(np.isfinite(group).all() for group in found.groups):
        raise FeatureError("the image is too flat for Ma's features: one has no value")
    return found


def scales(plane: Plane) -> list[Plane]:
    """Return a plane at full, half and quarter size.

    A 3 x 3 Gaussian with zeros outside the plane, then each second pixel from the
    second one on, as in the authors' program.
    """
    planes = [plane]
    for _ in range(SCALES - 1):
        planes.append(_halved(planes[-1]))
    return planes


def singular_values(planes: list[Plane]) -> Plane:
    """Return the singular values of all 5 x 5 patches of each plane.

    The patches do not overlap, each is a column of a matrix with 25 rows; planes are
    made a multiple of 5 by zeros at the bottom and on the right.

    Args:
        planes: The scales, each of shape (height, width).

    Returns:
        25 values, descending, for each plane.
    """
    triangles = [triangle(_patches(plane).T) for plane in planes]
    return np.linalg.svd(np.stack(triangles), compute_uv=False).ravel()


def _halved(plane: Plane) -> Plane:
    edge, centre = np.exp(-1 / (2 * _SIGMA**2)), 1.0
    taps = np.array([edge, centre, edge]) / (2 * edge + centre)
    padded = np.pad(plane, 1)
    height, width = plane.shape
    rows = sum(taps[k] * padded[k + 1 : k + height : 2] for k in range(3))
    return sum(taps[k] * rows[:, k + 1 : k + width : 2] for k in range(3))


def _patches(plane: Plane) -> Plane:
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % PATCH), (0, -width % PATCH)))
    rows, columns = padded.shape[0] // PATCH, padded.shape[1] // PATCH
    grid = padded.reshape(rows, PATCH, columns, PATCH).transpose(1, 3, 0, 2)
    return grid.reshape(PATCH * PATCH, rows * columns)
