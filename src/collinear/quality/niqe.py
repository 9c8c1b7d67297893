"""NIQE, the naturalness image quality evaluator, as the PIRM 2018 challenge runs it.

A. Mittal, R. Soundararajan, A. C. Bovik, "Making a Completely Blind Image Quality
Analyzer", IEEE Signal Processing Letters 20(3), 2013; called M13 below. Features of
natural scenes are taken from blocks of 96 x 96 pixels on two scales, a Gaussian is
fitted to them, and the score is its distance to the Gaussian of pristine images.

In a constant 7 x 7 window the normalised luma is pure rounding noise, and its *signs*
enter the features. So the order of the filter's sums is part of the definition here:
one-dimensional filters, columns first, then rows, taps in ascending order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.special import gamma

from collinear.quality.resize import resize_bicubic

Plane = NDArray[np.float64]

BLOCK = 96
"""Side of a block in pixels at full scale (M13 section II.B)."""
FEATURES = 36
WINDOW = 7
"""Side of the Gaussian window in pixels (M13 eq. 2 and 3)."""

_SIGMA = 7 / 6
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True)
class PristineModel:
    """The multivariate Gaussian of pristine images (M13 eq. 9).

    Attributes:
        mu: Mean of the features, shape (36,).
        cov: Covariance of the features, shape (36, 36).
    """

    mu: NDArray[np.float64]
    cov: NDArray[np.float64]


@cache
def pristine_model() -> PristineModel:
    """Load the authors' model; see niqe_parameters.txt for its origin and notice."""
    source = resources.files("collinear.quality").joinpath("niqe_parameters.npz")
    with source.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return PristineModel(mu=arrays["mu"], cov=arrays["cov"])


def niqe(y: NDArray[np.uint8], model: PristineModel | None = None) -> float:
    """Return NIQE of a luma plane; lower is better, about 3 for a natural photograph.

    Args:
        y: Luma, shape (height, width), uint8, already shaved. The lower and right parts
            beyond a multiple of 96 pixels are not used.
        model: The pristine model; the shipped one if left out.

    Returns:
        The score, or NaN when no block has features (a constant image).

    Raises:
        ValueError: The plane holds fewer than two blocks. With a single one the
            covariance has no meaning and the reference returns nonsense.
    """
    if count_blocks(y.shape) < 2:
        raise ValueError(
            f"NIQE needs two blocks of {BLOCK} x {BLOCK} pixels, but the plane is "
            f"{y.shape[0]} x {y.shape[1]} pixels (height x width)"
        )
    return distance(block_features(y), model or pristine_model())


