"""What a search has asked and what it was told: the only input of every strategy.

A history is append-only. `ask` is a pure function of it, so a strategy has no state
of its own and any state is the replay of the history.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from collinear.search.space import Point


class Status(StrEnum):
    """How a trial ended. Feasible is no status: it follows from values and limits."""

    DONE = "done"
    STOPPED = "stopped"  # by a stop rule: censored, never the incumbent
    DIVERGED = "diverged"  # the training left the finite numbers or the sane ones
    FAILED = "failed"  # the program broke; nothing was learnt


@dataclass(frozen=True)
class Limit:
    """An upper limit on a recorded value, such as ``rmse <= 12.5``."""

    name: str
    maximum: float


@dataclass(frozen=True)
class Goal:
    """What is minimised, and under which limits.

    Attributes:
        objective: Name of the recorded value that is minimised.
        limits: Upper limits on other recorded values.
        lower_is_better: False turns the objective around (it is then maximised).
    """

    objective: str
    limits: tuple[Limit, ...] = ()
    lower_is_better: bool = True

    def cost(self, result: Result) -> float | None:
        """The objective to be minimised, or None unless done with a finite value."""
        value = result.values.get(self.objective)
        if (
            result.status is not Status.DONE
            or value is None
            or not math.isfinite(value)
        ):
            return None
        return value if self.lower_is_better else -value

    def feasible(self, result: Result) -> bool:
        """True when the trial is done, has an objective and keeps every limit."""
        if self.cost(result) is None:
            return False
        for limit in self.limits:
            value = result.values.get(limit.name)
            if value is None or not value <= limit.maximum:
                return False
        return True


@dataclass(frozen=True)
class Proposal:
    """One trial to run: a point, a seed index (from 1) and why it was proposed."""

    point: Point
    seed: int = 1
    reason: str = ""

    @property
    def key(self) -> tuple[Point, int]:
        return (self.point, self.seed)


@dataclass(frozen=True)
class Result:
    """The outcome of one trial. A missing number is None, never NaN."""

    point: Point
    seed: int
    status: Status
    values: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

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

    def ask(self, proposals: Sequence[Proposal]) -> History:
        """The history with one more batch asked."""
        return History((*self.events, Asked(tuple(proposals))))

    def tell(self, results: Sequence[Result]) -> History:
        """The history with one more batch of results.

        A trial is told once: a result whose trial was told before is dropped.
        """
        known = {r.key for r in self.results}
        fresh = []
        for result in results:
            if result.key not in known:
                known.add(result.key)
                fresh.append(result)
        return History((*self.events, Told(tuple(fresh))))

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """All trials asked so far."""
        asked = (e for e in self.events if isinstance(e, Asked))
        return tuple(p for e in asked for p in e.proposals)

    @property
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
