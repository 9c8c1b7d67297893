"""The estimate of a campaign beside the conventional setting and a published result.

With finals it is chosen on their fresh runs only, else it is the best recorded trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from collinear.campaign.clocks import read_jobs
from collinear.campaign.config import Campaign
from collinear.campaign.designs import design_of, pretrain_folder
from collinear.campaign.finals_result import Finalist, FinalsEstimate, finals_estimate
from collinear.campaign.journal import Journal
from collinear.campaign.stages import WEIGHTS
from collinear.campaign.status import busy_seconds, count_outcomes
from collinear.campaign.steering import last_ending
from collinear.campaign.steps import journal_of, read_named_result
from collinear.campaign.trials import (
    TrialName,
    conventional_trial,
    point_name,
    trial_params,
)
from collinear.search import (
    Goal,
    History,
    Result,
    Status,
    best_for_each_limit,
    pareto_front,
    search_only,
)


@dataclass(frozen=True)
class Setting:
    """A setting and what was measured with it.

    Attributes:
        trial: Folder of the trial below ``trials/`` (of one of them after finals).
        params: Physical values.
        status: Outcome.
        values: Recorded values, after finals their means over the fresh runs; None
            where there is no number.
        feasible: Whether it keeps every limit.
    """

    trial: str
    params: Mapping[str, float]
    status: str
    values: Mapping[str, float | None]
    feasible: bool


@dataclass(frozen=True)
class BestWithin:
    """The best setting under one of several limits on a value.

    Attributes:
        name: The limited value.
        maximum: The limit.
        best: The best trial within it, or None.
    """

    name: str
    maximum: float
    best: Setting | None


@dataclass(frozen=True)
class Estimate:
    """What a campaign found.

    Attributes:
        campaign: Name of the campaign.
        objective: Name of the value that is minimised (or maximised).
        limits: Upper limits by name; of several on one value the largest.
        best: The best feasible setting, or None.
        conventional: The setting in use today, or None.
        outcomes: Number of trials by outcome.
        trials: Number of trials told.
        batches: Number of batches told that held a trial.
        busy_hours: Time in which at least one training ran, hours.
        gpu_hours: Sum of the training times, hours.
        improvement: By how much the best objective is better than the conventional
            one, or None.
        verdict: The comparison in a sentence.
        each_limit: With several limits on one value, the best setting for each.
        front: With several limits, the trials that no other one beats in both the
            objective and the limited value, by rising limited value.
        ending: Why the search ended, or None where that was not recorded.
        search_best: The best feasible trial of the search, or None.
        finals: The fresh runs, or None for a campaign without them.
    """

    campaign: str
    objective: str
    limits: Mapping[str, float]
    best: Setting | None
    conventional: Setting | None
    outcomes: Mapping[str, int]
    trials: int
    batches: int
    busy_hours: float
    gpu_hours: float
    improvement: float | None
    verdict: str
    each_limit: tuple[BestWithin, ...] = ()
    front: tuple[Setting, ...] = ()
    ending: str | None = None
    search_best: Setting | None = None
    finals: FinalsEstimate | None = None


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
        verdict = _verdict(campaign, best, conventional, improvement)
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
    ours, theirs = best.values[goal.objective], conventional.values.get(goal.objective)
    if ours is None or theirs is None:
        return None
    return theirs - ours if goal.lower_is_better else ours - theirs


def _verdict(
    campaign: Campaign,
    best: Setting | None,
    conventional: Setting | None,
    improvement: float | None,
) -> str:
    name = campaign.goal.objective
    if best is None:
        return "No trial was done within the limits, so there is no estimate."
    if conventional is None:
        return "The campaign has no conventional setting to compare with."
    if improvement is None:
        return f"The conventional setting ended as {conventional.status}."
    difference = -improvement if campaign.goal.lower_is_better else improvement
    once = "one training each, so the difference includes run-to-run noise"
    if not conventional.feasible:
        return (
            f"The conventional setting breaks a limit; the best feasible setting "
            f"differs from it by {difference:+.4g} in {name} ({once})."
        )
    if improvement > 0:
        return (
            f"The best setting improves on the conventional setting by "
            f"{improvement:.4g} in {name} ({once})."
        )
    return (
        f"The campaign found no setting better than the conventional one: the best "
        f"one is {-improvement:.4g} worse in {name} ({once})."
        if improvement < 0
        else f"The best setting is the conventional one or equals it in {name}."
    )


def finals_verdict(campaign: Campaign, finals: FinalsEstimate) -> str:
    """What the fresh runs say, in two or three sentences."""
    name = campaign.goal.objective
    if not finals.finalists:
        note = finals.note or "the finals have not run"
        return f"There is no estimate: {note}."
    winner = finals.finalist(finals.best)
    if winner is None or winner.mean is None:
        return (
            "No finalist kept the limits on fresh runs without a divergence, so there "
            "is no estimate."
        )
    spread = f", standard deviation {winner.sd:.4g}" if winner.sd is not None else ""
    chance = (
        f" It is the best of the {len(finals.finalists)} finalists with probability "
        f"{winner.p_best:.2f}."
        if winner.p_best is not None and len(finals.finalists) > 1
        else ""
    )
    first = (
        f"On {winner.n} fresh runs the best setting has a mean {name} of "
        f"{winner.mean:.4g}{spread}.{chance}"
    )
    return " ".join([first, *_compared(campaign, finals, winner)])


def _compared(
    campaign: Campaign, finals: FinalsEstimate, winner: Finalist
) -> list[str]:
    if campaign.conventional is None:
        return []
    gap, theirs = winner.difference, finals.conventional
    if gap is None or theirs is None:
        lost = f" ({theirs.runs[0].status})" if theirs else ""
        return [f"The conventional setting has no fresh value to compare with{lost}."]
    better = (gap.mean < 0) == campaign.goal.lower_is_better
    if gap.mean == 0:
        said = "It equals the conventional setting."
    else:
        word = "better" if better else "worse"
        said = f"It is {abs(gap.mean):.4g} {word} than the conventional setting"
    if gap.low is not None and gap.high is not None and gap.mean != 0:
        ends = f"95 % interval of the difference {gap.low:+.4g} to {gap.high:+.4g}"
        clear = "" if gap.low > 0 or gap.high < 0 else ", which holds zero"
        said += f" ({ends}{clear}, {gap.n} pairs)."
    elif gap.mean != 0:
        said += " (one pair of runs, so without an interval)."
    broken = [] if theirs.feasible else ["The conventional setting breaks a limit."]
    return [said, *broken]


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
