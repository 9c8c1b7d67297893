"""Points near the best results: where a model of few assumptions draws from.

Under noise the best results are partly luck, but a setting that is truly good lies
near some of them more often than near any other point.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collinear.search.grid_model import Array, Indices
from collinear.search.kernels import AxisShape

_N_BASES = 8  # best results around which points are taken
_N_STEPS = 40  # random steps from each of them
_REACH = 0.12  # standard deviation of a step along an axis, as a share of its length
_ALONG = 2  # indices to either side along an axis; the best result has whole axes
_N_RANDOM = 1200  # points of the whole grid

Mask = NDArray[np.bool_]


def near_best(
    axes: tuple[AxisShape, ...],
    points: Indices,
    values: Array,
    unlikely: Mask,
    chance: np.random.Generator,
) -> Indices:
    """Points around the best eight results, and random ones of the whole grid.

    Args:
        axes: The d axes.
        points: m x d indices of the distinct measured points.
        values: m lowest results there; lower is better.
        unlikely: m booleans, where the limits are not kept; those rank last.
        chance: Source of the random points.

    Returns:
        Distinct positions on the grid in C order, ascending.
    """
    shape = tuple(axis.n_values for axis in axes)
    best = points[np.lexsort((values, unlikely))[:_N_BASES]]
    rows = [best]
    for place, base in enumerate(best):
        rows += [_along(base, k, axes[k], place == 0) for k in range(len(axes))]
        rows.append(_steps(base, axes, chance))
    rows.append(chance.integers(0, np.array(shape), (_N_RANDOM, len(axes))))
    return np.unique(np.ravel_multi_index(tuple(np.concatenate(rows).T), shape))


def _along(base: Indices, k: int, axis: AxisShape, whole: bool) -> Indices:
    """Points that differ from a base on axis k: all of them, or the near ones."""
    index = np.arange(axis.n_values)
    near = index[(np.abs(index - base[k]) <= _ALONG) | whole | axis.categorical]
    line = np.repeat(base[None], len(near), axis=0)
    line[:, k] = near
    return line


def _steps(
    base: Indices, axes: tuple[AxisShape, ...], chance: np.random.Generator
) -> Indices:
    """Random points around a base; a category stays or becomes any, evenly."""
    sizes = np.array([axis.n_values for axis in axes])
    moved = chance.standard_normal((_N_STEPS, len(axes)))
    moved = base + moved * np.maximum(1.0, _REACH * sizes)
    found = np.clip(np.rint(moved), 0, sizes - 1).astype(np.intp)
    for k, axis in enumerate(axes):
        if axis.categorical:
            stays = chance.random(_N_STEPS) < 0.5
            any_of = chance.integers(0, axis.n_values, _N_STEPS)
            found[:, k] = np.where(stays, base[k], any_of)
    return found
