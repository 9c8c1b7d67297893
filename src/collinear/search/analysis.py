"""What a search explored, in a form that a report can draw."""

from __future__ import annotations

from dataclasses import dataclass

from collinear.search import dspline
from collinear.search.history import History, Told
from collinear.search.ledger import FEASIBLE, Ledger
from collinear.search.lines import Direction, Line
from collinear.search.space import Point
from collinear.search.strategies import LineStrategy, Strategy


@dataclass(frozen=True)
class LineSample:
    """One visited point of a line that has a cost.

    Attributes:
        index: Position on the line, from 0.
        cost: The measured cost (lower is better), or None: diverged or stopped.
        fitted: What the d-spline was fed: the cost, or a bounded stand-in of a
            diverged, stopped or infeasible trial.
        feasible: True when the trial is done and keeps every limit.
        runs: The measured cost of each of its trials.
    """

    index: int
    cost: float | None
    fitted: float
    feasible: bool
    runs: tuple[float, ...] = ()


@dataclass(frozen=True)
class ExploredLine:
    """A line, what is known on it, and the d-spline through that.

    Attributes:
        base: Base from which the line was explored.
        direction: Step from one point to the next.
        points: All s grid points in order.
        samples: The visited ones that have a cost, by index.
        markers: d-spline values at all 3 s + 2 markers; empty below two samples.
    """

    base: Point
    direction: Direction
    points: tuple[Point, ...]
    samples: tuple[LineSample, ...]
    markers: tuple[float, ...]

    @property
    def positions(self) -> tuple[float, ...]:
        """Place of each marker in units of the index on the line (-2/3 .. s - 1/3)."""
        step, first = dspline.MARKERS_PER_SAMPLE, dspline.BUFFER
        return tuple((m - first) / step for m in range(len(self.markers)))


def explored_lines(strategy: Strategy, history: History) -> tuple[ExploredLine, ...]:
    """The lines that a strategy explored, with all data and d-splines of today.

    A line that was opened from several bases comes once, with its first base. The
    lines are those of `Strategy.lines`.
    """
    ledger = Ledger(strategy.space, strategy.goal)
    for event in history.events:
        if isinstance(event, Told):
            ledger.tell(event.results)
    alpha = dspline.DEFAULT_ALPHA
    if isinstance(strategy, LineStrategy):
        alpha = strategy.smoothing
    distinct: dict[tuple[Point, ...], Line] = {}
    for line in strategy.lines(history):
        distinct.setdefault(line.points, line)
    return tuple(_explored(line, ledger, alpha) for line in distinct.values())


def _explored(line: Line, ledger: Ledger, alpha: float) -> ExploredLine:
    samples = []
    for index, point in enumerate(line.points):
        fitted = ledger.cost(point)
        if fitted is not None:
            feasible = ledger.rank(point)[0] == FEASIBLE
            cost = ledger.raw_cost(point)
            runs = ledger.raw_costs(point)
            samples.append(LineSample(index, cost, fitted, feasible, runs))
    markers: tuple[float, ...] = ()
    if len(samples) >= 2:
        places, values = [s.index for s in samples], [s.fitted for s in samples]
        spline = dspline.fit(len(line), places, values, alpha=alpha)
        markers = tuple(spline.markers.tolist())
    return ExploredLine(line.base, line.direction, line.points, tuple(samples), markers)
