"""Neighbours, directions and lines of a grid, and the trisection order on a line.

Everything here is in index coordinates: a direction is a tuple of integers and a line
holds all grid points reached from its base in steps of that direction. The orders are
those of DSICE 1.0.1 (Kogakuin-HPCL), because they decide which trial comes first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations

from collinear.search.space import Point

Direction = tuple[int, ...]
Shape = tuple[int, ...]

MOST_OFFSETS = 600_000  # neighbours of a point; those of 12 axes are 531,440


class LineError(ValueError):
    """A line or direction that the grid does not have."""


@dataclass(frozen=True)
class Line:
    """All grid points through a base along a direction.

    Attributes:
        base: The point through which the line was drawn.
        direction: Step from one point to the next, reduced by its greatest common
            divisor, first non-zero component positive.
        points: All points of the line in the order of the direction.
    """

    base: Point
    direction: Direction
    points: tuple[Point, ...]

    def __len__(self) -> int:
        return len(self.points)

    @property
    def n_axes(self) -> int:
        """Number of axes that change along the line."""
        return count_changed(self.direction)

    @cached_property
    def index(self) -> dict[Point, int]:
        """Position of each point on the line, from 0."""
        return {point: i for i, point in enumerate(self.points)}


def count_changed(direction: Direction) -> int:
    """Number of non-zero components."""
    return sum(step != 0 for step in direction)


def count_offsets(n_axes: int, max_axes: int) -> int:
    """How many steps to Chebyshev neighbours change at most so many axes."""
    return sum(math.comb(n_axes, k) * 2**k for k in range(1, max_axes + 1))


@lru_cache(maxsize=32)
def offsets(n_axes: int, max_axes: int | None = None) -> tuple[Direction, ...]:
    """All steps to Chebyshev neighbours, in the order of DSICE 1.0.1.

    Sorted by the number of changed axes, then by the set of axes as a binary counter
    (axis 0 is bit 0), then by the signs as a binary counter over the changed axes (a
    set bit is a minus sign). There are ``3**n_axes - 1`` of them.

    Args:
        n_axes: Number of axes.
        max_axes: The first steps alone, that change at most so many; None: all.

    Raises:
        LineError: There are more than `MOST_OFFSETS`.
    """
    most = n_axes if max_axes is None else min(max_axes, n_axes)
    if count_offsets(n_axes, most) > MOST_OFFSETS:
        raise LineError(
            f"a point must have at most {MOST_OFFSETS:,} neighbours, but has "
            f"{count_offsets(n_axes, most):,} that change up to {most} of {n_axes} "
            "axes; use fewer axes"
        )
    subsets = (c for k in range(1, most + 1) for c in combinations(range(n_axes), k))
    sets = sorted(subsets, key=lambda axes: (len(axes), sum(1 << a for a in axes)))
    steps = []
    for axes in sets:
        for signs in range(2 ** len(axes)):
            step = [0] * n_axes
            for bit, axis in enumerate(axes):
                step[axis] = -1 if signs >> bit & 1 else 1
            steps.append(tuple(step))
    return tuple(steps)


def neighbours(
    point: Point, shape: Shape, max_axes: int | None = None
) -> tuple[Point, ...]:
    """The grid points at Chebyshev distance 1, in the order of `offsets`.

    Args:
        point: A point of the grid.
        shape: Lengths of the axes.
        max_axes: Those that change at most so many axes; None: all.
    """
    moved = (
        tuple(i + s for i, s in zip(point, step, strict=True))
        for step in offsets(len(shape), max_axes)
    )
    return tuple(p for p in moved if _inside(p, shape))


def direction_between(start: Point, end: Point) -> Direction:
    """The reduced direction of the line through two distinct points.

    Returns:
        The difference divided by its greatest common divisor, with the first non-zero
        component made positive (so both orders of the points give the same line).

    Raises:
        LineError: The points are equal.
    """
    step = tuple(b - a for a, b in zip(start, end, strict=True))
    divisor = math.gcd(*step)
    if divisor == 0:
        raise LineError(f"a direction needs two distinct points, but got {start} twice")
    leading = next(s for s in step if s != 0)
    if leading < 0:
        divisor = -divisor
    return tuple(s // divisor for s in step)


def directions(shape: Shape) -> tuple[Direction, ...]:
    """All line directions in the order of `offsets`; ``(3**d - 1) / 2`` for d axes.

    An axis with a single value takes no part.
    """
    origin = (0,) * len(shape)
    seen = dict.fromkeys(
        direction_between(origin, step)
        for step in offsets(len(shape))
        if all(n > 1 for n, s in zip(shape, step, strict=True) if s != 0)
    )
    return tuple(seen)


@lru_cache(maxsize=8192)
def line_through(base: Point, direction: Direction, shape: Shape) -> Line:
    """The line through a base point: all its grid points along the direction.

    Args:
        base: A point of the grid.
        direction: A reduced direction as from `direction_between`.
        shape: Lengths of the axes.

    Raises:
        LineError: The base is off the grid or the direction is zero.
    """
    if not _inside(base, shape) or not any(direction):
        raise LineError(
            "a line needs a base on the grid and a direction that is not zero, but got "
            f"base {base}, direction {direction} on the grid {shape}"
        )
    back = 0
    while _inside(_shift(base, direction, -back - 1), shape):
        back += 1
    points = []
    steps = -back
    while _inside(point := _shift(base, direction, steps), shape):
        points.append(point)
        steps += 1
    return Line(base, direction, tuple(points))


@lru_cache(maxsize=4096)
def lines_through(base: Point, shape: Shape, max_axes: int) -> tuple[Line, ...]:
    """All lines of two or more points through a base that change <= max_axes axes.

    They come in the order of the base's neighbours, so at the rim of the grid the
    order of oblique lines differs from that of `directions`.
    """
    around = neighbours(base, shape, max_axes)
    found = dict.fromkeys(direction_between(base, point) for point in around)
    return tuple(line_through(base, direction, shape) for direction in found)


def trisection_set(n_points: int) -> tuple[int, ...]:
    """The indices that must be observed before a d-spline is fitted, without repeats.

    They are the two ends and the two cuts m1 = floor((s-1)/3) and
    m2 = m1 + floor((s-1-m1)/2) (DSICE 1.0.1), in this order. On three points the
    original lists the last point twice, which can block it for ever; here it is once.
    """
    last = n_points - 1
    return tuple(dict.fromkeys((0, last, *_cuts(0, last))))


@lru_cache(maxsize=256)
def trisection_order(n_points: int) -> tuple[int, ...]:
    """Indices of a line, coarse to fine: the breadth-first order of trisection.

    Begins with `trisection_set`; what follows is optional and only fills free slots
    while the set is being measured. Segments of two steps yield index 1 of the line
    rather than their own middle: a slip of DSICE 1.0.1 that is kept with its repeats,
    because an index's place here decides where it comes among the lines of a batch.
    Some interior indices do not come at all; the d-spline may still ask for those.
    """
    last = n_points - 1
    order = [0, last, *_cuts(0, last)]
    segments = [(0, last)]
    while segments:
        left, right = segments.pop(0)
        if right - left == 2:
            order.append(1)
        if right - left <= 2:
            continue
        first, second = _cuts(left, right)
        if (left, right) != (0, last):
            order += [first, second]
        segments += [(left, first), (first, second), (second, right)]
    return tuple(order)


def _cuts(left: int, right: int) -> tuple[int, int]:
    if right - left == 2:
        return left + 1, right
    first = left + (right - left) // 3
    return first, first + (right - first) // 2


def _shift(point: Point, direction: Direction, steps: int) -> Point:
    return tuple(i + steps * s for i, s in zip(point, direction, strict=True))


def _inside(point: Point, shape: Shape) -> bool:
    return all(0 <= i < n for i, n in zip(point, shape, strict=True))
