"""The discriminator: tells originals from super-resolved patches.

The eight convolutions of SRGAN (C. Ledig et al., "Photo-Realistic Single Image
Super-Resolution Using a Generative Adversarial Network", CVPR 2017, fig. 4) with 64 to
512 maps at base 64. It returns logits, so that the loss is stable.
"""

from __future__ import annotations

from torch import Tensor, nn

from collinear.dbpn.config import DiscriminatorSettings

_SLOPE = 0.2
_STRIDE = 16
_HIDDEN_PER_BASE = 16


class DiscriminatorError(ValueError):
    """A patch that the discriminator cannot see."""


class Discriminator(nn.Module):
    """Eight convolutions and two dense layers.

    Args:
        settings: Width, and head "dense" (the reference: every position has its own
            weights, so the size is fixed) or "gap" (the mean over positions: small,
            any size).
        size: Side of a high resolution patch in pixels.

    Raises:
        DiscriminatorError: The size is not a multiple of 16 with a dense head.
    """

    def __init__(self, settings: DiscriminatorSettings, size: int) -> None:
        super().__init__()
        if size < _STRIDE or (settings.head == "dense" and size % _STRIDE):
            raise DiscriminatorError(
                f"a patch for the {settings.head} head must be a multiple of {_STRIDE} "
                f"pixels (any size from {_STRIDE} on with head: gap), but got {size}"
            )
        base = settings.base
        self.pooled = settings.head == "gap"
        layers = [nn.Conv2d(3, base, 3, padding=1), nn.LeakyReLU(_SLOPE)]
        widths = [base, base, 2 * base, 2 * base, 4 * base, 4 * base, 8 * base]
        widths.append(8 * base)
        for index in range(1, 8):
            stride = 2 if index % 2 else 1
            layers += _block(widths[index - 1], widths[index], stride)
        self.convolutions = nn.Sequential(*layers)
        positions = 1 if self.pooled else (size // _STRIDE) ** 2
        hidden = _HIDDEN_PER_BASE * base
        self.head = nn.Sequential(
            nn.Linear(8 * base * positions, hidden),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(hidden, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the logit of "original" of each image: (n,) for (n, 3, size, size)."""
        maps = self.convolutions(image)
        seen = maps.mean((2, 3)) if self.pooled else maps.flatten(1)
        return self.head(seen).squeeze(1)


def _block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride, 1),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(_SLOPE),
    ]
