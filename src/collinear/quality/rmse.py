"""Distortion as the PIRM 2018 challenge measures it: MSE on luma, border shaved."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHAVE = 4
"""Pixels cut from each border before anything is measured."""


def shave(plane: NDArray[np.uint8], border: int = SHAVE) -> NDArray[np.uint8]:
    """Cut `border` pixels from each side of a (height, width) plane."""
    return plane[border:-border, border:-border]


def mse(y_sr: NDArray[np.uint8], y_gt: NDArray[np.uint8]) -> float:
    """Return the mean squared difference of two luma planes, in grey levels squared.

    The sum is taken over integers, so it is exact.

    Args:
        y_sr: Super-resolved luma, shaved, shape (height, width), uint8.
        y_gt: Original luma, the same shape.

    Returns:
        The mean squared difference, 0 to 219^2; lower is better.

    Raises:
        ValueError: The shapes differ.
    """
    if y_sr.shape != y_gt.shape:
        raise ValueError(
            f"both images must have one size, but got {y_sr.shape} and {y_gt.shape}"
        )
    difference = y_sr.astype(np.int64) - y_gt.astype(np.int64)
    return int(np.sum(difference * difference)) / difference.size


def set_rmse(mses: Sequence[float]) -> float:
    """Return the RMSE of a set: the root of the mean MSE, not the mean of the roots.

    Args:
        mses: MSE of each image, at least one.

    Returns:
        RMSE in grey levels; lower is better.

    Raises:
        ValueError: The set is empty.
    """
    if not mses:
        raise ValueError("an RMSE needs at least one image, but got none")
    return math.sqrt(math.fsum(mses) / len(mses))
