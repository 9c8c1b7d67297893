"""What is measured on one image: everything but the forests, which come last.

A record depends on the two luma planes alone, so it can be kept (`collinear.quality
.records`), and a model that arrives later needs no image again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collinear.quality.colour import luma
from collinear.quality.ma_features import FeatureError, MaFeatures, ma_features
from collinear.quality.niqe import BLOCK, count_blocks, flat_share, niqe
from collinear.quality.rmse import SHAVE, mse, shave

_NO_NIQE = (
    "fewer than two blocks of the image have usable statistics (a constant image, or "
    "a regular pattern?)"
)


class ScoreError(ValueError):
    """Images that cannot be scored; the message names the image and the rule."""


@dataclass(frozen=True)
class Record:
    """The measurements of one image.

    Attributes:
        y_sum: Sum of its shaved luma; equal images have equal sums.
        mse: Mean squared difference of luma to the original, grey levels squared.
        niqe: Naturalness; None when it has no value.
        flat_share: Share of constant 7 x 7 windows.
        features: Ma's features; None when there are none.
        reason: Why niqe is None, else why features are; None otherwise.
    """

    y_sum: int
    mse: float
    niqe: float | None
    flat_share: float
    features: MaFeatures | None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return JSON types; numbers come back bit for bit."""
        found = self.features
        groups = None if found is None else [group.tolist() for group in found.groups]
        return {
            "y_sum": self.y_sum,
            "mse": self.mse,
            "niqe": self.niqe,
            "flat_share": self.flat_share,
            "features": groups,
            "reason": self.reason,
        }


def record_of(content: dict[str, Any]) -> Record:
    """Return the record that `as_json` wrote."""
    groups = content["features"]
    features = None if groups is None else MaFeatures(*map(np.array, groups))
    return Record(**{**content, "features": features})


def scored_luma(name: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the shaved luma of an image.

    Args:
        name: Name of the image, for messages.
        image: Shape (height, width, 3), dtype uint8.

    Raises:
        ScoreError: It is no 8-bit RGB image, or too small.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ScoreError(
            f"{name}: an image must have shape (height, width, 3) and dtype uint8, "
            f"but got {image.shape} and {image.dtype}{_not_finite(image)}"
        )
    check_size(name, image.shape)
    return shave(luma(image))


def sr_luma(
    name: str, image: NDArray[np.uint8], y_gt: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return the shaved luma of a result, whose original has this shaved luma.

    Raises:
        ScoreError: It is no 8-bit RGB image, or of another size.
    """
    size = (y_gt.shape[0] + 2 * SHAVE, y_gt.shape[1] + 2 * SHAVE)
    if image.ndim >= 2 and image.shape[:2] != size:
        raise ScoreError(
            f"{name}: the super-resolved image and the original must have one size, "
            f"but got {size_text(image.shape)} and {size_text(size)}"
        )
    return scored_luma(name, image)


def measure(
    name: str, y_sr: NDArray[np.uint8], y_gt: NDArray[np.uint8], *, ma: bool = True
) -> Record:
    """Measure one image by its shaved luma planes.

    Args:
        name: Name of the image, for messages.
        y_sr: Super-resolved luma, shape (height, width), uint8.
        y_gt: Original luma, the same shape.
        ma: Whether Ma's features are wanted.

    Raises:
        ScoreError: Sizes differ, or the original is constant.
    """
    if y_sr.shape != y_gt.shape:
        raise ScoreError(
            f"{name}: both planes must have one shape, "
            f"but got {y_sr.shape} and {y_gt.shape}"
        )
    if y_gt.min() == y_gt.max():
        raise ScoreError(f"{name}: the original is constant; take another image")
    naturalness = niqe(y_sr)
    valid = math.isfinite(naturalness)
    reason = None if valid else _NO_NIQE
    features = None
    if ma and valid:
        try:
            features = ma_features(y_sr)
        except FeatureError as error:
            reason = str(error)
    return Record(
        y_sum=int(y_sr.sum(dtype=np.int64)),
        mse=mse(y_sr, y_gt),
        niqe=naturalness if valid else None,
        flat_share=flat_share(y_sr),
        features=features,
        reason=reason,
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
            f"{2 * BLOCK + 2 * SHAVE} at least), but got {size_text(shape)}"
        )


def size_text(shape: tuple[int, ...]) -> str:
    """Return "width x height" of a (height, width, ...) shape."""
    return f"{shape[1]} x {shape[0]} (width x height)"


def _not_finite(image: NDArray[Any]) -> str:
    if image.dtype.kind != "f" or np.isfinite(image).all():
        return ""
    return " with NaN or infinite values"
