"""Where a search begins: a Latin hypercube, or all points, evenly spread ones first."""

from __future__ import annotations

import math
from functools import lru_cache
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from collinear.search.replay import StrategyError
from collinear.search.space import Point, SearchSpace

LARGEST_GRID = 10_000_000  # points; `anova` then needs about 1.4 GB, `random` 0.5
_AT_MOST = 1024  # Sobol points; a start design is far smaller


def check_count(name: str, value: object) -> None:
    """Checks that a seed or another option is a whole number from 0.

    Raises:
        StrategyError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise StrategyError(
            f"{name} must be a whole number, but got {value!r} of type "
            f"{type(value).__name__}"
        )
    if value < 0:
        raise StrategyError(f"{name} must be >= 0, but got {value!r}")


def check_size(name: str, space: SearchSpace) -> None:
    """Checks that a strategy can hold one number for each point of its grid.

    Raises:
        StrategyError: The grid has more than `LARGEST_GRID` points.
    """
    if space.size > LARGEST_GRID:
        raise StrategyError(
            f"strategy {name!r} needs a grid of at most {LARGEST_GRID:,} points, which "
            f"it holds in memory, but got {space.size:,} "
            f"({' x '.join(map(str, space.shape))}); give the axes fewer values"
        )


@lru_cache(maxsize=8)
def latin_hypercube(shape: tuple[int, ...], seed: int) -> tuple[Point, ...]:
    """One Latin hypercube of max(shape) points (M. McKay et al., Technometrics 1979).

    The longest axes show every value once; a shorter one shows each of its values
    equally often, give or take one. No two points are equal.

    Args:
        shape: Lengths of the axes.
        seed: Of the permutations, >= 0.
    """
    generator = np.random.default_rng([seed, 0x1A71])
    m = max(shape)
    strata = [
        generator.permutation(m) * n // m if n > 1 else np.zeros(m, dtype=int)
        for n in shape
    ]
    return tuple(tuple(int(i) for i in row) for row in zip(*strata, strict=True))


@lru_cache(maxsize=8)
def start_order(shape: tuple[int, ...], seed: int) -> NDArray[np.intp]:
    """All points of a grid, evenly spread ones first.

    The centre, where users put what they believe in and lines start; then scrambled
    Sobol points (A. Owen, 1998) over the axes of two or more values, without repeats;
    then the rest of the grid in random order.

    Args:
        shape: Lengths of the axes.
        seed: Of the scrambling, >= 0.

    Returns:
        A permutation of 0..N-1, positions in C order; not to be written to.
    """
    from scipy.stats import qmc  # half of what every job's import would take

    size = math.prod(shape)
    active = np.array([n for n in shape if n > 1])
    generator = np.random.default_rng([seed, 0x5085])
    order = generator.permutation(size)
    if len(active):
        sobol = qmc.Sobol(len(active), scramble=True, rng=generator)
        unit = sobol.random(min(_AT_MOST, 1 << (4 * size).bit_length()))
        cells = np.minimum((unit * active).astype(np.intp), active - 1)
        first = np.ravel_multi_index(tuple(cells.T), tuple(active))
        centre = np.ravel_multi_index(tuple(active // 2), tuple(active))
        both = np.concatenate([[centre], first, order])
        _, places = np.unique(both, return_index=True)
        order = both[np.sort(places)]
    order.flags.writeable = False
    return order
