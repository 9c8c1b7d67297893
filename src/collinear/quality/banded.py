"""Filters and enlargements along the axes of a plane, as small matrix products.

Each output pixel depends on a few neighbours only. So the matrix of such a filter is
banded, and is applied in blocks of rows: a product of small dense matrices is several
times faster than a sum over taps, and than the whole matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from collinear.quality.products import multiply, multiply_rows
from collinear.quality.resize import contributions

Plane = NDArray[np.float64]

_BLOCK = 16


@dataclass(frozen=True)
class Banded:
    """A banded matrix.

    Attributes:
        length: Number of rows, that is of output pixels.
        blocks: (first row, end row, first column, end column, dense part).
    """

    length: int
    blocks: tuple[tuple[int, int, int, int, Plane], ...]


def apply(plane: Plane, vertical: Banded, horizontal: Banded) -> Plane:
    """Apply one banded matrix to the columns, another one to the rows of a plane.

    Args:
        plane: Shape (height, width).
        vertical: Acts on columns of that height.
        horizontal: Acts on rows of that width.

    Returns:
        Shape (vertical.length, horizontal.length).
    """
    middle = np.empty((vertical.length, plane.shape[1]))
    for row, end, first, last, part in vertical.blocks:
        multiply(part, plane[first:last], out=middle[row:end])
    result = np.empty((vertical.length, horizontal.length))
    for column, end, first, last, part in horizontal.blocks:
        multiply_rows(middle[:, first:last], part.T, out=result[:, column:end])
    return result


@lru_cache(maxsize=16)
def valid_filter(length: int, taps: tuple[float, ...]) -> Banded:
    """Return the filter with these taps, where it lies inside the axis.

    Args:
        length: Length of the axis in pixels.
        taps: Weights of neighbours, in order; the result is shorter by their number
            less one.
    """
    outputs = length - len(taps) + 1
    positions = np.arange(outputs)[:, None] + np.arange(len(taps))
    return _from_taps(np.broadcast_to(np.array(taps), positions.shape), positions)


@lru_cache(maxsize=16)
def enlargement(length: int, out_length: int) -> Banded:
    """Return MATLAB's bicubic enlargement of an axis; see `collinear.quality.resize`.

    Args:
        length: Length of the axis in pixels.
        out_length: Wanted length.
    """
    weights, positions = contributions(length, out_length, out_length / length)
    return _from_taps(weights, positions)


def _from_taps(weights: Plane, positions: NDArray[np.int64]) -> Banded:
    """Return the matrix with these weights at these columns, shape (rows, taps)."""
    blocks = []
    for row in range(0, len(weights), _BLOCK):
        part, columns = weights[row : row + _BLOCK], positions[row : row + _BLOCK]
        first, last = int(columns.min()), int(columns.max()) + 1
        dense = np.zeros((len(part), last - first))
        # A reflected border may name a column twice.
        np.add.at(dense, (np.arange(len(part))[:, None], columns - first), part)
        blocks.append((row, row + len(part), first, last, dense))
    return Banded(len(weights), tuple(blocks))
