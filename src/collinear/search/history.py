"""What a search has asked and what it was told: the only input of every strategy.

A history is append-only. `ask` is a pure function of it, so a strategy has no state
of its own and any state is the replay of the history.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, SupportsIndex

from collinear.search.space import Point

if TYPE_CHECKING:
    from collinear.search.goal import Goal

FIRST_SEED = 101  # of the finals; the seeds of a search are below it


class Status(StrEnum):
    """How a trial ended. Feasible is no status: it follows from values and limits."""

    DONE = "done"
    STOPPED = "stopped"  # by a stop rule: censored, never the incumbent
    DIVERGED = "diverged"  # the training left the finite numbers or the sane ones
    FAILED = "failed"  # it broke or took too long; nothing was learnt


@dataclass(frozen=True)
class Proposal:
    """One trial to run: a point, a seed index (from 1) and why it was proposed.

    Raises:
        ValueError: An index of the point is not a whole number.
    """

    point: Point
    seed: int = 1
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "point", plain_point(self.point))

    @property
    def key(self) -> tuple[Point, int]:
        return (self.point, self.seed)


@dataclass(frozen=True)
class Result:
    """The outcome of one trial. A missing number is None, never NaN.

    A status may be given as its text, such as ``"done"``.

    Raises:
        ValueError: An index of the point is not a whole number, there is no such
            status, or a value is no number.
    """

    point: Point
    seed: int
    status: Status
    values: Mapping[str, float | None] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "point", plain_point(self.point))
        object.__setattr__(self, "status", _status(self.status))
        values = {name: _plain_value(name, v) for name, v in self.values.items()}
        object.__setattr__(self, "values", MappingProxyType(values))

    def __reduce__(self) -> tuple[type[Result], tuple[Any, ...]]:
        # A mapping proxy cannot be pickled or copied.
        return Result, (self.point, self.seed, self.status, dict(self.values))

    @property
    def key(self) -> tuple[Point, int]:
        return (self.point, self.seed)


@dataclass(frozen=True)
class Asked:
    """A batch that was proposed together."""

    proposals: tuple[Proposal, ...]


@dataclass(frozen=True)
class Told:
    """Results that arrived together, in the order in which they were asked."""

    results: tuple[Result, ...]


@dataclass(frozen=True)
class History:
    """Everything asked and told so far, in the order in which it happened."""

    events: tuple[Asked | Told, ...] = ()

    @classmethod
    def replay(cls, events: Iterable[Asked | Told]) -> History:
        """The history of these events, as `ask` and `tell` make it one by one."""
        known: set[tuple[Point, int]] = set()
        kept: list[Asked | Told] = []
        for event in events:
            if isinstance(event, Told):
                event = Told(_not_known(event.results, known))
            kept.append(event)
        return cls(tuple(kept))

    def ask(self, proposals: Sequence[Proposal]) -> History:
        """The history with one more batch asked."""
        return History((*self.events, Asked(tuple(proposals))))

    def tell(self, results: Sequence[Result]) -> History:
        """The history with one more batch of results.

        A trial is told once: a result whose trial was told before is dropped.
        """
        known = {r.key for r in self.results}
        return History((*self.events, Told(_not_known(results, known))))

    @cached_property
    def proposals(self) -> tuple[Proposal, ...]:
        """All trials asked so far."""
        asked = (e for e in self.events if isinstance(e, Asked))
        return tuple(p for e in asked for p in e.proposals)

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """All results told so far."""
        told = (e for e in self.events if isinstance(e, Told))
        return tuple(r for e in told for r in e.results)

    @property
    def pending(self) -> tuple[Proposal, ...]:
        """Trials asked and not yet told."""
        told = {r.key for r in self.results}
        return tuple(p for p in self.proposals if p.key not in told)

    def incumbent(self, goal: Goal) -> Result | None:
        """The feasible trial with the best objective; the first one on a tie."""
        best: Result | None = None
        best_cost = math.inf
        for result in self.results:
            cost = goal.cost(result)
            if cost is not None and cost < best_cost and goal.feasible(result):
                best, best_cost = result, cost
        return best


def plain_point(point: Iterable[SupportsIndex]) -> Point:
    """The point as a tuple of int: a NumPy integer counts as the index it is."""
    # A history of thousands of trials is read anew in each step; nearly all are plain.
    if type(point) is tuple and all(type(i) is int for i in point):
        return point
    try:
        return tuple(int(operator.index(i)) for i in point)
    except TypeError as error:
        raise ValueError(
            f"a point must hold one whole number for each axis, but got {point!r}; "
            "give indices of values, not values"
        ) from error


def _plain_value(name: str, value: object) -> float | None:
    """A number as Python has it: to a float32, 1e100 is infinite."""
    if value is None or type(value) in (float, int):
        return value  # type: ignore[return-value]
    try:
        if not isinstance(value, str | bytes):
            return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        pass
    raise ValueError(f"value {name!r} must be a number or None, but got {value!r}")


def _status(status: str) -> Status:
    try:
        return Status(status)
    except ValueError as error:
        raise ValueError(
            f"a status must be one of {[s.value for s in Status]}, but got {status!r}"
        ) from error


def _not_known(
    results: Iterable[Result], known: set[tuple[Point, int]]
) -> tuple[Result, ...]:
    """The results of trials that are not known; their keys are added."""
    fresh = []
    for result in results:
        if result.key not in known:
            known.add(result.key)
            fresh.append(result)
    return tuple(fresh)
