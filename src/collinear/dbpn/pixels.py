"""Between 8-bit images and what the networks see."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Mean and standard deviation of ImageNet's RGB channels in 0..1, as torchvision's
# networks expect them.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class NonFiniteError(ValueError):
    """An image with NaN or infinite values, found before it was made 8-bit."""


def as_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Return an image (h, w, 3) as a uint8 tensor (3, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def normalise(pixels: Tensor, normalisation: str = "imagenet") -> Tensor:
    """Return uint8 pixels (..., 3, h, w) as float32 in the range of the networks.

    Args:
        pixels: 8-bit pixels.
        normalisation: "imagenet" (mean 0, deviation 1 a channel) or "none" (0..1).
    """
    scaled = pixels.float() / 255
    return scaled if normalisation == "none" else as_imagenet(scaled)


def as_imagenet(scaled: Tensor) -> Tensor:
    """Return images in 0..1 with ImageNet's mean and deviation taken off."""
    return (scaled - _column(_MEAN, scaled)) / _column(_DEVIATION, scaled)


def to_levels(image: Tensor, normalisation: str = "imagenet") -> Tensor:
    """Return network images as grey levels 0..255, without rounding or clipping."""
    if normalisation == "none":
        return image.float() * 255
    scaled = image.float() * _column(_DEVIATION, image) + _column(_MEAN, image)
    return scaled * 255


def quantise(image: Tensor, normalisation: str = "imagenet") -> NDArray[np.uint8]:
    """Return a network image (3, h, w) as 8-bit (h, w, 3), rounded half up.

    Raises:
        NonFiniteError: A value is NaN or infinite; in 8 bits it would look like a
            colour.
    """
    levels = to_levels(image, normalisation)
    if not torch.isfinite(levels).all():
        raise NonFiniteError("the super-resolved image has NaN or infinite values")
    rounded = torch.floor(levels.clamp(0, 255) + 0.5).to(torch.uint8)
    return np.ascontiguousarray(rounded.permute(1, 2, 0).cpu().numpy())


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device).reshape(3, 1, 1)
