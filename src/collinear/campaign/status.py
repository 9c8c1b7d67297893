"""How far a campaign is: trials done, the incumbent, the time left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from collinear.campaign.clocks import Job, read_jobs
from collinear.campaign.config import Campaign
from collinear.campaign.digests import search_digest
from collinear.campaign.finals_result import FinalsEstimate, finals_estimate
from collinear.campaign.journal import FINALS, Journal, is_empty
from collinear.campaign.steering import Ending, last_ending
from collinear.campaign.steps import journal_of
from collinear.campaign.trials import describe_number
from collinear.campaign.warm_start import describe_prior
from collinear.search import (
    Goal,
    History,
    Limit,
    Result,
    best_for_each_limit,
    search_only,
)


@dataclass(frozen=True)
class CampaignStatus:
    """A snapshot of a campaign.

    Attributes:
        campaign: The campaign.
        told: Number of trials with an outcome.
        pending: Number of trials asked and not yet told.
        outcomes: Number of trials by outcome; `infeasible` counts done trials that
            break a limit.
        incumbent: The best feasible trial so far, or None.
        finished: Whether every lane has ended.
        each_limit: With several limits on one value, the incumbent under each.
        ending: Why the search ended, where that was recorded.
        warm: What a warm start took over, in words, or None.
        finals: What the fresh runs say so far, or None for a campaign without them.
        seconds_left: Time until the budget is spent at the rate seen so far, or None
            before there is a rate. The search may end earlier.
    """

    campaign: Campaign
    told: int
    pending: int
    outcomes: dict[str, int]
    incumbent: Result | None
    finished: bool
    seconds_left: float | None
    each_limit: tuple[tuple[Limit, Result | None], ...] = ()
    ending: Ending | None = None
    warm: str | None = None
    finals: FinalsEstimate | None = None


def read_status(campaign: Campaign, root: Path) -> CampaignStatus:
    """Reads the journal and the clocks of a campaign."""
    journal = journal_of(root)
    history = journal.history()
    searched = search_only(history)
    told = len(history.results)
    return CampaignStatus(
        campaign=campaign,
        told=told,
        pending=len(history.pending),
        outcomes=count_outcomes(history, campaign.goal),
        incumbent=searched.incumbent(campaign.goal),
        finished=_is_finished(campaign, journal),
        seconds_left=_seconds_left(read_jobs(root), told, campaign.max_trials),
        each_limit=best_for_each_limit(searched, campaign.goal),
        ending=last_ending(campaign, journal),
        warm=describe_prior(campaign, root),
        finals=finals_estimate(campaign, journal),
    )


def _is_finished(campaign: Campaign, journal: Journal) -> bool:
    """The last batch of every lane is empty, under the search settings of today."""
    last = {e["lane"]: e for e in journal.entries() if "trials" in e}
    search = search_digest(campaign)
    lanes = {*campaign.lane_names, *journal.lanes}
    if campaign.finals:
        lanes.add(FINALS)
    return all(
        lane in last and is_empty(last[lane]) and last[lane]["search"] == search
        for lane in lanes
    )


def count_outcomes(history: History, goal: Goal) -> dict[str, int]:
    """Number of trials by outcome.

    Done trials over a limit, and those without a number for the objective, count apart.
    """
    names = [
        _outcome(result, goal) if result.status == "done" else result.status.value
        for result in history.results
    ]
    return dict(sorted(Counter(names).items()))


def _outcome(result: Result, goal: Goal) -> str:
    if goal.cost(result) is None:
        return "without a value"
    return "done" if goal.feasible(result) else "infeasible"


def _seconds_left(jobs: list[Job], told: int, max_trials: int) -> float | None:
    if not jobs or not told:
        return None
    # Busy time, not calendar time: a campaign may have been stopped over night.
    busy = busy_seconds(jobs)
    return busy / told * max(0, max_trials - told)


def busy_seconds(jobs: list[Job]) -> float:
    """Length of the time in which at least one job ran, seconds."""
    total, reached = 0.0, float("-inf")
    for job in sorted(jobs, key=lambda j: j.started):
        start = max(job.started, reached)
        total += max(0.0, job.ended - start)
        reached = max(reached, job.ended)
    return total


def describe_setting(campaign: Campaign, result: Result) -> str:
    """The physical values of a trial as ``name=value`` words."""
    params = campaign.space.params(result.point)
    return " ".join(f"{name}={describe_number(v)}" for name, v in params.items())


def describe_values(result: Result) -> str:
    """The recorded values as ``name value`` words."""
    known = {n: v for n, v in result.values.items() if v is not None}
    return ", ".join(f"{name} {value:.4g}" for name, value in known.items())


def describe_time(seconds: float) -> str:
    """A duration for people: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _describe_limit(goal: Goal, limit: Limit, best: Result | None) -> str:
    """The best objective within one of several limits."""
    within = f"{limit.name} <= {limit.maximum:g}"
    if best is None:
        return f"nothing within {within}"
    return f"best {goal.objective} within {within}: {best.values[goal.objective]:.4g}"


def _describe_finals(status: CampaignStatus) -> list[str]:
    """The fresh runs so far, or that there were none; nothing before they begin."""
    finals, objective = status.finals, status.campaign.goal.objective
    if finals is None:
        return []
    best = finals.finalist(finals.best)
    if best is None or best.mean is None:
        none = [f"finals: none of {len(finals.finalists)} settings holds"]
        return [finals.note] if finals.note else none if finals.finalists else []
    sd = f" (sd {best.sd:.2g})" if best.sd is not None else ""
    setting = " ".join(f"{n}={describe_number(v)}" for n, v in best.params.items())
    runs = f"{best.n} fresh run" + ("s" if best.n > 1 else "")
    fewer = f" ({finals.note})" if finals.note else ""
    return [f"finals: {objective} {best.mean:.4g}{sd} in {runs} at {setting}{fewer}"]


def status_line(status: CampaignStatus) -> str:
    """One line for the terminal."""
    campaign = status.campaign
    parts = [f"{campaign.name}: {status.told} of at most {campaign.max_trials} trials"]
    if status.incumbent is not None:
        setting = describe_setting(campaign, status.incumbent)
        parts.append(f"best {describe_values(status.incumbent)} at {setting}")
    else:
        parts.append("no feasible trial yet")
    parts += [
        _describe_limit(campaign.goal, limit, best) for limit, best in status.each_limit
    ]
    trouble = {n: c for n, c in status.outcomes.items() if n != "done"}
    if trouble:
        parts.append(", ".join(f"{count} {name}" for name, count in trouble.items()))
    if status.finals is not None:
        parts += _describe_finals(status)
    if status.warm is not None:
        parts.append(status.warm)
    if status.finished:
        why = f": {status.ending.reason}" if status.ending else ""
        parts.append(f"finished{why}")
    elif status.seconds_left:
        parts.append(f"at most {describe_time(status.seconds_left)} left")
    return "; ".join(parts)
