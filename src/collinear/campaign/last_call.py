"""Last call: once a lane is over, no training may run for much longer.

When the first lane has nothing more to ask, all that is left of the search are the
trainings that run, and the finals wait for the slowest of them with nearly all slots
idle. So each may still use a number of mean lengths of a training; one that has used
them is told to save and to end, and its trial counts as failed: nothing was learnt.

The moment and the lengths stand in ``last_call.json``, outside the journal because they
are clocks. The job of each training reads them. It counts the training's own seconds:
neither a night without Snakemake nor a wait in the queue takes any of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean

from collinear.campaign.attempts import read_attempts
from collinear.campaign.clocks import read_jobs
from collinear.campaign.config import Campaign
from collinear.campaign.designs import design_of
from collinear.campaign.digests import search_digest
from collinear.campaign.files import read_json, write_json
from collinear.campaign.journal import FINALS, Journal, results_of
from collinear.campaign.outcome import METRICS
from collinear.campaign.overtime import Overtime
from collinear.campaign.program import LAST_CALL
from collinear.campaign.sections import LastCallRule
from collinear.campaign.trials import (
    TrialName,
    conventional_trial,
    point_name,
    trial_files,
)
from collinear.search import FIRST_SEED, Status

RECORD = "last_call.json"
ENOUGH = 5
"""Finished trainings (of a design) that a mean length is made of, at least."""
_LONGEST_PAUSE, _SHORTEST_PAUSE = 15.0, 0.2  # seconds between two looks
_ALL = "all"  # stands for the design where trials have one pretraining


@dataclass(frozen=True)
class LastCall:
    """When the first lane was over, and what the trainings may still use.

    Attributes:
        closed: Unix time, seconds.
        seconds: Seconds of training after that, by design (`designs.design_of`), as
            the rule was then; a design that is missing has no limit.
        search: Digest of the search that ended.
        means: Mean seconds of a training, by design: the rule may change. Empty in
            older records.
    """

    closed: float
    seconds: dict[str, float]
    search: str
    means: dict[str, float] = field(default_factory=dict)

    def limits(self, rule: LastCallRule) -> dict[str, float]:
        """What trainings may still use by the rule of today, seconds by design."""
        today = {name: _limit(rule, mean) for name, mean in self.means.items()}
        return {**self.seconds, **today}


def announce(campaign: Campaign, root: Path, journal: Journal, now: float) -> None:
    """Writes down that a lane is over, once. Call it with the journal's lock held."""
    if campaign.last_call is None:
        return
    known = read_last_call(root)
    search = search_digest(campaign)
    if known is not None and known.search == search:
        return
    rule, lengths = campaign.last_call, _lengths(campaign, root, journal)
    found = {name: _mean(of_design) for name, of_design in lengths.items()}
    means = {name: mean for name, mean in found.items() if mean is not None}
    seconds = {name: _limit(rule, mean) for name, mean in means.items()}
    write_json(root / RECORD, asdict(LastCall(now, seconds, search, means)))


def allowed(rule: LastCallRule, lengths: Sequence[float]) -> float | None:
    """Time that a training may still use; None where too few have ended.

    Args:
        rule: What is allowed; its `least` in the unit of `lengths`.
        lengths: How long finished trainings ran.
    """
    mean = _mean(lengths)
    return None if mean is None else _limit(rule, mean)


def _mean(lengths: Sequence[float]) -> float | None:
    return fmean(lengths) if len(lengths) >= ENOUGH else None


def _limit(rule: LastCallRule, mean: float) -> float:
    return max(rule.least, rule.lengths * mean)


def withdraw(root: Path) -> None:
    """Forgets the last call: a lane asks again. Call it with the lock held."""
    (root / RECORD).unlink(missing_ok=True)


def read_last_call(root: Path) -> LastCall | None:
    """What was written down; None before the first lane is over."""
    try:
        return LastCall(**read_json(root / RECORD))
    except FileNotFoundError:
        return None


def _lengths(
    campaign: Campaign, root: Path, journal: Journal
) -> dict[str, list[float]]:
    """Seconds of the trainings of the search that ended by themselves, by design."""
    spent: dict[str, float] = defaultdict(float)
    for job in read_jobs(root):
        spent[job.trial] += job.seconds
    found: dict[str, list[float]] = defaultdict(list)
    for entry in journal.entries():
        if "results" not in entry or entry["lane"] == FINALS:
            continue
        for result in results_of(entry):
            name = TrialName(point_name(result.point), result.seed)
            seconds = spent.get(f"{name.point}/seed{name.seed}")
            if seconds is not None and result.status is Status.DONE:
                found[_design(campaign, name)].append(seconds)
    return found


def _design(campaign: Campaign, name: TrialName) -> str:
    return design_of(campaign, name) or _ALL


def overtime_of(campaign: Campaign, root: Path, name: TrialName) -> Overtime | None:
    """The limit of a trial; None where it has none.

    Fresh runs of the finals come after the last call, and the conventional setting is
    there to be compared.
    """
    rule, fresh = campaign.last_call, name.seed >= FIRST_SEED
    if rule is None or fresh or name == conventional_trial(campaign):
        return None
    pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, rule.least / 4))
    return Overtime(partial(_reason, campaign, rule, root, name), pause)


def _reason(
    campaign: Campaign,
    rule: LastCallRule,
    root: Path,
    name: TrialName,
    started: float,
    now: float,
) -> str | None:
    call = read_last_call(root)
    if call is None or call.search != search_digest(campaign):
        return None
    limit = call.limits(rule).get(_design(campaign, name))
    if limit is None:
        return None
    attempts = read_attempts(trial_files(root, name).work)
    earlier = [(attempt["started"], attempt["ended"]) for attempt in attempts]
    used = used_since(call.closed, [*earlier, (started, now)])
    if used < limit:
        return None
    return (
        f"last call: it trained for {used:.4g} s after the first lane was over, and "
        f"{limit:.4g} s are allowed"
    )


def used_since(moment: float, attempts: Sequence[tuple[float, float]]) -> float:
    """Seconds of the attempts (start, end) that lie after a moment."""
    return sum(max(0.0, end - max(start, moment)) for start, end in attempts)


def was_called(folder: Path) -> bool:
    """Whether the last call ended the training whose results are in a folder."""
    result = folder / METRICS
    return result.exists() and bool(read_json(result).get(LAST_CALL))


def last_call_notes(root: Path) -> list[str]:
    """A sentence for `status` and the report where trainings were ended."""
    if read_last_call(root) is None:
        return []
    ended = sum(map(was_called, root.glob("trials/*/seed*")))
    if not ended:
        return []
    many = "1 training was" if ended == 1 else f"{ended} trainings were"
    return [
        f"{many} ended by the last call, so that nothing waits for stragglers; such a "
        "trial counts as failed."
    ]
