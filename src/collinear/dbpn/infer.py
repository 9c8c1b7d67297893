"""Enlarging whole images, in tiles when they are large."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from collinear.dbpn.pixels import as_tensor, normalise, quantise

TILE = 192
"""Side of a tile in low resolution pixels: bounds the memory, not the image."""
OVERLAP = 16
"""Pixels that a tile sees beyond its own part. The training patches are 16 to 60
pixels, so what lies further away hardly counts; tiles are not exactly the whole."""


@torch.no_grad()
def upscale(
    model: nn.Module,
    lq: NDArray[np.uint8],
    scale: int,
    *,
    tile: int = TILE,
    overlap: int = OVERLAP,
) -> NDArray[np.uint8]:
    """Return the super-resolved image.

    Args:
        model: The generator, on any device.
        lq: Low resolution image (h, w, 3), uint8.
        scale: Factor of the model.
        tile: Images with a longer side are cut into parts of this side, in pixels.
        overlap: Pixels of context around each part.

    Returns:
        Image (scale h, scale w, 3), uint8.

    Raises:
        NonFiniteError: The model returns NaN or infinite values.
    """
    device = next(model.parameters()).device
    whole = normalise(as_tensor(lq).to(device))[None]
    height, width = lq.shape[:2]
    result = torch.empty(3, height * scale, width * scale, device=device)
    for top, bottom in _parts(height, tile):
        for left, right in _parts(width, tile):
            part = _enlarge_part(
                model, whole, scale, (top, bottom, left, right), overlap
            )
            rows = slice(top * scale, bottom * scale)
            result[:, rows, left * scale : right * scale] = part
    return quantise(result)


def _enlarge_part(
    model: nn.Module,
    whole: Tensor,
    scale: int,
    part: tuple[int, int, int, int],
    overlap: int,
) -> Tensor:
    """Return one part (3, h, w), computed with context and cut out again."""
    top, bottom, left, right = part
    above, before = max(0, top - overlap), max(0, left - overlap)
    seen = whole[:, :, above : bottom + overlap, before : right + overlap]
    large = model(seen)[0].float()
    rows = slice((top - above) * scale, (bottom - above) * scale)
    return large[:, rows, (left - before) * scale : (right - before) * scale]


def _parts(length: int, tile: int) -> Iterator[tuple[int, int]]:
    """Cut a length into equal parts, none longer than a tile."""
    count = -(-length // tile)
    edges = [length * index // count for index in range(count + 1)]
    return pairwise(edges)
