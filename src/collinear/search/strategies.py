"""The strategies: what to measure next, as a pure function of the history.

All follow one contract, `Strategy`. The line strategies rebuild their state by replay
in each `ask`; `random` and `exhaustive` have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Protocol

import numpy as np

from collinear.search.dspline import DEFAULT_ALPHA
from collinear.search.goal import Goal
from collinear.search.history import History, Proposal
from collinear.search.ippe import Counting
from collinear.search.lines import (
    MOST_OFFSETS,
    Line,
    count_offsets,
    lines_through,
)
from collinear.search.radial import search_around
from collinear.search.replay import (
    Desk,
    Replay,
    Search,
    StrategyError,
    replay,
    taken_points,
)
from collinear.search.sequential import (
    measure_design,
    search_axis,
    search_by_levels,
)
from collinear.search.space import Point, SearchSpace
from collinear.search.start import check_count, check_size


class Strategy(Protocol):
    """The contract of every strategy.

    `ask` is pure and deterministic. It returns at most k proposals, never a trial that
    was asked or told before, and accepts any history: results in any order within a
    batch, trials it did not ask, points off its grid. An empty tuple means that the
    search has finished, or, while trials are pending and the strategy `waits`, that
    nothing else can be proposed without their results.
    """

    @property
    def space(self) -> SearchSpace: ...

    @property
    def goal(self) -> Goal: ...

    def ask(self, history: History, k: int) -> tuple[Proposal, ...]:
        """Up to k trials to run next."""
        ...

    def lines(self, history: History) -> tuple[Line, ...]:
        """The lines explored so far, in order."""
        ...


@dataclass(frozen=True)
class LineStrategy:
    """What the strategies on lines share: replay, start point, smoothing.

    Attributes:
        space: The grid.
        goal: What is minimised, under which limits.
        start: First base; None is the centre, index floor(n / 2) of each axis.
        alpha: Smoothing of the d-spline, >= 0; 0.1 nearly interpolates.
        design: Points to measure first, the best of which is the first base; empty
            for the start alone. See `latin_hypercube`.
        by_batch: What the stop rule of a line counts: samples (False, as DSICE 1.0.1
            does) or batches that held a sample of the line.
    """

    counts: ClassVar[Counting] = "samples"
    all_directions: ClassVar[bool] = False  # from the first base on

    space: SearchSpace
    goal: Goal
    start: Point | None = None
    alpha: float = DEFAULT_ALPHA
    design: tuple[Point, ...] = ()
    by_batch: bool = False

    def __post_init__(self) -> None:
        if self.start is not None and self.design:
            raise StrategyError(
                "a search begins at a start point or with a design, but got both: "
                f"start={self.start!r}, design={self.design!r}"
            )
        for point in self.design:
            if point not in self.space:
                raise StrategyError(
                    f"design must hold points of the grid {self.space.shape}, but got "
                    f"{point!r}"
                )
        if self.start is not None and self.start not in self.space:
            raise StrategyError(
                f"start must be a point of the grid {self.space.shape}, but got "
                f"{self.start!r}; give one index from 0 for each axis"
            )
        n_axes = len(self.space.axes)
        if self.all_directions and count_offsets(n_axes, n_axes) > MOST_OFFSETS:
            raise StrategyError(
                "a search in all directions needs a grid of few axes, because each "
                f"point has 3^d - 1 neighbours, at most {MOST_OFFSETS:,}, but got "
                f"{n_axes} axes; use fewer, or levelled, s2018 or anova"
            )
        if not 0 <= self.alpha < float("inf"):
            raise StrategyError(
                f"alpha must be finite and >= 0, but got {self.alpha!r}"
            )

    @property
    def base(self) -> Point:
        """The first base."""
        return self.start or tuple(n // 2 for n in self.space.shape)

    @property
    def smoothing(self) -> float:
        """The alpha of the d-splines."""
        return self.alpha

    def ask(self, history: History, k: int) -> tuple[Proposal, ...]:
        """See `Strategy.ask`."""
        return self._replay(history).proposals(_checked_count(k))

    def lines(self, history: History) -> tuple[Line, ...]:
        """The lines opened so far, in order; see `Strategy.lines`."""
        return tuple(self._replay(history).desk.explored)

    def search(self, desk: Desk) -> Search:
        """The algorithm, from its first point to its end."""
        base = self.base
        if self.design:
            base = yield from measure_design(desk, self.design)
        yield from self.search_from(desk, base)

    def search_from(self, desk: Desk, base: Point) -> Search:
        """The algorithm, from its first base to its end."""
        raise NotImplementedError

    def _replay(self, history: History) -> Replay:
        return replay(
            self.search,
            history,
            space=self.space,
            goal=self.goal,
            alpha=self.smoothing,
            counting="batches" if self.by_batch else self.counts,
        )


@dataclass(frozen=True)
class Ippe(LineStrategy):
    """IPPE along one axis through the start point (S_IPPE of DSICE 1.0.1).

    Attributes:
        axis: Number of the axis, from 0.
    """

    axis: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.axis < len(self.space.axes):
            raise StrategyError(
                f"axis must be in 0..{len(self.space.axes) - 1}, but got {self.axis!r}"
            )

    def search_from(self, desk: Desk, base: Point) -> Search:
        return search_axis(desk, base, self.axis)


@dataclass(frozen=True)
class S2017(LineStrategy):
    """Directional and collinear exploration in all directions at once (S_2017).

    Its d-splines smooth with 0.1 whatever `alpha` says, as in DSICE 1.0.1.
    """

    all_directions: ClassVar[bool] = True

    @property
    def smoothing(self) -> float:
        return DEFAULT_ALPHA

    def search_from(self, desk: Desk, base: Point) -> Search:
        return search_by_levels(desk, base, only_full_level=True)


@dataclass(frozen=True)
class S2018(LineStrategy):
    """Directional and collinear exploration, axes first, then oblique (S_2018)."""

    def search_from(self, desk: Desk, base: Point) -> Search:
        return search_by_levels(desk, base, only_full_level=False)


@dataclass(frozen=True)
class Radial(LineStrategy):
    """All lines through the base side by side (P_2024B, without its live-lock)."""

    counts: ClassVar[Counting] = "each sample"
    all_directions: ClassVar[bool] = True

    def search_from(self, desk: Desk, base: Point) -> Search:
        n_axes = len(self.space.axes)
        return search_around(
            desk, base, first_level=n_axes, per_round=None, back_along=False
        )


@dataclass(frozen=True)
class Levelled(LineStrategy):
    """All lines of up to L axes through the base side by side; L grows from 1 to d.

    Our reading of the parallel search of the 2022 reports, precisely: the first batch
    is the base and the trisection sets (up to four points) of the axis lines. A line
    whose set is measured gives its next ``q`` points of IPPE to each batch, until its
    own stop rule holds; lines do not wait for each other. When all lines are done,
    the base moves to the best point of them if that is better than the base, and all
    lines of up to L axes through the new base are explored, data already there
    included; otherwise L grows by one and the lines of exactly L axes are added. L is
    never lowered. The search ends when level d finds nothing better. A batch takes
    what fits from the top: lines of fewer axes first, rank by rank over the lines.

    Attributes:
        q: IPPE points of one line per batch, >= 1.
    """

    counts: ClassVar[Counting] = "each sample"

    q: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.q < 1:
            raise StrategyError(f"q must be >= 1, but got {self.q!r}")

    def search_from(self, desk: Desk, base: Point) -> Search:
        return search_around(
            desk, base, first_level=1, per_round=self.q, back_along=True
        )


@dataclass(frozen=True)
class GridOrder:
    """Strategies that take the grid in a fixed order and never wait."""

    space: SearchSpace
    goal: Goal

    why: ClassVar[str] = ""

    def ask(self, history: History, k: int) -> tuple[Proposal, ...]:
        """See `Strategy.ask`."""
        wanted, taken = _checked_count(k), taken_points(history)
        chosen: list[Proposal] = []
        for point in self.order() if wanted else ():
            if point not in taken:
                chosen.append(Proposal(point, 1, self.why))
            if len(chosen) == wanted:
                break
        return tuple(chosen)

    def lines(self, history: History) -> tuple[Line, ...]:
        """The axis lines through the incumbent; none before there is one."""
        best = history.incumbent(self.goal)
        if best is None or best.point not in self.space:
            return ()
        return lines_through(best.point, self.space.shape, 1)

    def order(self) -> Iterator[Point]:
        """Every point of the grid once."""
        raise NotImplementedError


@dataclass(frozen=True)
class RandomDraw(GridOrder):
    """Uniform draws without replacement from a grid of at most `LARGEST_GRID` points.

    Attributes:
        seed: Seed of the order, >= 0.
    """

    seed: int = 0

    why: ClassVar[str] = "random draw"

    def __post_init__(self) -> None:
        check_count("seed", self.seed)
        check_size("random", self.space)

    def order(self) -> Iterator[Point]:
        shape = self.space.shape
        for index in _permutation(self.space.size, self.seed):
            yield tuple(int(i) for i in np.unravel_index(index, shape))


@dataclass(frozen=True)
class Exhaustive(GridOrder):
    """The whole grid in C order: the last axis runs fastest."""

    why: ClassVar[str] = "grid order"

    def order(self) -> Iterator[Point]:
        return self.space.points()


def _checked_count(k: int) -> int:
    if k < 0:
        raise StrategyError(f"ask needs k >= 0, but got k={k!r}")
    return k


@lru_cache(maxsize=4)
def _permutation(size: int, seed: int) -> tuple[int, ...]:
    """A seeded random order of 0..size-1 (PCG64; the same on every machine)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return tuple(generator.permutation(size).tolist())
