"""The product's own campaign, asked through the calls that its workflow makes.

`steps.first_batches`, `steps.next_batch` and `finals.finals_batch` decide what a lane
runs, as in the jobs `candidates` and `update`; only the journal is in memory and a
formula stands for the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from grids import landscape, space
from landscapes import Landscape

from collinear.campaign.config import Campaign, load_campaign
from collinear.campaign.finals import finals_batch
from collinear.campaign.last_call import allowed
from collinear.campaign.steps import first_batches, next_batch
from collinear.search import (
    FIRST_SEED,
    Asked,
    History,
    Proposal,
    Result,
    Status,
    Told,
    choose,
    fresh_runs,
    search_only,
)

NOWHERE = Path("no-such-folder")  # nothing is read or written there


@dataclass(frozen=True)
class Method:
    """A way to run a campaign.

    Attributes:
        strategy: Name and options, as in a configuration.
        lanes: Number of lanes.
        batch: Trials that a lane asks together.
        finals: Whether the best settings are run again.
        last_call: Whether trainings have a limit once a lane is over.
    """

    strategy: dict[str, Any]
    lanes: int
    batch: int
    finals: bool = False
    last_call: bool = True


METHODS = {
    "levelled": Method({"name": "levelled", "q": 1}, 1, 50),
    "levelled-q4": Method({"name": "levelled", "q": 4}, 1, 50),
    "s2018": Method({"name": "s2018"}, 1, 50),
    "radial": Method({"name": "radial"}, 1, 50),
    "anova-sync": Method({"name": "anova"}, 1, 50),
    "anova-lanes": Method({"name": "anova"}, 50, 1),
    "anova-lanes-finals": Method({"name": "anova"}, 50, 1, finals=True),
    "anova-lanes-to-the-end": Method({"name": "anova"}, 50, 1, last_call=False),
    "random-lanes": Method({"name": "random"}, 50, 1),
}
# Line searches end by their own rule; this only guards against one that would not.
NO_LIMIT = 5000


def campaign(method: Method, grid: str, seed: int, budget: int) -> Campaign:
    """The campaign of a method on a document's grid."""
    lines = method.strategy["name"] in ("levelled", "s2018", "radial")
    return load_campaign(
        {
            "campaign": "simulated",
            "seed": seed,
            "space": {name: list(values) for name, values in space(grid).items()},
            "objective": "cost",
            "strategy": method.strategy,
            "lanes": method.lanes,
            "batch": method.batch,
            "max_trials": NO_LIMIT if lines else budget,
            "finals": method.finals,
            "last_call": method.last_call,
            "application": {"pretrain": ["-"], "finetune": ["-"], "values": ["cost"]},
        }
    )


@dataclass
class MemoryJournal:
    """What the decisions read of a journal, without its files."""

    past: History = field(default_factory=History)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def history(self) -> History:
        return self.past

    def entries(self) -> list[dict[str, Any]]:
        return self.rows


class Memory:
    """Batches by everything that was asked and told before them.

    Two campaigns that differ in their finals alone ask the same until the end of the
    shorter search, so the second one finds its batches here. `next_batch` is a pure
    function of the history, the batch and what is left of the budget.
    """

    def __init__(self) -> None:
        self.known: dict[tuple, tuple[Proposal, ...]] = {}

    def key(self, strategy: str, batch: int, history: History) -> tuple:
        return (strategy, batch, *(_keys(event) for event in history.events))


def _keys(event: Asked | Told) -> tuple:
    if isinstance(event, Asked):
        return ("asked", *(p.key for p in event.proposals))
    return ("told", *(r.key for r in event.results))


class Tuner:
    """The decisions of a campaign; see `cluster.Search`."""

    def __init__(
        self, method: Method, grid: str, name: str, seed: int, budget: int
    ) -> None:
        self.campaign = campaign(method, grid, seed, budget)
        self.landscape: Landscape = landscape(grid, name, seed)
        self.seed = seed
        self.journal = MemoryJournal()
        self.memory: Memory | None = None

    @property
    def history(self) -> History:
        return self.journal.past

    def first(self) -> dict[str, Sequence[Proposal]]:
        batches = first_batches(self.campaign)
        for batch in batches.values():
            self.journal.past = self.journal.past.ask(batch)
        return batches

    def ask(self, lane: str, now: float) -> Sequence[Proposal]:
        batch = self._next(now)
        if batch:
            self.journal.past = self.journal.past.ask(batch)
        return batch

    def _next(self, now: float) -> Sequence[Proposal]:
        key = None
        room = self.campaign.search_trials - len(self.history.proposals)
        if self.memory is not None and room >= self.campaign.batch:
            name = str(self.campaign.strategy_options)
            key = self.memory.key(name, self.campaign.batch, self.history)
            if key in self.memory.known:
                return self.memory.known[key]
        batch, _ = next_batch(self.campaign, NOWHERE, self.journal, now)
        if key is not None:
            self.memory.known[key] = batch
        return batch

    def tell(self, lane: str, trials: Sequence[Proposal], failed: set) -> None:
        results = [self.result(t, t.key in failed) for t in trials]
        self.journal.past = self.journal.past.tell(results)

    def may_use(self, lengths: Sequence[float]) -> float | None:
        rule = self.campaign.last_call
        # Times are in lengths of a job here, so there is no least time in seconds.
        return None if rule is None else allowed(replace(rule, least=0.0), lengths)

    def last(self) -> Sequence[Proposal]:
        if self.campaign.finals is None:
            return ()
        batch = finals_batch(self.campaign, NOWHERE, self.journal).proposals
        self.journal.past = self.journal.past.ask(batch)
        return batch

    def result(self, trial: Proposal, failed: bool) -> Result:
        """The outcome of a trial: its luck depends on point and seeds alone."""
        if failed:
            return Result(trial.point, trial.seed, Status.FAILED, {"cost": None})
        flat = self.flat(trial.point)
        value, _ = self.landscape.observe(flat, trial.seed, self.seed)
        if not np.isfinite(value):
            return Result(trial.point, trial.seed, Status.DIVERGED, {"cost": None})
        return Result(trial.point, trial.seed, Status.DONE, {"cost": value})

    def flat(self, point: Sequence[int]) -> int:
        return int(np.ravel_multi_index(tuple(point), self.landscape.shape))

    def regret(self, point: Sequence[int]) -> float:
        """True regret of a setting."""
        return float(self.landscape.regrets[self.flat(point)])

    def chosen(self) -> tuple[int, ...] | None:
        """The setting that the campaign reports: by its finals, else the incumbent."""
        fresh: dict[tuple[int, ...], list[Result]] = {}
        for result in self.history.results:
            if result.seed >= FIRST_SEED:
                fresh.setdefault(result.point, []).append(result)
        runs = [fresh_runs(self.campaign.goal, found) for found in fresh.values()]
        best = choose(runs) if runs else None
        if best is not None:
            return list(fresh)[best]
        found = search_only(self.history).incumbent(self.campaign.goal)
        return found.point if found is not None else None
