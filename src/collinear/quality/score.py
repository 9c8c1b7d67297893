"""The scores of a set of super-resolved images against their originals.

The rules are those of the PIRM 2018 challenge: luma as MATLAB rounds it, 4 pixels
shaved from each border, RMSE from the mean MSE of the set, NIQE averaged over images.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collinear.quality.colour import luma
from collinear.quality.niqe import BLOCK, count_blocks, flat_share, niqe
from collinear.quality.rmse import SHAVE, mse, set_rmse, shave

SCORER = "niqe+rmse"
"""Names the definition; it belongs to every score and to what is kept of it."""
VALUES = ("niqe", "rmse")
"""The values that can be asked for, all lower is better."""

_NO_NIQE = "fewer than two blocks of the image have contrast (a constant image?)"


class ScoreError(ValueError):
    """Images that cannot be scored; the message names the image and the rule."""


@dataclass(frozen=True)
class ImageScore:
    """The measurements of one image.

    Attributes:
        name: Name of the image.
        y_sum: Sum of its shaved luma; equal images have equal sums.
        mse: Mean squared difference of luma to the original, grey levels squared.
        niqe: Naturalness; None when it has no value.
        flat_share: Share of constant 7 x 7 windows; above 0.01 NIQE is not reliable.
        reason: Why a value is None; None otherwise.
    """

    name: str
    y_sum: int
    mse: float
    niqe: float | None
    flat_share: float
    reason: str | None = None


@dataclass(frozen=True)
class SetScore:
    """The scores of a set.

    Attributes:
        values: The values asked for by name; None for a value that cannot be had.
        images: The measurements behind them.
        reason: Why a value is None; None otherwise.
    """

    values: dict[str, float | None]
    images: tuple[ImageScore, ...]
    reason: str | None = None


def score_set(
    pairs: Iterable[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]],
    goals: Sequence[str] = VALUES,
) -> SetScore:
    """Score super-resolved images against their originals.

    Args:
        pairs: (name, sr, gt) of each image; sr and gt of shape (height, width, 3),
            dtype uint8.
        goals: Names of the wanted values, out of `VALUES`.

    Returns:
        The values of the set and the measurements of each image.

    Raises:
        ScoreError: No images, a name twice, sizes that differ, images too small, a
            constant original, or an unknown value.
    """
    check_goals(goals)
    images = tuple(score_image(name, sr, gt) for name, sr, gt in pairs)
    if not images:
        raise ScoreError("a score needs at least one image, but got none")
    _check_names([image.name for image in images])
    naturalness = [image.niqe for image in images if image.niqe is not None]
    complete = len(naturalness) == len(images)
    found: dict[str, float | None] = {
        "niqe": math.fsum(naturalness) / len(images) if complete else None,
        "rmse": set_rmse([image.mse for image in images]),
    }
    missing = [f"{image.name}: {image.reason}" for image in images if image.reason]
    wanted = {name: found[name] for name in goals}
    reason = "; ".join(missing) if None in wanted.values() else None
    return SetScore(wanted, images, reason)


def check_goals(goals: Sequence[str]) -> None:
    """Check that each wanted value can be had.

    Raises:
        ScoreError: A value is unknown, or none is wanted.
    """
    unknown = [goal for goal in goals if goal not in VALUES]
    if unknown or not goals:
        raise ScoreError(
            f"values must be out of {', '.join(VALUES)}, "
            f"but got {', '.join(unknown) or 'none'}"
        )


def score_image(name: str, sr: NDArray[np.uint8], gt: NDArray[np.uint8]) -> ImageScore:
    """Measure one image; arguments and errors as in `score_set`."""
    check_size(name, gt.shape)
    if sr.shape != gt.shape:
        raise ScoreError(
            f"{name}: the super-resolved image and the original must have one size, "
            f"but got {_size(sr.shape)} and {_size(gt.shape)}"
        )
    y_sr, y_gt = shave(luma(sr)), shave(luma(gt))
    if y_gt.min() == y_gt.max():
        raise ScoreError(f"{name}: the original is constant; take another image")
    naturalness = niqe(y_sr)
    valid = math.isfinite(naturalness)
    return ImageScore(
        name=name,
        y_sum=int(y_sr.sum(dtype=np.int64)),
        mse=mse(y_sr, y_gt),
        niqe=naturalness if valid else None,
        flat_share=flat_share(y_sr),
        reason=None if valid else _NO_NIQE,
    )


def check_size(name: str, shape: tuple[int, ...]) -> None:
    """Check that an image of this (height, width, ...) is large enough to be scored.

    Raises:
        ScoreError: A shaved side is below 96 pixels, or there are fewer than 2 blocks.
    """
    shaved = (shape[0] - 2 * SHAVE, shape[1] - 2 * SHAVE)
    if min(shaved) < BLOCK or count_blocks(shaved) < 2:
        raise ScoreError(
            f"{name}: a scored image needs two blocks of {BLOCK} x {BLOCK} pixels "
            f"after {SHAVE} pixels are cut from each side ({BLOCK + 2 * SHAVE} x "
            f"{2 * BLOCK + 2 * SHAVE} at least), but got {_size(shape)}"
        )


def _check_names(names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        # Names that differ in case alone collide on some file systems.
        key = name.casefold()
        if key in seen:
            raise ScoreError(
                "names of images must differ in more than case, "
                f"but got {seen[key]!r} and {name!r}"
            )
        seen[key] = name


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} (width x height)"
