"""The estimate from the fresh runs: each finalist, and the choice among them.

Chosen on fresh runs only. What the search recorded of a setting is shown beside them
and plays no part, because the search kept it for being low.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collinear.campaign.config import Campaign
from collinear.campaign.finals import finals_note
from collinear.campaign.journal import FINALS, Journal, Step
from collinear.campaign.trials import conventional_trial, point_name
from collinear.search import (
    FIRST_SEED,
    Difference,
    FreshRuns,
    Goal,
    History,
    Point,
    Result,
    Status,
    chances_of_best,
    choose,
    fresh_runs,
    paired_difference,
    search_only,
)

CHANCE_BY = (
    "posterior of the means, which scatter around a common value, under normal noise "
    "that all finalists share"
)


@dataclass(frozen=True)
class Run:
    """One fresh run: its seed index, outcome and recorded values."""

    seed: int
    status: str
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class Finalist:
    """A setting and its fresh runs.

    Attributes:
        point: Its name in paths.
        params: Physical values.
        runs: The fresh runs by seed index.
        n: Number of them with a value of the objective.
        mean: Mean objective over those, or None.
        sd: Standard deviation of one run, or None below two.
        values: Mean of every recorded value.
        kept: Number of runs that kept every limit.
        feasible: Whether the mean of every limited value keeps its limit.
        sound: Whether it may be chosen: no run diverged, and enough have a value.
        recorded: Its best value in the search, or None (the conventional setting).
        p_best: Probability of being the best of those that keep the limits, or None.
        difference: Paired difference to the conventional setting, or None.
    """

    point: str
    params: Mapping[str, float]
    runs: tuple[Run, ...]
    n: int
    mean: float | None
    sd: float | None
    values: Mapping[str, float | None]
    kept: int
    feasible: bool
    sound: bool
    recorded: float | None = None
    p_best: float | None = None
    difference: Difference | None = None

    @property
    def trial(self) -> str:
        """Folder of its first run with a value (of the first run, without one)."""
        done = [run.seed for run in self.runs if run.status == Status.DONE]
        return f"{self.point}/seed{(done or [run.seed for run in self.runs])[0]}"


@dataclass(frozen=True)
class RawBest:
    """The best setting of the search, on fresh runs.

    Attributes:
        point: Its name in paths.
        recorded: The best recorded value of the search.
        fresh: Mean of its own fresh runs.
        optimism: `recorded` minus `fresh`: how far the best of many noisy values
            flatters (negative, where the objective is minimised).
    """

    point: str
    recorded: float
    fresh: float
    optimism: float


@dataclass(frozen=True)
class Chosen:
    """The choice under one of several limits on a value.

    Attributes:
        name: The limited value.
        maximum: The limit.
        point: The best finalist within it, or None.
        p_best: Its probability of being the best within it, or None.
        n: Number of its fresh runs with a value.
        kept: How many of them kept the limits.
        difference: Its paired difference to the conventional setting, or None.
    """

    name: str
    maximum: float
    point: str | None
    p_best: float | None = None
    n: int = 0
    kept: int = 0
    difference: Difference | None = None


@dataclass(frozen=True)
class FinalsEstimate:
    """What the finals found.

    Attributes:
        seeds: The fresh seed indices.
        finalists: In the order in which they were asked.
        conventional: The conventional setting under the same seeds, or None.
        best: Point of the best finalist, or None.
        raw_best: How the best of the search did, or None when it has no fresh value.
        chance_by: How `Finalist.p_best` was found.
        each_limit: The choice under each of several limits on one value.
        note: Why there were no finals, or fewer than wanted, or None.
    """

    seeds: tuple[int, ...]
    finalists: tuple[Finalist, ...]
    conventional: Finalist | None
    best: str | None
    raw_best: RawBest | None
    chance_by: str
    each_limit: tuple[Chosen, ...] = ()
    note: str | None = None

    def finalist(self, point: str | None) -> Finalist | None:
        """The finalist of that name, or None."""
        return next((f for f in self.finalists if f.point == point), None)


def finals_estimate(campaign: Campaign, journal: Journal) -> FinalsEstimate | None:
    """What the fresh runs say so far; None for a campaign without finals."""
    if campaign.finals is None:
        return None
    if journal.asked(Step(FINALS, 0)) is None:  # most looks: spares reading it all
        return FinalsEstimate((), (), None, None, None, CHANCE_BY)
    history, goal = journal.history(), campaign.goal
    fresh: dict[Point, list[Result]] = {}
    for proposal in history.proposals:
        if proposal.seed >= FIRST_SEED:
            fresh.setdefault(proposal.point, [])
    for result in sorted(history.results, key=lambda r: r.seed):
        if result.seed >= FIRST_SEED:
            fresh[result.point].append(result)
    told = {point: results for point, results in fresh.items() if results}
    control = _control_results(campaign, journal)
    runs = [fresh_runs(goal, results) for results in told.values()]
    theirs = fresh_runs(goal, control) if control else None
    chances = chances_of_best(runs, campaign.seed)
    finalists = tuple(
        _finalist(
            point_name(point),
            campaign.space.params(point),
            told[point],
            of_point,
            recorded=_recorded(goal, history, point),
            p_best=chances[number] if chances else None,
            difference=paired_difference(goal, of_point, theirs) if theirs else None,
        )
        for number, (point, of_point) in enumerate(zip(told, runs, strict=True))
    )
    best = choose(runs)
    return FinalsEstimate(
        seeds=tuple(sorted({r.seed for results in told.values() for r in results})),
        finalists=finalists,
        conventional=_conventional(campaign, control, theirs),
        best=finalists[best].point if best is not None else None,
        raw_best=_raw_best(goal, history, finalists),
        chance_by=CHANCE_BY,
        each_limit=_each_limit(campaign, list(told.items()), control),
        note=finals_note(journal),
    )


def _finalist(
    name: str,
    params: Mapping[str, float],
    results: Sequence[Result],
    runs: FreshRuns,
    *,
    recorded: float | None = None,
    p_best: float | None = None,
    difference: Difference | None = None,
) -> Finalist:
    return Finalist(
        point=name,
        params=params,
        runs=tuple(Run(r.seed, r.status.value, dict(r.values)) for r in results),
        n=runs.n,
        mean=runs.mean,
        sd=runs.sd,
        values=runs.values,
        kept=runs.kept,
        feasible=runs.feasible,
        sound=runs.sound,
        recorded=recorded,
        p_best=p_best,
        difference=difference,
    )


def _control_results(campaign: Campaign, journal: Journal) -> list[Result]:
    """Fresh runs of the conventional setting of today, by seed."""
    name = conventional_trial(campaign)
    found = {}
    for entry in journal.entries():
        if entry["lane"] == FINALS and "results" in entry and name is not None:
            for record in entry.get("control", ()):
                if record["point"] == name.point:
                    status = Status(record["status"])
                    found[record["seed"]] = Result(
                        (), record["seed"], status, record["values"]
                    )
    return [found[seed] for seed in sorted(found)]


def _conventional(
    campaign: Campaign, control: Sequence[Result], runs: FreshRuns | None
) -> Finalist | None:
    name = conventional_trial(campaign)
    if name is None or runs is None or campaign.conventional is None:
        return None
    return _finalist(name.point, campaign.conventional, control, runs)


def _recorded(goal: Goal, history: History, point: Point) -> float | None:
    """The best value that the search recorded at a point, limits aside."""
    trials = [r for r in search_only(history).results if r.point == point]
    costs = [cost for r in trials if (cost := goal.cost(r)) is not None]
    if not costs:
        return None
    return min(costs) if goal.lower_is_better else -min(costs)


def _raw_best(
    goal: Goal, history: History, finalists: Sequence[Finalist]
) -> RawBest | None:
    found = search_only(history).incumbent(goal)
    if found is None:
        return None
    name, recorded = point_name(found.point), found.values[goal.objective]
    mean = next((f.mean for f in finalists if f.point == name), None)
    if recorded is None or mean is None:
        return None
    return RawBest(name, recorded, mean, recorded - mean)


def _each_limit(
    campaign: Campaign,
    told: Sequence[tuple[Point, Sequence[Result]]],
    control: Sequence[Result],
) -> tuple[Chosen, ...]:
    swept = campaign.goal.swept
    if swept is None:
        return ()
    found = []
    for maximum, goal in zip(swept.maxima, campaign.goal.each, strict=True):
        runs = [fresh_runs(goal, results) for _, results in told]
        best = choose(runs)
        if best is None:
            found.append(Chosen(swept.name, maximum, None))
            continue
        chances = chances_of_best(runs, campaign.seed)
        theirs = fresh_runs(goal, control) if control else None
        found.append(
            Chosen(
                swept.name,
                maximum,
                point_name(told[best][0]),
                p_best=chances[best] if chances else None,
                n=runs[best].n,
                kept=runs[best].kept,
                difference=paired_difference(goal, runs[best], theirs)
                if theirs
                else None,
            )
        )
    return tuple(found)
