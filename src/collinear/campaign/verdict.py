"""The comparison of an estimate with the conventional setting, in words."""

from __future__ import annotations

from collinear.campaign.config import Campaign
from collinear.campaign.estimate import Setting
from collinear.campaign.finals_result import Finalist, FinalsEstimate
from collinear.search import Status


def search_verdict(
    campaign: Campaign,
    best: Setting | None,
    conventional: Setting | None,
    improvement: float | None,
) -> str:
    """What one training of each setting says, in a sentence.

    Args:
        campaign: The campaign.
        best: The best feasible setting, or None.
        conventional: The setting in use today, or None.
        improvement: By how much the objective of the first is better, or None.
    """
    name = campaign.goal.objective
    if best is None:
        kept = " within the limits" if campaign.goal.limits else ""
        return f"No trial ended with a value{kept}, so there is no estimate."
    if conventional is None:
        return "The campaign has no conventional setting to compare with."
    if improvement is None:
        if conventional.status == Status.DONE:
            return f"The conventional setting recorded no value of {name}."
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
