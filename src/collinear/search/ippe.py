"""IPPE on one line: incremental performance parameter estimation with a d-spline.

Two stages, as in DSICE 1.0.1 (Kogakuin-HPCL). *Trisection*: the two ends and two cuts
of the line must be observed. *Estimation*: a d-spline is fitted to everything known on
the line, and the next points follow from it, until its minimum stays where it is.
The idea is that of T. Tanaka et al., Scientific Programming 22 (2014) 299-307.

A `LineSearch` knows a line only by its number of points; who measures them, and in
which of many lines, is left to the strategies.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from collinear.search import dspline
from collinear.search.dspline import DSpline
from collinear.search.lines import trisection_order, trisection_set

REPEATS_TO_STOP = 3  # the minimum stayed at one grid index for so many samples
MAX_SAMPLES = 30  # samples after which a line is left in any case

TRISECTION = "trisection of line"
MINIMUM = "spline minimum on line"
MAXIMUM = "spline maximum on line"
CURVATURE = "curvature on line"

# What a line that holds still for `REPEATS_TO_STOP` counts. DSICE 1.0.1 looks at the
# spline after every sample in P_2024B ("each sample"), and once for all samples that
# were told together in the others ("samples"): there three samples of one batch can end
# a line on one look. "batches" counts the looks themselves and is ours.
Counting = Literal["samples", "each sample", "batches"]


class Candidate(NamedTuple):
    """A place on the line (its grid index) to measure next, and why."""

    place: int
    reason: str


@dataclass(frozen=True)
class LineSearch:
    """State of the search on one line. `advance` returns the next state.

    Attributes:
        n_points: Number of grid points of the line, >= 1.
        alpha: Smoothing of the d-spline.
        data: (index, cost) of what the spline holds, in the order it was added.
        spline: The fitted d-spline, or None during trisection.
        minimum: Grid index of the spline's minimum after the last sample.
        repeats: For how many samples or batches the minimum has been there.
        done: The line needs nothing more.
        counting: What the stop rule counts, see `Counting`.
        maximised: The costs are those of an objective turned around; decides between
            equal estimates alone, see `candidates`.
    """

    n_points: int
    alpha: float = dspline.DEFAULT_ALPHA
    data: tuple[tuple[int, float], ...] = ()
    spline: DSpline | None = None
    minimum: int | None = None
    repeats: int = 0
    done: bool = False
    counting: Counting = "samples"
    maximised: bool = False


def advance(
    state: LineSearch,
    costs: Mapping[int, float],
    visited: Collection[int],
    arrived: Sequence[int] = (),
) -> LineSearch:
    """Takes in what is now known on the line.

    Args:
        state: The state before.
        costs: Finite cost of every index that has one.
        visited: Indices that need no measurement any more. An index that is visited
            and has no cost failed: it is released from every needed set.
        arrived: Indices told since the last call, in order: one batch.
    """
    if state.done:
        return state
    if state.spline is None:
        state = _load(state, costs, visited)
    else:
        news = [index for index in arrived if index in costs]
        each = state.counting == "each sample"
        for batch in [[index] for index in news] if each else [news]:
            state = _observe(state, costs, batch)
    full = all(index in visited for index in range(state.n_points))
    settled = state.repeats >= REPEATS_TO_STOP or len(state.data) >= MAX_SAMPLES
    return replace(state, done=full or settled)


def candidates(state: LineSearch, visited: Collection[int]) -> tuple[Candidate, ...]:
    """All unvisited indices of the line, the most wanted first; none when it is done.

    During trisection: the coarse-to-fine order, so the needed indices come first.
    Afterwards: estimates below the lowest sample, lowest first; estimates above the
    highest sample, highest first (a guard against extrapolation); the rest by falling
    curvature of the spline. Of equal ones the first takes the lower index, the others
    the higher one, as in DSICE 1.0.1; as that knows no costs but the objective itself,
    the first two change roles where it is maximised.
    """
    if state.done:
        return ()
    if state.spline is None:
        coarse = [i for i in trisection_order(state.n_points) if i not in visited]
        everything = [i for i in range(state.n_points) if i not in visited]
        return tuple(Candidate(i, TRISECTION) for i in coarse or everything)
    return _by_priority(state, state.spline, visited)


def needed(state: LineSearch, visited: Collection[int]) -> int:
    """How many of the first `candidates` the trisection cannot do without."""
    if state.done or state.spline is not None:
        return 0
    missing = sum(i not in visited for i in trisection_set(state.n_points))
    return missing or 1  # failures left fewer than two samples: one more at a time


def _load(
    state: LineSearch, costs: Mapping[int, float], visited: Collection[int]
) -> LineSearch:
    """Ends the trisection when its set is visited: all data enter as one batch."""
    if any(i not in visited for i in trisection_set(state.n_points)) or len(costs) < 2:
        return state
    data = tuple(sorted(costs.items()))
    spline = _fit(state, data)
    return replace(state, data=data, spline=spline, minimum=spline.minimum, repeats=1)


def _observe(
    state: LineSearch, costs: Mapping[int, float], arrived: Sequence[int]
) -> LineSearch:
    """Adds the samples of a batch and counts whether the minimum stayed where it was.

    A minimum that moved counts once, one that stayed all samples of the batch, or the
    batch.
    """
    if not arrived:
        return state
    fresh = dict.fromkeys(arrived)
    held = tuple((i, costs[i]) for i, _ in state.data if i not in fresh)
    added = tuple((i, costs[i]) for i in fresh)
    if state.spline is not None and held == state.data:
        spline = state.spline
        for index, cost in added:
            spline = spline.add(index, cost)
    else:  # a stand-in has moved, or an index is told again: refit
        spline = _fit(state, (*held, *added))
    grown = state.repeats + (1 if state.counting == "batches" else len(arrived))
    return replace(
        state,
        data=(*held, *added),
        spline=spline,
        minimum=spline.minimum,
        repeats=grown if spline.minimum == state.minimum else 1,
    )


def _fit(state: LineSearch, data: Sequence[tuple[int, float]]) -> DSpline:
    indices = [i for i, _ in data]
    values = [cost for _, cost in data]
    return dspline.fit(state.n_points, indices, values, alpha=state.alpha)


def _by_priority(
    state: LineSearch, spline: DSpline, visited: Collection[int]
) -> tuple[Candidate, ...]:
    free = [i for i in range(state.n_points) if i not in visited]
    estimates, curvatures = spline.estimates, spline.curvatures
    values = [cost for _, cost in state.data]
    low, high = min(values), max(values)
    below = [i for i in free if estimates[i] < low]
    above = [i for i in free if estimates[i] > high]
    inside = [i for i in free if low <= estimates[i] <= high]
    step = -1 if state.maximised else 1
    below.sort(key=lambda i: (estimates[i], step * i))
    above.sort(key=lambda i: (-estimates[i], -step * i))
    inside.sort(key=lambda i: (-curvatures[i], -i))
    return (
        *(Candidate(i, MINIMUM) for i in below),
        *(Candidate(i, MAXIMUM) for i in above),
        *(Candidate(i, CURVATURE) for i in inside),
    )
