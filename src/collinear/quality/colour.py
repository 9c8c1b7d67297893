"""The luma plane of MATLAB's `rgb2ycbcr` for 8-bit RGB images, bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# MATLAB multiplies by the reciprocal. Dividing by 255 instead rounds 49 of the 2^24
# colours to another integer, because 194 colours lie exactly on a half.
_Y_OF_RGB = np.array([65.481, 128.553, 24.966]) * (1 / 255)
_Y_OFFSET = 16.0


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return Y of an RGB image as `rgb2ycbcr(image)(:,:,1)` does for uint8.

    The order of the sum is a contract: ((T1 R + T2 G) + T3 B) + 16, then the floor of
    that plus one half.

    Args:
        rgb: Image of shape (height, width, 3), dtype uint8.

    Returns:
        Y of shape (height, width), dtype uint8, 16 to 235.

    Raises:
        ValueError: The shape or the dtype is another one.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(
            "an image must have shape (height, width, 3) and dtype uint8, "
            f"but got {rgb.shape} and {rgb.dtype}"
        )
    red, green, blue = (rgb[..., channel].astype(np.float64) for channel in range(3))
    y = _Y_OF_RGB[0] * red + _Y_OF_RGB[1] * green
    y += _Y_OF_RGB[2] * blue
    y += _Y_OFFSET
    y += 0.5
    return np.floor(y).astype(np.uint8)
