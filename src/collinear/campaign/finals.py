"""The lane `finals`: the best few settings run again with fresh seeds.

It begins when every lane of the search has ended, and is a lane like them: each step is
journalled, and an empty batch ends it. A search that is reopened, by a larger budget,
say, reopens the finals too; what was run stays and is not run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from collinear.campaign.config import Campaign
from collinear.campaign.journal import FINALS, Journal, control_of
from collinear.campaign.steering import strategy_of
from collinear.campaign.trials import TrialName, conventional_trial
from collinear.search import FIRST_SEED, History, Point, Proposal, finalists


@dataclass(frozen=True)
class FinalsBatch:
    """What the finals run next.

    Attributes:
        proposals: Fresh runs of the finalists.
        control: Runs of the conventional setting with the same seeds; they are beside
            the budget.
        note: Why there are none or fewer than wanted, or None.
    """

    proposals: tuple[Proposal, ...]
    control: tuple[TrialName, ...]
    note: str | None = None


def finals_batch(campaign: Campaign, root: Path, journal: Journal) -> FinalsBatch:
    """The fresh runs that are missing: a pure function of configuration and journal."""
    history = journal.history()
    n_settings, n_seeds = campaign.finals_shape
    listed = finalists(strategy_of(campaign, root), history, n_settings)
    asked = {p.key for p in history.proposals}
    left = max(0, campaign.max_trials - len(asked))
    seeds = range(FIRST_SEED, FIRST_SEED + n_seeds)
    batch, note = _fitting(listed, seeds, asked, left)
    if not listed:
        kept = "kept the limits" if campaign.goal.limits else "ended with a value"
        note = f"no setting {kept} in the search, so there were no finals"
    proposals = tuple(Proposal(point, seed, "final") for point, seed in batch)
    return FinalsBatch(proposals, _control(campaign, history, journal, proposals), note)


def _fitting(
    listed: list[Point],
    seeds: range,
    asked: set[tuple[Point, int]],
    left: int,
) -> tuple[list[tuple[Point, int]], str | None]:
    """Whole settings, the most promising first, as long as the budget lasts."""
    batch: list[tuple[Point, int]] = []
    missing = 0
    for point in listed:
        wanted = [(point, seed) for seed in seeds if (point, seed) not in asked]
        if missing or len(batch) + len(wanted) > left:
            missing += len(wanted)
        else:
            batch += wanted
    if not missing:
        return batch, None
    return batch, (
        f"max_trials leaves no room for {missing} of the fresh runs wanted; raise it "
        f"by {len(batch) + missing - left}"
    )


def _control(
    campaign: Campaign,
    history: History,
    journal: Journal,
    proposals: tuple[Proposal, ...],
) -> tuple[TrialName, ...]:
    """The conventional setting with every fresh seed that it has not yet."""
    if campaign.conventional is None:
        return ()
    every = (*history.proposals, *proposals)
    seeds = sorted({p.seed for p in every if p.seed >= FIRST_SEED})
    names = [conventional_trial(campaign, seed) for seed in seeds]
    entries = [e for e in journal.entries() if "trials" in e]
    asked = {name for entry in entries for name in control_of(entry)}
    return tuple(name for name in names if name is not None and name not in asked)


def finals_note(journal: Journal) -> str | None:
    """Why there were no finals, or fewer than wanted, as journalled last."""
    for entry in reversed(journal.entries()):
        if entry["lane"] == FINALS and "trials" in entry:
            note = entry.get("note")
            return str(note) if note is not None else None
    return None
