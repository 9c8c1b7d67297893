"""A cluster as a queue of events: slots, job lengths, jobs that die, overhead.

Times are in mean lengths of a job. A campaign is a set of lanes, as in the product: a
lane asks for a batch, its trials wait for slots (first come, first served), and when
the last of them has ended their results are told and the lane asks again. One lane
with a batch of 50 is a synchronous campaign, 50 lanes with a batch of 1 never wait.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from collinear.campaign.program import REAL_ATTEMPTS
from collinear.search import Proposal


@dataclass(frozen=True)
class Cluster:
    """What a campaign runs on.

    Attributes:
        slots: Trainings at the same time.
        cv: Coefficient of variation of the lognormal job lengths; 0 for equal jobs.
        failures: Probability that an attempt dies, at a random moment of what is left
            to do. The next one goes on from the last save, as the product's programs
            do. The last attempt only records `failed`.
        saves: Saved states of a job, evenly spaced; 0 repeats it from its start.
        per_proposal: Time of the main process for each batch that is asked; one at a
            time, as in Snakemake, whose graph of jobs is updated for each.
    """

    slots: int = 50
    cv: float = 0.3
    failures: float = 0.03
    per_proposal: float = 0.0
    saves: int = 10


@dataclass(frozen=True)
class Job:
    """Time that a trial takes of a slot, and whether every attempt died."""

    length: float
    failed: bool


def job(cluster: Cluster, landscape: str, seed: int, trial: Proposal) -> Job:
    """The job of a trial: the same for every method, so that they are paired.

    Args:
        cluster: Spread of lengths and probability of failures.
        landscape: Name of the landscape.
        seed: Seed of the campaign.
        trial: Point and seed index decide, with the landscape and the seed.
    """
    entropy = [zlib.crc32(landscape.encode()), seed, *trial.point, trial.seed]
    draw = np.random.default_rng(entropy)
    variance = math.log(1.0 + cluster.cv**2)
    length = math.exp(draw.normal(-variance / 2.0, math.sqrt(variance)))
    spent, done = 0.0, 0.0  # time in the slot, part of the job that is saved
    for _ in range(REAL_ATTEMPTS):
        died, when = draw.random(2)
        if died >= cluster.failures:
            return Job(spent + (1.0 - done) * length, False)
        reached = done + when * (1.0 - done)
        spent += (reached - done) * length
        if cluster.saves:
            done = math.floor(reached * cluster.saves) / cluster.saves
    return Job(spent, True)


class Search(Protocol):
    """What decides: see `product.Tuner`."""

    def first(self) -> dict[str, Sequence[Proposal]]:
        """The first batch of every lane."""
        ...

    def ask(self, lane: str, now: float) -> Sequence[Proposal]:
        """The next batch of a lane; empty when the lane is over."""
        ...

    def tell(self, lane: str, trials: Sequence[Proposal], failed: set) -> None:
        """The trials of a batch have ended; the keys of those that failed."""
        ...

    def may_use(self, lengths: Sequence[float]) -> float | None:
        """What a job may still use when the first lane is over; None for no limit.

        It is asked with the lengths of the jobs that ended well.
        """
        ...

    def last(self) -> Sequence[Proposal]:
        """The finals, when every lane is over."""
        ...


@dataclass
class Trace:
    """What happened.

    Attributes:
        asked: Time and size of every batch.
        busy: Start and end of every job.
        told: Time and trials of every batch told.
        closed: Time at which each lane of the search was over.
        finals: Time at which the finals were asked, or None.
        called: Jobs that the last call ended.
    """

    asked: list[tuple[float, int]] = field(default_factory=list)
    busy: list[tuple[float, float]] = field(default_factory=list)
    told: list[tuple[float, tuple[Proposal, ...]]] = field(default_factory=list)
    closed: dict[str, float] = field(default_factory=dict)
    finals: float | None = None
    called: int = 0

    @property
    def wall(self) -> float:
        """Time of the last event."""
        return max([end for _, end in self.busy], default=0.0)


FINALS = "finals"


def run(search: Search, cluster: Cluster, landscape: str, seed: int) -> Trace:
    """Runs a campaign to its end."""
    return _Run(search, cluster, landscape, seed).to_the_end()


class _Run:
    def __init__(
        self, search: Search, cluster: Cluster, landscape: str, seed: int
    ) -> None:
        self.search, self.cluster = search, cluster
        self.where = (landscape, seed)
        self.trace = Trace()
        self.free = cluster.slots
        self.waiting: deque[tuple[str, Proposal]] = deque()
        self.events: list[tuple[float, int, str, Proposal | None]] = []
        self.batches: dict[str, list[Proposal]] = {}
        self.left: dict[str, int] = {}
        self.lost: set = set()
        self.running: dict = {}  # where `busy` has the job of a trial
        self.lengths: list[float] = []  # of the jobs that ended well
        self.tickets = 0
        self.server = 0.0  # when the main process is free again

    def to_the_end(self) -> Trace:
        for lane, batch in self.search.first().items():
            self._submit(lane, batch, 0.0)
        self._start(0.0)
        while self.events:
            now, _, lane, trial = heapq.heappop(self.events)
            if trial is None:
                self._ask(lane, now)
            else:
                self._end(lane, trial, now)
            self._start(now)
            if not self.events and self.trace.finals is None:
                self.trace.finals = now
                self._submit(FINALS, self.search.last(), now)
                self._start(now)
        return self.trace

    def _push(self, when: float, lane: str, trial: Proposal | None) -> None:
        self.tickets += 1
        heapq.heappush(self.events, (when, self.tickets, lane, trial))

    def _submit(self, lane: str, batch: Sequence[Proposal], now: float) -> None:
        if not batch:
            if lane != FINALS:
                if not self.trace.closed:
                    self._last_call(now)
                self.trace.closed[lane] = now
            return
        self.trace.asked.append((now, len(batch)))
        self.batches[lane], self.left[lane] = list(batch), len(batch)
        self.waiting.extend((lane, trial) for trial in batch)

    def _start(self, now: float) -> None:
        while self.free and self.waiting:
            lane, trial = self.waiting.popleft()
            found = job(self.cluster, *self.where, trial)
            if found.failed:
                self.lost.add(trial.key)
            self.free -= 1
            self.running[trial.key] = len(self.trace.busy)
            self.trace.busy.append((now, now + found.length))
            self._push(now + found.length, lane, trial)

    def _end(self, lane: str, trial: Proposal, now: float) -> None:
        self.free += 1
        start, end = self.trace.busy[self.running.pop(trial.key)]
        if trial.key not in self.lost:
            self.lengths.append(end - start)
        self.left[lane] -= 1
        if self.left[lane]:
            return
        batch = self.batches[lane]
        self.search.tell(lane, batch, self.lost & {t.key for t in batch})
        self.trace.told.append((now, tuple(batch)))
        if lane != FINALS:
            self.server = max(self.server, now) + self.cluster.per_proposal
            self._push(self.server, lane, None)

    def _ask(self, lane: str, now: float) -> None:
        self._submit(lane, self.search.ask(lane, now), now)

    def _last_call(self, now: float) -> None:
        """The first lane is over: the jobs that run may not run for much longer."""
        allowed = self.search.may_use(self.lengths)
        if allowed is None:
            return
        latest, kept = now + allowed, []
        for when, ticket, lane, trial in self.events:
            if trial is not None and when > latest:
                place = self.running[trial.key]
                self.trace.busy[place] = (self.trace.busy[place][0], latest)
                self.trace.called += 1
                self.lost.add(trial.key)
                when = latest
            kept.append((when, ticket, lane, trial))
        heapq.heapify(kept)
        self.events = kept
