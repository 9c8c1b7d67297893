"""Runs one method on one landscape as a campaign would, on a simulated clock.

Sync: a batch of all slots is asked, run and told together. Async: a slot that falls
free asks for one trial. Job lengths are lognormal with mean 1 and a coefficient of
variation of 0.3.

A proposal that was evaluated before is answered from memory and costs nothing, unless
the method says ``repeats = True``: then it is a new trial with fresh noise that counts
against the budget. Slots that a method cannot fill get random points, unless it says
``short_batches = True``: a line search may have less to ask than there are slots, and
its run ends when it asks nothing.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from landscapes import Landscape

Config = tuple[int, ...]

CHECKPOINTS = (50, 100, 200, 363)
SHARES = (1, 5)  # per cent of (median - optimum)


class Method(Protocol):
    """A tuner under test. ``tell`` takes NaN for a failed trial."""

    repeats: bool
    short_batches: bool

    def ask(self, n: int) -> list[Config]: ...

    def tell(self, config: Config, value: float, excess: float | None) -> None: ...


@dataclass(frozen=True)
class Mode:
    """How trials are run: ``sync`` batches or ``async`` slots, and how many."""

    kind: str
    slots: int

    @property
    def name(self) -> str:
        return f"{self.kind}{self.slots}"


@dataclass
class Run:
    """A run in progress and everything that it recorded."""

    landscape: Landscape
    method: Method
    seed: int
    budget: int
    cpu: float = 0.0
    trials: list[tuple[int, float, float | None, float]] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    known: dict[int, tuple[float, float | None]] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)
    waiting: dict[int, list[Config]] = field(default_factory=dict)
    started: int = 0
    duplicates: int = 0
    fills: int = 0

    def __post_init__(self) -> None:
        self.chance = np.random.default_rng([self.seed, 1])
        self.clock = np.random.default_rng([self.seed, 2])

    def duration(self) -> float:
        sigma2 = np.log(1.0 + 0.3**2)
        return float(np.exp(self.clock.normal(-sigma2 / 2.0, np.sqrt(sigma2))))

    def propose(self, n: int) -> list[Config]:
        """n trials to start now."""
        chosen: list[Config] = []
        misses = 0
        while len(chosen) < n and misses < 3:
            asked = self._timed(self.method.ask, n - len(chosen))
            fresh = [c for c in asked if self._is_new(tuple(int(i) for i in c))]
            chosen += [tuple(int(i) for i in c) for c in fresh]
            misses += not fresh
            if self.method.short_batches:
                break
        while (
            not self.method.short_batches
            and len(chosen) < n
            and len(self.known) + len(self.running) < len(self.landscape.true)
        ):
            chosen.append(self._random_point())
        self.started += len(chosen)
        return chosen

    def finish(self, config: Config, now: float) -> None:
        """Evaluates a trial and tells the method."""
        flat = self.flat(config)
        self.running.discard(flat)
        repeat = self.counts.get(flat, 0)
        self.counts[flat] = repeat + 1
        value, excess = self.landscape.observe(flat, repeat, self.seed)
        self.known.setdefault(flat, (value, excess))
        self.trials.append((flat, value, excess, now))
        for told in [config, *self.waiting.pop(flat, [])]:
            self._timed(self.method.tell, told, value, excess)

    def flat(self, config: Config) -> int:
        return int(np.ravel_multi_index(config, self.landscape.shape))

    def recommend(self) -> Config | None:
        """What the method would take home, or None: it has no opinion."""
        own = getattr(self.method, "recommend", None)
        return self._timed(own) if own is not None else None

    def _is_new(self, config: Config) -> bool:
        flat = self.flat(config)
        if not self.method.repeats:
            if flat in self.known:
                self.duplicates += 1
                self._timed(self.method.tell, config, *self.known[flat])
                return False
            if flat in self.running:
                self.duplicates += 1
                self.waiting.setdefault(flat, []).append(config)
                return False
        self.running.add(flat)
        return True

    def _random_point(self) -> Config:
        self.fills += 1
        while True:
            flat = int(self.chance.integers(len(self.landscape.true)))
            if flat not in self.known and flat not in self.running:
                self.running.add(flat)
                point = np.unravel_index(flat, self.landscape.shape)
                return tuple(int(i) for i in point)

    def _timed(self, call: Callable, *arguments: object) -> object:
        before = time.process_time()
        answer = call(*arguments)
        self.cpu += time.process_time() - before
        return answer


def simulate(
    make: Callable[..., Method],
    landscape: Landscape,
    *,
    seed: int,
    mode: Mode,
    budget: int = 363,
) -> dict[str, float]:
    """Runs a method to the end of its budget.

    Args:
        make: Called with the landscape's parameters, the seed, slots, budget and
            whether there is a limit.
        landscape: What is searched.
        seed: Of the method, the noise and the clock.
        mode: How trials are run.
        budget: Number of trials.

    Returns:
        Measures by name; see `measures`.
    """
    wanted, budget = budget, min(budget, len(landscape.true))
    start = time.process_time()
    method = make(
        landscape.parameters,
        seed=seed,
        slots=mode.slots,
        budget=budget,
        limited=landscape.limited is not None,
    )
    run = Run(landscape, method, seed, budget, cpu=time.process_time() - start)
    if mode.kind == "sync":
        _run_batches(run, mode.slots)
    else:
        _run_slots(run, mode.slots)
    row = measures(run)
    # A shorter budget says nothing of later checkpoints.
    unknown = [n for n in CHECKPOINTS if n > wanted]
    return row | {f"{k}{n}": float("nan") for n in unknown for k in ("reg", "home")}


def _run_batches(run: Run, slots: int) -> None:
    now = 0.0
    while run.started < run.budget:
        batch = run.propose(min(slots, run.budget - run.started))
        if not batch:
            return
        now += max(run.duration() for _ in batch)
        for config in batch:
            run.finish(config, now)


def _run_slots(run: Run, slots: int) -> None:
    queue: list[tuple[float, int, Config]] = []

    def start(n: int, now: float) -> None:
        for config in run.propose(n):
            ticket = len(queue) + len(run.trials)
            heapq.heappush(queue, (now + run.duration(), ticket, config))

    start(min(slots, run.budget), 0.0)
    while queue:
        now, _, config = heapq.heappop(queue)
        run.finish(config, now)
        if run.started < run.budget:
            start(1, now)


def measures(run: Run) -> dict[str, float]:
    """What a run is judged by.

    reg{n}: lowest true regret among the first n trials. home{n}: true regret of the
    trial with the best observed feasible value (infinite when it breaks the limit
    truly). home: that of the method's own recommendation at the end, where it has
    one, else of the best observed. to{p}: trials until a true regret of p per cent
    (infinite: never), and time{p} the clock then, in mean job lengths.
    """
    regrets = run.landscape.regrets[[t[0] for t in run.trials]]
    values = np.array([t[1] for t in run.trials])
    excess = np.array([0.0 if t[2] is None else t[2] for t in run.trials])
    times = np.array([t[3] for t in run.trials])
    shown = np.where(np.isfinite(values) & (excess <= 0.0), values, np.inf)
    lowest = np.minimum.accumulate(regrets)
    row: dict[str, float] = {"n": len(regrets), "wall": float(times[-1])}
    for n in CHECKPOINTS:
        upto = min(n, len(regrets))
        row[f"reg{n}"] = float(lowest[upto - 1])
        row[f"home{n}"] = float(regrets[int(np.argmin(shown[:upto]))])
    chosen = run.recommend()
    row["home"] = row[f"home{CHECKPOINTS[-1]}"]
    if chosen is not None:
        row["home"] = float(run.landscape.regrets[run.flat(chosen)])
    for share in SHARES:
        hit = np.flatnonzero(lowest <= share / 100.0 + 1e-12)
        row[f"to{share}"] = float(hit[0] + 1) if len(hit) else float("inf")
        row[f"time{share}"] = float(times[hit[0]]) if len(hit) else float("inf")
    row |= {"cpu": run.cpu, "duplicates": run.duplicates, "fills": run.fills}
    row["failed"] = int(np.sum(~np.isfinite(values)))
    row["infeasible"] = int(np.sum(excess > 0.0))
    return row
