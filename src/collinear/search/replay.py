"""Drives a line strategy through a history: state is nothing but this replay.

A strategy is written as a generator, the way its algorithm reads on paper. It yields
what it would measure next and is resumed with the points that were told. The driver
feeds it the events of a history one by one; `ask` is then a pure function.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from collinear.search.goal import Goal
from collinear.search.history import Asked, History, Proposal, Result, Status, Told
from collinear.search.ippe import (
    Candidate,
    Counting,
    LineSearch,
    advance,
    candidates,
    needed,
)
from collinear.search.ledger import Ledger
from collinear.search.lines import Direction, Line
from collinear.search.space import Point, SearchSpace


class StrategyError(ValueError):
    """An unknown strategy or an option out of range."""


class Wish(NamedTuple):
    """A point that a strategy would measure next, and why."""

    point: Point
    why: str
    direction: Direction = ()

    @property
    def reason(self) -> str:
        if not self.direction:
            return self.why
        return f"{self.why} [{' '.join(str(s) for s in self.direction)}]"


# Wishes are worked out only where they are needed, at the end of a replay. A strategy
# yields while it wants at least one unvisited point, and returns when it has finished.
Wishes = Callable[[], Iterable[Wish]]
Search = Generator[Wishes, tuple[Point, ...], None]


@dataclass
class Desk:
    """What a running strategy works with; local to one replay.

    Attributes:
        ledger: Everything told so far.
        shape: Lengths of the axes.
        alpha: Smoothing of the d-spline.
        counting: What the stop rule of a line counts.
        maximised: Whether the costs are those of an objective turned around.
        explored: The lines opened so far, in order.
        awaited: The points that a sequential search has waited for so far. Where a
            trial reports late or never, later points can be told before them.
    """

    ledger: Ledger
    shape: tuple[int, ...]
    alpha: float
    counting: Counting = "samples"
    maximised: bool = False
    explored: list[Line] = field(default_factory=list)
    awaited: set[Point] = field(default_factory=set)

    def open(self, line: Line) -> OpenLine:
        """Starts the search on a line with everything that is known on it."""
        self.explored.append(line)
        state = LineSearch(
            len(line),
            self.alpha,
            counting=self.counting,
            maximised=self.maximised,
        )
        return OpenLine(line, state).advance(self)


@dataclass(frozen=True)
class OpenLine:
    """A line of the grid and the state of the search on it."""

    line: Line
    state: LineSearch

    def advance(self, desk: Desk, told: Sequence[Point] = ()) -> OpenLine:
        """Takes in the told points that lie on the line."""
        points, index = self.line.points, self.line.index
        known = {i: desk.ledger.cost(p) for i, p in enumerate(points)}
        costs = {i: cost for i, cost in known.items() if cost is not None}
        arrived = [index[p] for p in told if p in index]
        state = advance(self.state, costs, self._visited(desk), arrived)
        return OpenLine(self.line, state)

    def touched_by(self, told: Iterable[Point]) -> bool:
        """True when one of the points lies on the line."""
        return any(point in self.line.index for point in told)

    def best(self, desk: Desk) -> Point | None:
        """The best measured point, None when there is none.

        On a tie it is the one that the spline took in first (DSICE 1.0.1): what was
        there before in the order of the line, then point by point as told.
        """
        taken_in = [self.line.points[i] for i, _ in self.state.data]
        return desk.ledger.best([*taken_in, *self.line.points])

    def wishes(self, desk: Desk, per_round: int | None = None) -> list[Wish]:
        """Unvisited points, the most wanted first.

        Args:
            desk: Where the costs are.
            per_round: None for all of them, as the authors' library lists them; a
                number for what the trisection still needs, or, when it is over, that
                many points.
        """
        visited = self._visited(desk)
        found = candidates(self.state, visited)
        if per_round is not None:
            found = found[: needed(self.state, visited) or per_round]
        return [self._wish(candidate) for candidate in found]

    def _wish(self, candidate: Candidate) -> Wish:
        point = self.line.points[candidate.place]
        return Wish(point, candidate.reason, self.line.direction)

    def _visited(self, desk: Desk) -> set[int]:
        visited = desk.ledger.visited
        return {i for i, p in enumerate(self.line.points) if p in visited}


@dataclass
class Replay:
    """A finished replay: where a strategy stands at the end of a history.

    Attributes:
        desk: Where the costs are.
        search: The strategy, waiting for news.
        wishes: What it wants now; None when it has finished.
        taken: Points asked or told before.
        pending: Trials asked and not yet told.
    """

    desk: Desk
    search: Search
    wishes: Wishes | None
    taken: set[Point]
    pending: tuple[Proposal, ...] = ()

    def proposals(self, k: int) -> tuple[Proposal, ...]:
        """The first k wishes that were not asked or told before, without repeats.

        When everything wanted is pending, the search goes on as it would if those
        trials failed: a trial that never reports blocks nothing. No result is made
        up, and the next replay starts again from what was told.
        """
        found = self._free_wishes(k)
        if found or k == 0 or self.wishes is None or not self.pending:
            return found
        lost = [Result(p.point, p.seed, Status.FAILED) for p in self.pending]
        news = self.desk.ledger.tell(lost)
        self.wishes = _resume(self.search, news) if news else None
        return self._free_wishes(k)

    def _free_wishes(self, k: int) -> tuple[Proposal, ...]:
        chosen: dict[Point, Proposal] = {}
        for wish in self.wishes() if self.wishes is not None and k > 0 else ():
            if wish.point not in self.taken and wish.point not in chosen:
                chosen[wish.point] = Proposal(wish.point, 1, wish.reason)
            if len(chosen) == k:
                break
        return tuple(chosen.values())


def replay(
    start: Callable[[Desk], Search],
    history: History,
    *,
    space: SearchSpace,
    goal: Goal,
    alpha: float,
    counting: Counting = "samples",
) -> Replay:
    """Runs a strategy through all events of a history."""
    maximised = not goal.lower_is_better
    desk = Desk(Ledger(space, goal), space.shape, alpha, counting, maximised)
    search = start(desk)
    wishes = next(search, None)
    order: dict[tuple[Point, int], int] = {}
    for event in history.events:
        if isinstance(event, Asked):
            for proposal in event.proposals:
                order.setdefault(proposal.key, len(order))
            continue
        news = desk.ledger.tell(sorted_results(event, order))
        if news and wishes is not None:
            wishes = _resume(search, news)
    return Replay(desk, search, wishes, taken_points(history), history.pending)


def sorted_results(event: Told, order: Mapping[tuple[Point, int], int]) -> list[Result]:
    """The results of one batch in the order in which they were asked.

    Splines and stop rules depend on the order of their data; this makes them
    independent of which trial of a batch ended first. Unknown trials come last.
    """
    unknown = len(order)
    return sorted(event.results, key=lambda r: (order.get(r.key, unknown), r.key))


def taken_points(history: History) -> set[Point]:
    """All points asked or told before, of any seed."""
    return {p.point for p in history.proposals} | {r.point for r in history.results}


def _resume(search: Search, news: tuple[Point, ...]) -> Wishes | None:
    try:
        return search.send(news)
    except StopIteration:
        return None
