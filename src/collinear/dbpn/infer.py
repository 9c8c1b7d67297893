"""Enlarging whole images of any size in bounded memory, exactly.

A large image is cut into tiles that see as far beyond their own part as the network
does (`collinear.dbpn.receptive`), so tiles equal the whole image up to rounding, and an
overlap below that is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collinear.dbpn.minibatch import oriented
from collinear.dbpn.model import DBPN
from collinear.dbpn.patches import ORIENTATIONS
from collinear.dbpn.pixels import as_tensor, normalise, quantise
from collinear.dbpn.receptive import receptive_radius

MEMORY_GB = 1.0
"""Memory for a tile's maps on a CPU, beside the program itself."""
_GPU_SHARE = 0.5

_TURNS = 4
_BYTES = 4
_SMALLEST_TILE = 8


class TilingError(ValueError):
    """Tiles that would not equal the whole image, or do not fit the memory."""


@dataclass(frozen=True)
class Tiling:
    """How an image is enlarged.

    Attributes:
        tile: Longest side of a part in low resolution pixels; None: what the memory
            allows.
        overlap: Pixels that a part sees beyond its own; None: as far as the network
            sees.
        memory_gb: Memory for the maps of one part, if `tile` is None; None: 1 GB on a
            CPU, half of a GPU's.
        ensemble: Whether the image is enlarged in all eight orientations and the mean
            is taken.
    """

    tile: int | None = None
    overlap: int | None = None
    memory_gb: float | None = None
    ensemble: bool = False


def upscale(
    model: DBPN,
    lq: NDArray[np.uint8],
    scale: int,
    *,
    tile: int | None = None,
    overlap: int | None = None,
    memory_gb: float | None = None,
    ensemble: bool = False,
) -> NDArray[np.uint8]:
    """Return the super-resolved image (scale h, scale w, 3), uint8.

    Args:
        model: The generator, on any device.
        lq: Low resolution image (h, w, 3), uint8, of any size.
        scale: Factor of the model.
        tile: See `Tiling`, as the other options.
        overlap: Likewise.
        memory_gb: Likewise.
        ensemble: Likewise.

    Raises:
        TilingError: The overlap is too small, or the memory for any tile.
        NonFiniteError: The model returns NaN or infinite values.
    """
    assert scale == model.scale
    tiling = Tiling(tile, overlap, memory_gb, ensemble)
    return quantise(enlarge(model, lq, tiling), model.settings.normalisation)


@torch.no_grad()
def enlarge(model: DBPN, lq: NDArray[np.uint8], tiling: Tiling) -> Tensor:
    """Return the super-resolved image in the range of the network, (3, h, w) float32.

    Raises:
        TilingError: As `upscale`.
    """
    overlap, tile = _chosen(model, tiling)
    image = as_tensor(lq)
    if not tiling.ensemble:
        return _in_parts(model, image, tile, overlap)
    total = torch.zeros(())
    for orientation in range(ORIENTATIONS):
        large = _in_parts(model, oriented(image, orientation), tile, overlap)
        total = total + _turned_back(large, orientation)
    return total / ORIENTATIONS


def _chosen(model: DBPN, tiling: Tiling) -> tuple[int, int]:
    """Return overlap and tile side, checked."""
    needed = receptive_radius(model.scale, model.settings)
    overlap = needed if tiling.overlap is None else tiling.overlap
    if overlap < needed:
        raise TilingError(
            f"overlap must be at least {needed}, as far as this network sees, so that "
            f"tiles equal the whole image, but got {overlap}"
        )
    if tiling.tile is not None:
        if tiling.tile < 1:
            raise TilingError(f"tile must be at least 1, but got {tiling.tile}")
        return overlap, tiling.tile
    memory_gb = _memory(model) if tiling.memory_gb is None else tiling.memory_gb
    if not (math.isfinite(memory_gb) and memory_gb > 0):
        raise TilingError(f"memory_gb must be above 0, but got {memory_gb:g}")
    pixels = memory_gb * 1e9 / bytes_a_pixel(model)
    tile = math.isqrt(int(pixels)) - 2 * overlap
    if tile < _SMALLEST_TILE:
        side = _SMALLEST_TILE + 2 * overlap
        least = side**2 * bytes_a_pixel(model) / 1e9
        raise TilingError(
            f"memory_gb must be at least {least:.2g} for this network, but got "
            f"{memory_gb:g}"
        )
    return overlap, tile


def _memory(model: DBPN) -> float:
    device = model.output.weight.device
    if device.type != "cuda":
        return MEMORY_GB
    return _GPU_SHARE * torch.cuda.get_device_properties(device).total_memory / 1e9


def bytes_a_pixel(model: DBPN) -> int:
    """Return the memory of the maps behind a low resolution pixel, at most.

    All high resolution maps so far, a copy of them in the order that a convolution
    likes, and the maps inside a unit.
    """
    shape = model.settings
    high = (2 * len(model.ups) + 8) * shape.base
    if shape.variant == "iterative":
        high += 2 * shape.stages * shape.base
    low = 2 * len(model.ups) * shape.base + 2 * shape.feat
    return _BYTES * (high * model.scale**2 + low)


def _in_parts(model: DBPN, image: Tensor, tile: int, overlap: int) -> Tensor:
    """Return the image (3, h, w) enlarged part by part, on the CPU."""
    height, width = image.shape[1:]
    scale = model.scale
    result = torch.empty(3, height * scale, width * scale)
    for rows, columns in product(_parts(height, tile), _parts(width, tile)):
        part = _enlarge_part(model, image, (rows, columns), overlap)
        rows_large = slice(rows[0] * scale, rows[1] * scale)
        result[:, rows_large, columns[0] * scale : columns[1] * scale] = part
    return result


def _enlarge_part(
    model: DBPN,
    image: Tensor,
    part: tuple[tuple[int, int], tuple[int, int]],
    overlap: int,
) -> Tensor:
    """Return one part (3, h, w), computed with its surroundings and cut out again."""
    (top, bottom), (left, right) = part
    above, before = max(0, top - overlap), max(0, left - overlap)
    seen = image[:, above : bottom + overlap, before : right + overlap]
    weight = model.output.weight
    order = weight.is_contiguous(memory_format=torch.channels_last)
    pixels = normalise(seen.to(weight.device), model.settings.normalisation)[None]
    if order and not weight.is_contiguous():
        pixels = pixels.contiguous(memory_format=torch.channels_last)
    large = model(pixels)[0].float()
    scale = model.scale
    rows = slice((top - above) * scale, (bottom - above) * scale)
    return large[:, rows, (left - before) * scale : (right - before) * scale].cpu()


def _parts(length: int, tile: int) -> Iterator[tuple[int, int]]:
    """Cut a length into equal parts, none longer than a tile."""
    count = -(-length // tile)
    edges = [length * index // count for index in range(count + 1)]
    return pairwise(edges)


def _turned_back(image: Tensor, orientation: int) -> Tensor:
    """Undo `oriented`."""
    turned = image.flip(2) if orientation >= _TURNS else image
    return torch.rot90(turned, -(orientation % _TURNS), (1, 2))
