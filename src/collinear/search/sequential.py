"""The sequential searches of DSICE: `ippe` on one axis, `s2017` and `s2018`.

`s2018` is the search of the documents: directional exploration (measure the neighbours
of the base), then collinear exploration (one line search through the best neighbour),
first along the axes and, when that finds nothing better, obliquely. The rules are
those of S_IPPE, S_2017 and S_2018 in DSICE 1.0.1 (Kogakuin-HPCL); see T. Mochizuki et
al., iWAPT 2017, doi 10.1109/IPDPSW.2017.132, for the iteration of one-dimensional
searches. A point is never measured twice and a failed trial blocks nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

from collinear.search.lines import (
    Direction,
    Line,
    direction_between,
    line_through,
    neighbours,
)
from collinear.search.replay import Desk, Search, Wish, Wishes
from collinear.search.space import Point


def measure_design(
    desk: Desk, design: Sequence[Point]
) -> Generator[Wishes, tuple[Point, ...], Point]:
    """Measures an initial design; its best point is the first base of the search."""
    yield from _measure(desk, [Wish(point, "design") for point in design])
    return desk.ledger.best(design) or design[0]


def search_axis(desk: Desk, base: Point, axis: int) -> Search:
    """S_IPPE: one line search along one axis through the base."""
    direction = tuple(int(k == axis) for k in range(len(desk.shape)))
    yield from search_line(desk, line_through(base, direction, desk.shape))


def search_line(
    desk: Desk, line: Line
) -> Generator[Wishes, tuple[Point, ...], Point | None]:
    """Collinear exploration of one line until its stop rule holds; its best point."""
    running = desk.open(line)
    while not running.state.done:
        told = yield partial(running.wishes, desk)
        if running.touched_by(told):
            running = running.advance(desk, told)
    desk.awaited.update(line.points)
    return running.best(desk)


def search_by_levels(desk: Desk, base: Point, *, only_full_level: bool) -> Search:
    """S_2018, or S_2017 with ``only_full_level``.

    Level L allows directions that change up to L axes. It grows by one whenever a
    collinear exploration ends at its base, and is never lowered; the search ends when
    that happens at the highest level. S_2017 starts there. As in DSICE 1.0.1, it also
    ends where a move leads to a base around which nothing is left to measure; what was
    told ahead of its turn, because another trial reports late or never, does not count.

    The line goes through the best neighbour even when that is worse than the base; of
    equal neighbours it takes one that was measured before, then the first in order. Of
    equal points of a line the base moves to the one that the line took in first.
    """
    n_axes = len(desk.shape)
    level = n_axes if only_full_level else 1
    searched: set[tuple[Point, Direction]] = set()
    moved = False
    yield from _measure(desk, [Wish(base, "start")])
    while True:
        around = _open_neighbours(desk, base, level, searched)
        unvisited = _unvisited(desk, around)
        awaited = all(wish.point in desk.awaited for wish in around)
        if moved and awaited and not unvisited:
            return
        yield from _measure(desk, around)
        searched.update((base, wish.direction) for wish in around)
        best = base
        known_first = sorted(around, key=unvisited.__contains__)
        nearest = desk.ledger.best(wish.point for wish in known_first)
        if nearest is not None:
            direction = direction_between(base, nearest)
            line = line_through(base, direction, desk.shape)
            best = (yield from search_line(desk, line)) or base
        moved = best != base
        if moved:
            base = best
            searched.add((base, direction))
        elif level == n_axes:
            return
        else:
            level += 1


def _open_neighbours(
    desk: Desk, base: Point, level: int, searched: set[tuple[Point, Direction]]
) -> list[Wish]:
    """Neighbours changing <= level axes in directions not yet taken from the base."""
    around = []
    for point in neighbours(base, desk.shape, level):
        direction = direction_between(base, point)
        if (base, direction) not in searched:
            around.append(Wish(point, "direction", direction))
    return around


def _measure(desk: Desk, wishes: list[Wish]) -> Search:
    """Waits until every point is visited."""
    unvisited = partial(_unvisited, desk, wishes)
    while unvisited():
        yield unvisited
    desk.awaited.update(wish.point for wish in wishes)


def _unvisited(desk: Desk, wishes: list[Wish]) -> list[Wish]:
    return [wish for wish in wishes if wish.point not in desk.ledger.visited]
