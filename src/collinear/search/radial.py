"""The parallel searches: many lines through one base at the same time.

`radial` is P_2024B of DSICE 1.0.1 (Kogakuin-HPCL) without its two defects: a line of
three points could block it for ever, and one batch could hold a point twice.
`levelled` is our reading of the parallel search of the 2022 reports, whose program is
not public; simulated runs come near their counts (363 trials in 27 batches of at most
50).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from itertools import zip_longest

from collinear.search.lines import Direction, direction_between, lines_through
from collinear.search.replay import Desk, OpenLine, Search, Wish, Wishes
from collinear.search.space import Point


def search_around(
    desk: Desk,
    base: Point,
    *,
    first_level: int,
    per_round: int | None,
    back_along: bool,
) -> Search:
    """Explores all lines of <= level axes through the base, and moves the base.

    When every line is done, the base moves to the best point of all lines if that is
    better than the base; of equal ones to that of the line that was done first, as in
    P_2024B. Otherwise the level grows by one, or the search ends at the highest level.
    The level is never lowered. A (base, direction) pair is explored once.

    Args:
        desk: Where the costs are.
        base: The first base; it is measured together with the first lines.
        first_level: Number of axes that the first lines may change.
        per_round: Points of one line per batch after its trisection; None lists every
            unvisited point of a line, as P_2024B does.
        back_along: Whether the line on which the base moved is explored again from
            the new base; P_2024B takes it as explored.
    """
    level = first_level
    explored: set[tuple[Point, Direction]] = set()
    while True:
        lines = lines_through(base, desk.shape, level)
        fresh = [line for line in lines if (base, line.direction) not in explored]
        explored.update((base, line.direction) for line in fresh)
        opened = [desk.open(line) for line in fresh]
        finished = yield from _explore(desk, base, opened, per_round)
        found = [line.best(desk) for line in finished]
        best = desk.ledger.best(point for point in found if point is not None)
        if best is not None and desk.ledger.rank(best) < desk.ledger.rank(base):
            if not back_along:
                explored.add((best, direction_between(base, best)))
            base = best
        elif level == len(desk.shape):
            return
        else:
            level += 1


def _explore(
    desk: Desk, base: Point, lines: list[OpenLine], per_round: int | None
) -> Generator[Wishes, tuple[Point, ...], list[OpenLine]]:
    """Runs the lines side by side until all are done and the base is visited.

    Returns:
        The lines in the order in which they were done; of those that the same batch
        ended the order of `lines`.
    """
    done = [line for line in lines if line.state.done]
    running = [line for line in lines if not line.state.done]
    while base not in desk.ledger.visited or running:
        told = yield partial(_wishes, desk, base, tuple(running), per_round)
        running = [
            line.advance(desk, told) if line.touched_by(told) else line
            for line in running
        ]
        done += [line for line in running if line.state.done]
        running = [line for line in running if not line.state.done]
    return done


def _wishes(
    desk: Desk, base: Point, lines: Sequence[OpenLine], per_round: int | None
) -> list[Wish]:
    """The first wish of every line, then the second of every line, and so on.

    Lines of fewer axes come completely before those of more axes.
    """
    wishes = [] if base in desk.ledger.visited else [Wish(base, "start")]
    for n_axes in range(1, len(desk.shape) + 1):
        lists = [
            line.wishes(desk, per_round) for line in lines if line.line.n_axes == n_axes
        ]
        for same_rank in zip_longest(*lists):
            wishes += [wish for wish in same_rank if wish is not None]
    return wishes
