"""The estimate of a campaign beside the conventional setting and a published result.

With finals it is chosen on their fresh runs only, else it is the best recorded trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collinear.campaign.clocks import read_jobs
from collinear.campaign.config import Campaign
from collinear.campaign.designs import design_of, pretrain_folder
from collinear.campaign.estimate import BestWithin, Estimate, Setting
from collinear.campaign.finals_result import Finalist, FinalsEstimate, finals_estimate
from collinear.campaign.journal import Journal
from collinear.campaign.outcome import WEIGHTS
from collinear.campaign.status import busy_seconds, count_outcomes
from collinear.campaign.steering import last_ending
from collinear.campaign.steps import journal_of, read_named_result
from collinear.campaign.trials import (
    TrialName,
    conventional_trial,
    point_name,
    trial_params,
)
from collinear.campaign.verdict import finals_verdict, search_verdict
from collinear.search import (
    Goal,
    History,
    Result,
    Status,
    best_for_each_limit,
    pareto_front,
    search_only,
)


def decide(campaign: Campaign, root: Path) -> dict[str, Any]:
    """The estimate of a finished campaign as a mapping for JSON."""
    journal = journal_of(root)
    history = journal.history()
    searched = search_only(history)
    incumbent = searched.incumbent(campaign.goal)
    recorded = _setting_of(campaign, incumbent) if incumbent else None
    finals = finals_estimate(campaign, journal)
    conventional = _conventional(campaign, root)
    if finals is None:
        best = recorded
        improvement = _improvement(campaign.goal, best, conventional)
        verdict = search_verdict(campaign, best, conventional, improvement)
    else:
        winner = finals.finalist(finals.best)
        best = _fresh_setting(winner) if winner else None
        if finals.conventional is not None:
            conventional = _fresh_setting(finals.conventional)
        improvement = _fresh_improvement(campaign.goal, winner)
        verdict = finals_verdict(campaign, finals)
    jobs = read_jobs(root)
    ended = last_ending(campaign, journal)
    estimate = Estimate(
        campaign=campaign.name,
        objective=campaign.goal.objective,
        limits={limit.name: limit.maximum for limit in campaign.goal.limits},
        best=best,
        conventional=conventional,
        outcomes=count_outcomes(history, campaign.goal),
        trials=len(history.results),
        batches=count_batches(journal),
        busy_hours=busy_seconds(jobs) / 3600,
        gpu_hours=sum(job.seconds for job in jobs) / 3600,
        improvement=improvement,
        verdict=verdict,
        each_limit=_each_limit(campaign, searched, finals),
        front=_front(campaign, searched),
        ending=ended.reason if ended else None,
        search_best=recorded,
        finals=finals,
    )
    return asdict(estimate)


def _fresh_setting(finalist: Finalist) -> Setting:
    """A setting with the means of its fresh runs."""
    missing = dict.fromkeys(name for run in finalist.runs for name in run.values)
    lost = finalist.runs[0].status
    return Setting(
        trial=finalist.trial,
        params=finalist.params,
        status=Status.DONE.value if finalist.n else lost,
        values=dict(finalist.values) if finalist.n else missing,
        feasible=finalist.feasible,
    )


def _fresh_improvement(goal: Goal, winner: Finalist | None) -> float | None:
    if winner is None or winner.difference is None:
        return None
    difference = winner.difference.mean
    return -difference if goal.lower_is_better else difference


def _each_limit(
    campaign: Campaign, history: History, finals: FinalsEstimate | None
) -> tuple[BestWithin, ...]:
    if finals is not None:
        found = [(e, finals.finalist(e.point)) for e in finals.each_limit]
        return tuple(
            BestWithin(e.name, e.maximum, _fresh_setting(f) if f else None)
            for e, f in found
        )
    return tuple(
        BestWithin(
            limit.name, limit.maximum, _setting_of(campaign, best) if best else None
        )
        for limit, best in best_for_each_limit(history, campaign.goal)
    )


def _front(campaign: Campaign, history: History) -> tuple[Setting, ...]:
    swept = campaign.goal.swept
    if swept is None:
        return ()
    front = pareto_front(history.results, campaign.goal, swept.name)
    return tuple(_setting_of(campaign, result) for result in front)


def count_batches(journal: Journal) -> int:
    """Number of batches that were told and held at least one trial."""
    return sum(1 for entry in journal.entries() if entry.get("results"))


def _setting_of(campaign: Campaign, result: Result) -> Setting:
    return Setting(
        trial=f"{point_name(result.point)}/seed{result.seed}",
        params=campaign.space.params(result.point),
        status=result.status.value,
        values=dict(result.values),
        feasible=campaign.goal.feasible(result),
    )


def _conventional(campaign: Campaign, root: Path) -> Setting | None:
    name = conventional_trial(campaign)
    if name is None:
        return None
    result = read_named_result(root, name)
    return Setting(
        trial=f"{name.point}/seed{name.seed}",
        params=trial_params(campaign, name),
        status=result.status.value,
        values=dict(result.values),
        feasible=campaign.goal.feasible(result),
    )


def _improvement(
    goal: Goal, best: Setting | None, conventional: Setting | None
) -> float | None:
    if best is None or conventional is None:
        return None
    if conventional.status != Status.DONE:  # a stopped one has values of half a way
        return None
    ours, theirs = best.values[goal.objective], conventional.values.get(goal.objective)
    if ours is None or theirs is None:
        return None
    return theirs - ours if goal.lower_is_better else ours - theirs


def example_weights(
    campaign: Campaign, root: Path, estimate: Mapping[str, Any]
) -> dict[str, Path]:
    """Weights of the networks that the report compares, by label.

    Where trials have different pretrainings, it is that of the best one.
    """
    names = ("conventional", "best")
    shown = [estimate[name]["trial"] for name in names if estimate[name]]
    pretrained = root / "pretrain" / WEIGHTS
    if shown:
        design = design_of(campaign, TrialName(shown[-1].split("/")[0], 1))
        pretrained = pretrain_folder(root, design) / WEIGHTS
    elif campaign.pretrain_axes:  # no trial holds: any pretraining
        pretrained = next(iter(sorted(root.glob(f"pretrain/*/{WEIGHTS}"))), pretrained)
    weights = {"pretrained": pretrained}
    for name in names:
        if estimate[name]:
            weights[name] = root / "trials" / estimate[name]["trial"] / WEIGHTS
    return weights
