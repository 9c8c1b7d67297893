"""D-DBPN, the generator: error-feedback units that go up and down in resolution.

M. Haris, G. Shakhnarovich, N. Ukita, "Deep Back-Projection Networks For
Super-Resolution", CVPR 2018 (H18 below), and its journal version "Deep Back-Projection
Networks for Single Image Super-resolution", 2019, for the iterative variant. Where the
papers leave a choice, the authors' public program decides: one learned slope in each
PReLU, a 1 x 1 convolution before each unit that sees several maps, the newest map
first.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from collinear.dbpn.config import GEOMETRY, ModelSettings
from collinear.dbpn.reference import own_state
from collinear.dbpn.upsample import BicubicUpsample

_SLOPE = 0.25


class ActivatedConv(nn.Module):
    """A (transposed) convolution and a PReLU with one slope."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.act = nn.PReLU(init=_SLOPE)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the activated maps."""
        return self.act(self.conv(maps))


class ProjectionUnit(nn.Module):
    """One up- or down-projection with its error feedback (H18 eq. 1 to 10).

    Args:
        up: Whether the unit enlarges.
        scale: Factor between low and high resolution.
        channels: Maps of its output.
        inputs: Concatenated groups of maps at its input; above 1 they are merged by a
            1 x 1 convolution.
    """

    def __init__(self, up: bool, scale: int, channels: int, inputs: int = 1) -> None:
        super().__init__()
        merged = nn.Conv2d(inputs * channels, channels, 1)
        self.merge = ActivatedConv(merged) if inputs > 1 else nn.Identity()
        self.project = ActivatedConv(_projection(up, scale, channels))
        self.back = ActivatedConv(_projection(not up, scale, channels))
        self.correct = ActivatedConv(_projection(up, scale, channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return (n, channels, h', w') for (n, inputs * channels, h, w)."""
        maps = self.merge(maps)
        projected = self.project(maps)
        error = self.back(projected) - maps
        return projected + self.correct(error)


class DBPN(nn.Module):
    """The generator.

    Images are in the range of `settings.normalisation` (see `collinear.dbpn.pixels`),
    at the input and at the output.

    Args:
        scale: 2, 4 or 8.
        settings: Its shape. `stages` counts up-projections; in the iterative variant
            it counts passes through one chain of `chain` up-projections.
    """

    def __init__(self, scale: int, settings: ModelSettings) -> None:
        super().__init__()
        self.scale = scale
        self.settings = settings
        iterative = settings.variant == "iterative"
        length = settings.chain if iterative else settings.stages
        self.passes = settings.stages if iterative else 1
        base = settings.base
        self.wide = ActivatedConv(nn.Conv2d(3, settings.feat, 3, padding=1))
        self.narrow = ActivatedConv(nn.Conv2d(settings.feat, base, 1))
        # Up-unit i > 1 sees all earlier low maps, down-unit i all high maps so far.
        self.ups = nn.ModuleList(
            ProjectionUnit(True, scale, base, max(1, i)) for i in range(length)
        )
        self.downs = nn.ModuleList(
            ProjectionUnit(False, scale, base, i + 1) for i in range(length - 1)
        )
        self.output = nn.Conv2d(settings.stages * base, 3, 3, padding=1)
        self.bicubic = BicubicUpsample(scale) if settings.residual else None
        self.reset_parameters()

    def reset_parameters(self, zero_start: bool = True) -> None:
        """Draw all weights anew (He et al. 2015, fan-in) from torch's generator.

        The fan-in of a transposed convolution is torch's, as in the authors' program:
        each of its outputs sees only (kernel / stride)^2 taps, so it starts small.

        Args:
            zero_start: Whether a residual network starts as bicubic enlargement.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        if self.bicubic is not None and zero_start:
            # Start at the bicubic image instead of far away from it.
            nn.init.zeros_(self.output.weight)

    def forward(self, lq: Tensor) -> Tensor:
        """Return the super-resolved (n, 3, scale h, scale w) for (n, 3, h, w)."""
        low = self.narrow(self.wide(lq))
        if self.settings.variant == "dense":
            maps = self._dense_pass(low)[0]
        else:
            lasts: list[Tensor] = []
            for _ in range(self.passes):
                highs, low = self._dense_pass(low)
                # Only the last high map of each pass is kept, here the oldest first.
                lasts.append(highs[:, : self.settings.base].clone())
            maps = torch.cat(lasts, 1)
        image = self.output(maps)
        return image if self.bicubic is None else image + self.bicubic(lq)

    def _dense_pass(self, low: Tensor) -> tuple[Tensor, Tensor]:
        """Return all high maps of a chain, newest first, and its last low map."""
        if not torch.is_grad_enabled():
            return self._lean_pass(low)
        highs = self.ups[0](low)
        lows: list[Tensor] = []
        for up, down in zip(list(self.ups)[1:], self.downs, strict=True):
            lows.insert(0, down(highs))
            highs = torch.cat([up(torch.cat(lows, 1)), highs], 1)
        return highs, lows[0]

    def _lean_pass(self, low: Tensor) -> tuple[Tensor, Tensor]:
        """As `_dense_pass`, but all high maps lie in one block and are not copied.

        Only where no gradient is wanted, because the block is written piece by piece.
        """
        base, units = self.settings.base, len(self.ups)
        first = self.ups[0](low)
        n, _, h, w = first.shape
        block = first.new_empty((n, units * base, h, w))
        lows: list[Tensor] = []
        newest = first
        for index in range(units):
            start = (units - 1 - index) * base
            block[:, start : start + base] = newest
            if index + 1 < units:
                lows.insert(0, self.downs[index](block[:, start:]))
                newest = self.ups[index + 1](torch.cat(lows, 1))
        return block, lows[0]


def _projection(up: bool, scale: int, channels: int) -> nn.Module:
    kernel, stride, padding = GEOMETRY[scale]
    kind = nn.ConvTranspose2d if up else nn.Conv2d
    return kind(channels, channels, kernel, stride, padding)


def count_parameters(network: nn.Module) -> int:
    """Return the number of trained numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def load_reference_state(model: DBPN, state: Mapping[str, Tensor]) -> None:
    """Load weights that carry the names of the authors' public program.

    Args:
        model: A model of the same shape.
        state: Tensors by name, with or without the prefix "module.".

    Raises:
        RuntimeError: Names or shapes do not fit (from torch, which lists them).
    """
    model.load_state_dict(own_state(state))
