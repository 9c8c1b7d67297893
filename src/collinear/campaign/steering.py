"""What steers a campaign besides its strategy: warm start, queue and stop rules.

The journal keeps every decision that depends on more than the configuration and the
results: the empty batch that ends a lane says why. So a replay needs no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from collinear.campaign.clocks import read_jobs
from collinear.campaign.config import Campaign
from collinear.campaign.digests import search_digest
from collinear.campaign.journal import FINALS, Journal
from collinear.campaign.warm_start import read_prior
from collinear.search import (
    Anova,
    History,
    Proposal,
    Strategy,
    ask_with_queue,
    little_left,
    search_only,
)

CLOCK = "clock"  # of an asked entry: Unix time, where stop.hours needs it
LASTING = ("improvement", "hours")  # rules that end all lanes once they end one
REMOVED = "lanes"  # the rule that ends a lane which `lanes` has no longer


@dataclass(frozen=True)
class Ending:
    """Why a lane was given no more trials.

    Attributes:
        rule: ``budget``, ``improvement``, ``hours``, ``search`` or ``lanes``.
        reason: The same in a sentence, with the numbers.
    """

    rule: str
    reason: str


def strategy_of(campaign: Campaign, root: Path | None) -> Strategy:
    """The configured search, warm start included.

    Raises:
        ConfigError: The warm start cannot be read or does not fit the campaign.
    """
    return campaign.strategy(read_prior(campaign, root))


def propose(
    campaign: Campaign, root: Path | None, history: History, k: int
) -> tuple[Proposal, ...]:
    """Up to k trials: queued settings first, then those of the strategy."""
    strategy = strategy_of(campaign, root)
    return ask_with_queue(strategy, campaign.enqueue, history, k)


def ending(
    campaign: Campaign, root: Path, journal: Journal, now: float
) -> Ending | None:
    """Why no more trials may be asked, or None. A pure function of journal and clock.

    A decision by improvement or time holds for all lanes, until the search settings
    change.
    """
    history = journal.history()
    if trials_left(campaign, history) <= 0:
        return Ending("budget", _spent(campaign, history))
    decided = last_ending(campaign, journal)
    if decided is not None and decided.rule in LASTING:
        return decided
    return _out_of_time(campaign, root, journal, now) or _little_left(
        campaign, root, history
    )


def trials_left(campaign: Campaign, history: History) -> int:
    """Trials that the search may still ask for.

    Finals that were run count, and those to come are kept free: a search that is
    reopened ends in finals of full size.
    """
    asked = {p.key for p in history.proposals}
    return campaign.search_trials - len(asked)


def _spent(campaign: Campaign, history: History) -> str:
    if campaign.finals is None:
        return f"all {campaign.max_trials} trials were asked"
    searched = len({p.key for p in search_only(history).proposals})
    finals = campaign.max_trials - max(campaign.search_trials, searched)
    return (
        f"all {searched} trials of the search were asked; {finals} of at most "
        f"{campaign.max_trials} are kept for the finals"
    )


def removed(campaign: Campaign, lane: str) -> Ending | None:
    """Why a lane that has asked asks no more, when `lanes` was made smaller.

    What it had asked is run and told: those trials are of the budget.
    """
    if lane == FINALS or lane in campaign.lane_names:
        return None
    return Ending(REMOVED, f"{lane} is none of the {campaign.lanes} lanes of today")


def finished() -> Ending:
    """The ending of a search that has nothing more to propose."""
    return Ending("search", "the search has nothing more to propose")


def last_ending(campaign: Campaign, journal: Journal) -> Ending | None:
    """Why the search ended, as journalled last under the search settings of today.

    That a lane was removed ends no search.
    """
    search = search_digest(campaign)
    for entry in reversed(journal.entries()):
        if "ending" in entry and entry["search"] == search:
            found = Ending(**entry["ending"])
            if found.rule != REMOVED:
                return found
    return None


def _out_of_time(
    campaign: Campaign, root: Path, journal: Journal, now: float
) -> Ending | None:
    limit = campaign.stop.hours
    if limit is None:
        return None
    clocks = [e[CLOCK] for e in journal.entries() if CLOCK in e]
    begun = min([*clocks, *(job.started for job in read_jobs(root))], default=now)
    hours = (now - begun) / 3600
    if hours < limit:
        return None
    return Ending("hours", f"{hours:.3g} h since the start, at most {limit:g} wanted")


def _little_left(campaign: Campaign, root: Path, history: History) -> Ending | None:
    share = campaign.stop.improvement
    if share is None:
        return None
    strategy = strategy_of(campaign, root)
    assert isinstance(strategy, Anova)  # checked with the configuration
    if not little_left(strategy, search_only(history), share):
        return None
    return Ending(
        "improvement",
        f"the improvement to be expected was below {share:g} of the noise of a trial "
        "in two successive fits",
    )
