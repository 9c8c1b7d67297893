"""Minibatches of patches out of 8-bit images, on the device that trains.

Images stay 8-bit until a patch is cut. On the CPU a patch is a view that is copied
once. On a GPU all images lie in its memory when they fit, and one gather cuts, turns
and mirrors all patches of a minibatch. Both ways return the same bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collinear.dbpn.data import ImagePair
from collinear.dbpn.patches import ORIENTATIONS, Patch

_log = logging.getLogger(__name__)
_TURNS = 4
_RESIDENT_SHARE = 0.5
"""Share of the free memory of a GPU that images may fill; the rest is for training."""


class PatchSource:
    """Cuts patches out of pairs of images.

    Args:
        images: The pairs.
        scale: Factor between their sizes.
        device: Where minibatches are wanted.
        resident: Whether all images are kept on the device as two flat arrays.
    """

    def __init__(
        self,
        images: Sequence[ImagePair],
        scale: int,
        device: torch.device,
        *,
        resident: bool,
    ) -> None:
        self.sizes = [pair.lq.shape[:2] for pair in images]
        self.resident = resident
        self._factors = (1, scale)
        self._device = device
        self._grids: dict[int, Tensor] = {}
        if resident:
            kinds = ([pair.lq for pair in images], [pair.gt for pair in images])
            self._flat = [_flatten(kind, device) for kind in kinds]
            self._offsets = [_offsets(factor, self.sizes) for factor in self._factors]
        else:
            self._images = [(_planes(pair.lq), _planes(pair.gt)) for pair in images]

    def minibatch(self, patches: Sequence[Patch], side: int) -> tuple[Tensor, Tensor]:
        """Return 8-bit lq (n, 3, side, side) and gt (n, 3, scale side, scale side)."""
        cut = self._gather if self.resident else self._slice
        return cut(patches, 0, side), cut(patches, 1, side)

    def _slice(self, patches: Sequence[Patch], kind: int, side: int) -> Tensor:
        factor = self._factors[kind]
        size = side * factor
        batch = np.empty((len(patches), 3, size, size), np.uint8)
        for at, patch in enumerate(patches):
            top, left = patch.top * factor, patch.left * factor
            image = self._images[patch.image][kind]
            crop = image[:, top : top + size, left : left + size]
            turned = np.rot90(crop, patch.orientation % _TURNS, (1, 2))
            mirrored = patch.orientation >= _TURNS
            batch[at] = turned[:, :, ::-1] if mirrored else turned
        found = torch.from_numpy(batch)
        if self._device.type == "cpu":
            return found
        return found.pin_memory().to(self._device, non_blocking=True)

    def _gather(self, patches: Sequence[Patch], kind: int, side: int) -> Tensor:
        factor = self._factors[kind]
        starts, widths = [], []
        for patch in patches:
            width = self.sizes[patch.image][1] * factor
            offset = self._offsets[kind][patch.image]
            starts.append(offset + patch.top * factor * width + patch.left * factor)
            widths.append(width)
        numbers = torch.tensor([starts, widths, [p.orientation for p in patches]])
        start, row, turn = numbers.to(self._device, non_blocking=True)
        grid = self._grid(side * factor)[turn]
        at = start[:, None, None] + grid[..., 0] * row[:, None, None] + grid[..., 1]
        return self._flat[kind][at].permute(0, 3, 1, 2)

    def _grid(self, side: int) -> Tensor:
        """Return row and column of each pixel by orientation, (8, side, side, 2)."""
        if side not in self._grids:
            lines = torch.arange(side)
            grid = torch.stack(torch.meshgrid(lines, lines, indexing="ij"))
            turned = [oriented(grid, turn) for turn in range(ORIENTATIONS)]
            grids = torch.stack(turned).permute(0, 2, 3, 1).contiguous()
            self._grids[side] = grids.to(self._device)
        return self._grids[side]


def choose_resident(
    wanted: str, images: Sequence[ImagePair], device: torch.device
) -> bool:
    """Return whether the images are to lie in the memory of a GPU; say why if not.

    Args:
        wanted: The key `data.store`: "auto", "ram", "map" or "device".
        images: The pairs.
        device: Where the training runs.
    """
    if wanted in ("ram", "map"):
        return False
    if device.type == "cpu":
        if wanted == "device":
            _log.warning("data.store: device needs a GPU, but this runs on a CPU: ram")
        return False
    size = sum(pair.lq.nbytes + pair.gt.nbytes for pair in images)
    free = torch.cuda.mem_get_info(device)[0]
    if size > _RESIDENT_SHARE * free:
        _log.warning(
            "data.store: the images take %.1f GB, more than half of the %.1f GB free "
            "on the GPU; they stay in the memory of the machine",
            size / 1e9,
            free / 1e9,
        )
        return False
    return True


def oriented(image: Tensor, orientation: int) -> Tensor:
    """Turn and mirror (c, h, h): 0 to 3 quarter turns, 4 to 7 the same mirrored."""
    turned = torch.rot90(image, orientation % _TURNS, (1, 2))
    return turned.flip(2) if orientation >= _TURNS else turned


def _planes(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image (h, w, 3) as (3, h, w); a view if it is stored so.

    Turning planes of bytes is several times faster than turning pixels of three bytes.
    """
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def _flatten(images: Sequence[NDArray[np.uint8]], device: torch.device) -> Tensor:
    """Return the pixels of all images, (pixels, 3), one image after another."""
    counts = [image.shape[0] * image.shape[1] for image in images]
    flat = torch.empty((sum(counts), 3), dtype=torch.uint8, device=device)
    parts = flat.split(counts)
    for part, image in zip(parts, images, strict=True):
        # A copy, because torch wants arrays that may be written.
        pixels = np.array(image, order="C").reshape(-1, 3)
        part.copy_(torch.from_numpy(pixels))
    return flat


def _offsets(factor: int, sizes: Sequence[tuple[int, int]]) -> list[int]:
    counts = [height * width * factor**2 for height, width in sizes]
    return [sum(counts[:index]) for index in range(len(counts))]
