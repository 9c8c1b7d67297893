"""MATLAB's `imresize` (bicubic): the rule behind NIQE and behind low resolution images.

Source: the documented behaviour of MATLAB's Image Processing Toolbox. Kernel with
a = -0.5 (Keys 1981, "Cubic convolution interpolation for digital image processing",
eq. 15), widened by 1/scale when shrinking (antialiasing), borders continued by
reflection, the dimension with the smaller scale first.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KERNEL_WIDTH = 4.0


def resize_bicubic(
    image: NDArray[Any],
    scale: float | None = None,
    *,
    size: tuple[int, int] | None = None,
) -> NDArray[np.float64]:
    """Resize in double precision, without rounding or clipping.

    Args:
        image: Shape (height, width) or (height, width, channels), any real dtype.
        scale: Output size over input size; sizes are rounded up. Or:
        size: Output height and width in pixels.

    Returns:
        The resized image, float64, in the units of the input.

    Raises:
        ValueError: Neither or both of `scale` and `size` are given, or not positive.
    """
    result = np.asarray(image, dtype=np.float64)
    for axis, weights, indices in _passes(result.shape, scale, size):
        result = _resize_axis(result, axis, weights, indices)
    return result


def resize_bicubic_uint8(
    image: NDArray[np.uint8],
    scale: float | None = None,
    *,
    size: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Resize an 8-bit image: double precision inside, rounded half up once at the end.

    Whether MATLAB also rounds between its two passes could not be checked. Rounding
    there too changes about a quarter of the pixels of a photograph, mostly by 1.

    Args:
        image: Shape (height, width) or (height, width, channels), dtype uint8.
        scale: As in `resize_bicubic`.
        size: As in `resize_bicubic`.

    Returns:
        The resized image, uint8.

    Raises:
        ValueError: As in `resize_bicubic`, or the dtype is not uint8.
    """
    if image.dtype != np.uint8:
        raise ValueError(f"the image must have dtype uint8, but got {image.dtype}")
    resized = resize_bicubic(image, scale, size=size)
    return np.floor(np.clip(resized, 0, 255) + 0.5).astype(np.uint8)


def _passes(
    shape: tuple[int, ...], scale: float | None, size: tuple[int, int] | None
) -> list[tuple[int, NDArray[np.float64], NDArray[np.int64]]]:
    """Return (axis, weights, indices) of both passes, the smaller scale first."""
    if (scale is None) == (size is None):
        raise ValueError("give either scale or size")
    if scale is not None:
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be positive, but got {scale!r}")
        lengths = [math.ceil(scale * length) for length in shape[:2]]
        scales = [scale, scale]
    else:
        assert size is not None
        lengths = list(size)
        if min(lengths) < 1:
            raise ValueError(f"size must be positive, but got {size!r}")
        scales = [out / length for out, length in zip(lengths, shape[:2], strict=True)]
    order = sorted(range(2), key=lambda axis: scales[axis])
    return [
        (axis, *contributions(shape[axis], lengths[axis], scales[axis]))
        for axis in order
    ]


def contributions(
    length: int, out_length: int, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return weights and 0-based input positions, both of shape (out_length, taps)."""
    shrink = min(scale, 1.0)
    width = _KERNEL_WIDTH / shrink
    # Centres of the output pixels in the input's 1-based pixel coordinates.
    centres = np.arange(1, out_length + 1) / scale + 0.5 * (1 - 1 / scale)
    left = np.floor(centres - width / 2)
    positions = left[:, None] + np.arange(math.ceil(width) + 2)
    weights = shrink * _cubic(shrink * (centres[:, None] - positions))
    weights /= weights.sum(axis=1, keepdims=True)
    # Reflection with the border pixel repeated: 1 2 .. n n .. 2 1 1 2 ...
    mirror = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    indices = mirror[(positions.astype(np.int64) - 1) % (2 * length)]
    used = np.any(weights != 0, axis=0)
    return weights[:, used], indices[:, used]


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate the cubic convolution kernel with a = -0.5 (Keys 1981, eq. 15)."""
    x = np.abs(x)
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, inner, np.where(x <= 2, outer, 0.0))


def _resize_axis(
    image: NDArray[np.float64],
    axis: int,
    weights: NDArray[np.float64],
    indices: NDArray[np.int64],
) -> NDArray[np.float64]:
    moved = np.moveaxis(image, axis, 0)
    result = np.zeros((len(weights), *moved.shape[1:]))
    columns = (-1,) + (1,) * (moved.ndim - 1)
    for tap in range(weights.shape[1]):
        result += weights[:, tap].reshape(columns) * moved[indices[:, tap]]
    return np.moveaxis(result, 0, axis)
