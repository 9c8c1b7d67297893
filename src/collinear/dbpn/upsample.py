"""Bicubic enlargement as a fixed convolution: the base that a residual model adds to.

The same rule as `collinear.quality.resize` (MATLAB-like, a = -0.5), so a model whose
network says zero returns the bicubic image of the reference, and training patches see
the base that whole images see, up to their borders. Unlike torch's own bicubic mode
(a = -0.75) it is deterministic on every device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from collinear.quality.resize import resize_bicubic

_REACH = 2
"""Low resolution pixels on each side that enter an output pixel."""


class BicubicUpsample(nn.Module):
    """Enlarge images by a whole factor.

    Args:
        scale: The factor.
    """

    kernel: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        # Not part of the weights: it follows from the scale.
        self.register_buffer("kernel", _phase_kernels(scale), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return (n, c, scale h, scale w) for (n, c, h, w)."""
        n, c, h, w = image.shape
        planes = _reflect(_reflect(image.reshape(n * c, 1, h, w), 2), 3)
        phases = functional.conv2d(planes, self.kernel)
        large = functional.pixel_shuffle(phases, self.scale)
        return large.reshape(n, c, h * self.scale, w * self.scale)


def _phase_kernels(scale: int) -> Tensor:
    """Return the weights of each output phase, shape (scale^2, 1, 5, 5)."""
    side = 2 * _REACH + 1
    # The response of the output pixels over the centre to a pulse at each offset.
    pulses = np.eye(3 * side)[:, side : 2 * side]
    responses = resize_bicubic(pulses, size=(3 * side * scale, side))
    centre = (side + _REACH) * scale
    weights = responses[centre : centre + scale]
    kernels = weights[:, None, :, None] * weights[None, :, None, :]
    shaped = kernels.reshape(scale * scale, 1, side, side)
    return torch.from_numpy(np.ascontiguousarray(shaped)).float()


def _reflect(image: Tensor, axis: int) -> Tensor:
    """Continue an axis by two pixels on each side, the border pixel repeated."""
    length = image.shape[axis]
    order = [min(1, length - 1), 0, *range(length), length - 1, max(length - 2, 0)]
    return image.index_select(axis, torch.tensor(order, device=image.device))