def count_blocks(shape: tuple[int, ...]) -> int:
    """Return the number of whole blocks in a plane of this (height, width)."""
    return (shape[0] // BLOCK) * (shape[1] // BLOCK)


def distance(features: Plane, model: PristineModel) -> float:
    """Return the distance of block features to the pristine model (M13 eq. 10).

    Args:
        features: Shape (blocks, 36); blocks with a NaN have no valid statistics.
        model: The pristine model.

    Returns:
        The distance, or NaN when fewer than two blocks have valid features.
    """
    valid = features[~np.isnan(features).any(axis=1)]
    if len(valid) < 2:
        return float("nan")
    # As in the reference the mean also uses the valid numbers of invalid rows.
    mean = np.nanmean(features, axis=0)
    covariance = (model.cov + np.cov(valid, rowvar=False)) / 2
    inverse = np.linalg.pinv(covariance, rcond=FEATURES * np.finfo(np.float64).eps)
    difference = model.mu - mean
    return float(np.sqrt(difference @ inverse @ difference))


def block_features(y: NDArray[np.uint8]) -> Plane:
    """Return the 36 features of each block, shape (blocks, 36), column by column."""
    rows, columns = (length // BLOCK * BLOCK for length in y.shape)
    plane = y[:rows, :columns].astype(np.float64)
    full = _scale_features(normalised_luma(plane), BLOCK)
    half = _scale_features(normalised_luma(resize_bicubic(plane, 0.5)), BLOCK // 2)
    return np.concatenate([full, half], axis=1)


def normalised_luma(plane: Plane) -> Plane:
    """Return the mean subtracted, contrast normalised luma (M13 eq. 1 to 3)."""
    mean = gaussian_filter(plane)
    deviation = np.sqrt(np.abs(gaussian_filter(plane * plane) - mean * mean))
    return (plane - mean) / (deviation + 1)


def gaussian_filter(plane: Plane) -> Plane:
    """Filter with the 7 x 7 Gaussian, borders replicated, in the contract's order."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    taps = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    taps /= taps.sum()
    padded = np.pad(plane, WINDOW // 2, mode="edge")
    return _filter_axis(_filter_axis(padded, taps, 0), taps, 1)


def _filter_axis(padded: Plane, taps: Plane, axis: int) -> Plane:
    length = padded.shape[axis] - WINDOW + 1
    moved = np.moveaxis(padded, axis, 0)
    total = taps[0] * moved[:length]
    for offset in range(1, WINDOW):
        total += taps[offset] * moved[offset : offset + length]
    return np.moveaxis(total, 0, axis)


def flat_share(y: NDArray[np.uint8]) -> float:
    """Return the share of 7 x 7 windows (all inside the plane) that are constant.

    With 0 the score agrees with the reference to 1e-9. Above about 1 % any two correct
    programs may differ by more than 0.03.
    """
    margin = WINDOW // 2
    inside = (slice(margin, -margin), slice(margin, -margin))
    highest = maximum_filter(y, WINDOW)[inside]
    return float(np.mean(highest == minimum_filter(y, WINDOW)[inside]))


def _scale_features(plane: Plane, side: int) -> Plane:
    """Return the 18 features of each block of one scale, shape (blocks, 18)."""
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    grid = plane.reshape(rows, side, columns, side).transpose(2, 0, 1, 3)
    blocks = grid.reshape(rows * columns, side, side)
    shape, left, right, _ = _fit_aggd(blocks)
    features = [shape, (left + right) / 2]
    for shift in _SHIFTS:
        # The shift is circular inside the block, as in the authors' program.
        neighbours = np.roll(blocks, shift, axis=(1, 2))
        shape, left, right, mean = _fit_aggd(blocks * neighbours)
        features += [shape, mean, left, right]
    return np.stack(features, axis=1)


def _fit_aggd(blocks: Plane) -> tuple[Plane, Plane, Plane, Plane]:
    """Fit the asymmetric generalised Gaussian to each block by moment matching.

    Lasmar, Stitou, Berthoumieu, "Multiscale skewed heavy tailed model for texture
    analysis", ICIP 2009; M13 eq. 5 and 8. A block without values of one sign gives NaN.

    Args:
        blocks: Shape (blocks, side, side).

    Returns:
        Shape alpha, the scales beta of the left and the right side, and the mean, each
        of shape (blocks,).
    """
    values = blocks.reshape(len(blocks), -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        left_deviation = _one_sided_deviation(values, values < 0)
        right_deviation = _one_sided_deviation(values, values > 0)
        ratio = left_deviation / right_deviation
        moment = np.mean(np.abs(values), axis=1) ** 2 / np.mean(values**2, axis=1)
        moment *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = _shape_of_moment(moment)
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    left, right = left_deviation * scale, right_deviation * scale
    mean = (right - left) * (gamma(2 / shape) / gamma(1 / shape))
    return shape, left, right, mean


def _one_sided_deviation(values: Plane, chosen: NDArray[np.bool_]) -> Plane:
    squares = np.where(chosen, values * values, 0.0)
    return np.sqrt(squares.sum(axis=1) / chosen.sum(axis=1))


@cache
def _moment_table() -> tuple[Plane, Plane]:
    """Return the grid of shapes, 0.2 to 10 in steps of 0.001, and their moments."""
    shapes = np.asarray(0.2 + np.arange(9801) * 0.001, dtype=np.float64)
    moments = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))
    return shapes, np.asarray(moments, dtype=np.float64)


def _shape_of_moment(moment: Plane) -> Plane:
    """Return the grid's shape with the nearest moment; the first one of a tie.

    The moments ascend with the shape, so a binary search finds both neighbours.
    """
    shapes, moments = _moment_table()
    above = np.clip(np.searchsorted(moments, moment), 1, len(moments) - 1)
    nearer_below = (moment - moments[above - 1]) ** 2 <= (moment - moments[above]) ** 2
    nearest = shapes[np.where(nearer_below, above - 1, above)]
    return np.where(np.isnan(moment), np.nan, nearest)
