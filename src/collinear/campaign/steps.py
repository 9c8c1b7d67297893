"""One step of a lane: ask for candidates, later tell their results."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collinear.campaign.config import Campaign
from collinear.campaign.digests import freeze, scoring_digest, search_digest
from collinear.campaign.files import read_json, write_json, write_text
from collinear.campaign.finals import finals_batch
from collinear.campaign.journal import (
    FINALS,
    Journal,
    Step,
    control_of,
    control_records,
    is_empty,
    proposals_of,
)
from collinear.campaign.last_call import announce, withdraw
from collinear.campaign.stages import SCORE
from collinear.campaign.steering import (
    CLOCK,
    REMOVED,
    Ending,
    ending,
    finished,
    propose,
    removed,
    trials_left,
)
from collinear.campaign.stopped import current_table, rung_records
from collinear.campaign.trials import (
    TrialName,
    candidates_table,
    point_name,
    trial_files,
)
from collinear.campaign.warm_start import keep_earlier
from collinear.search import History, Proposal, Result, Status, search_only


def journal_of(root: Path) -> Journal:
    """The journal of the campaign in `root`."""
    return Journal(root / "history")


def first_batches(
    campaign: Campaign, root: Path | None = None
) -> dict[str, tuple[Proposal, ...]]:
    """Step 0 of every lane: a pure function of the configuration (and a warm start).

    The batch of an empty history is asked once for all lanes and dealt out in slices,
    so that the first dry run shows it and no two lanes get the same trial.
    """
    wanted = min(campaign.lanes * campaign.batch, campaign.search_trials)
    proposals = propose(campaign, root, History(), wanted)
    # A short batch (few start points) is spread evenly instead of starving late lanes.
    share, extra = divmod(len(proposals), campaign.lanes)
    batches, start = {}, 0
    for index, lane in enumerate(campaign.lane_names):
        stop = start + share + (index < extra)
        batches[lane] = tuple(proposals[start:stop])
        start = stop
    return batches


def first_trials(campaign: Campaign, root: Path, lane: str) -> list[TrialName] | None:
    """Trials of step 0 of a lane, or None when only the checkpoint can know them."""
    journal = journal_of(root)
    entry = journal.asked(Step(lane, 0))
    if entry is not None:
        proposals = proposals_of(entry)
    elif journal.entries():
        return None  # a lane that was added to a running campaign
    else:
        proposals = first_batches(campaign, root)[lane]
    return [TrialName(point_name(p.point), p.seed) for p in proposals]


def lanes_of(campaign: Campaign, root: Path) -> list[str]:
    """The lanes of today, and those that had asked when there were more of them."""
    return sorted({*campaign.lane_names, *journal_of(root).lanes})


def told_trials(root: Path) -> list[TrialName]:
    """Trials whose results are in the journal, in the order in which they were told."""
    results = journal_of(root).history().results
    return [TrialName(point_name(r.point), r.seed) for r in results]


def candidates(campaign: Campaign, root: Path, step: Step, table: Path) -> None:
    """Publishes the batch of a step, asking for it if the journal does not have it.

    An empty table means that this lane is over. A lane that ended because the budget
    was spent, the strategy had finished or the lane was removed goes on when those
    settings are changed.
    """
    freeze(campaign, root)
    journal = journal_of(root)
    with journal.locked():
        entry = journal.asked(step)
        if entry is None or _reopens(entry, campaign, step):
            entry = _ask(campaign, root, journal, step)
    rows = candidates_table(campaign, proposals_of(entry), control_of(entry))
    write_text(table, rows)


def candidates_key(campaign: Campaign, root: Path, step: Step) -> str:
    """What the table of a step depends on besides the results before it.

    It is the digest of the search that asked for the batch. Only a lane that is over
    depends on the digest of today, so a new budget reopens it and disturbs nothing;
    and whether the lane is one of today's.
    """
    entry = journal_of(root).asked(step)
    if entry is not None and not is_empty(entry):
        return str(entry["search"])
    today = search_digest(campaign)
    if removed(campaign, step.lane) is None:
        return today
    ended_before = (
        entry is not None and not _ended_as_removed(entry) and entry["search"] == today
    )
    return today if ended_before else f"{today} removed"


def _reopens(entry: dict[str, Any], campaign: Campaign, step: Step) -> bool:
    if not is_empty(entry):
        return False
    back = _ended_as_removed(entry) and removed(campaign, step.lane) is None
    return back or entry["search"] != search_digest(campaign)


def _ended_as_removed(entry: dict[str, Any]) -> bool:
    return bool(entry.get("ending", {}).get("rule") == REMOVED)


def _ask(
    campaign: Campaign, root: Path, journal: Journal, step: Step
) -> dict[str, Any]:
    if step.lane == FINALS:
        return _ask_finals(campaign, root, journal, step)
    now = time.time()
    context: dict[str, Any] = {"search": search_digest(campaign)}
    if campaign.stop.hours is not None:
        context[CLOCK] = now
    keep_earlier(campaign, root)
    if not journal.entries():
        # All lanes at once: another lane may ask again before a slow one has begun.
        for lane, batch in first_batches(campaign, root).items():
            journal.record_asked(Step(lane, 0), batch, **context)
        entry = journal.asked(step)
        if entry is not None:
            return entry
    table = current_table(campaign, journal)
    if table is not None:
        context["stop"] = table
    proposals: tuple[Proposal, ...] = ()
    ended = removed(campaign, step.lane)
    if ended is None:
        proposals, ended = next_batch(campaign, root, journal, now)
    if ended is not None:
        context["ending"] = asdict(ended)
    entry = journal.record_asked(step, proposals, **context)
    if ended is None:
        withdraw(root)
    elif ended.rule != REMOVED:  # the other lanes are not over
        announce(campaign, root, journal, now)
    return entry


def next_batch(
    campaign: Campaign, root: Path, journal: Journal, now: float
) -> tuple[tuple[Proposal, ...], Ending | None]:
    """What a lane asks next: at most a batch, aware of all that other lanes wait for.

    Args:
        campaign: The campaign.
        root: Its folder.
        journal: Everything asked and told, step 0 of every lane included.
        now: Unix time, for ``stop.hours``.

    Returns:
        The batch, and why there is none when it is empty.
    """
    ended = ending(campaign, root, journal, now)
    if ended is not None:
        return (), ended
    history = journal.history()
    size = min(campaign.batch, trials_left(campaign, history))
    proposals = propose(campaign, root, search_only(history), size)
    return proposals, None if proposals else finished()


def _ask_finals(
    campaign: Campaign, root: Path, journal: Journal, step: Step
) -> dict[str, Any]:
    batch = finals_batch(campaign, root, journal)
    context: dict[str, Any] = {"search": search_digest(campaign)}
    if batch.note is not None:
        context["note"] = batch.note
    control = [{"point": name.point, "seed": name.seed} for name in batch.control]
    return journal.record_asked(step, batch.proposals, **context, control=control)


def update(campaign: Campaign, root: Path, step: Step, target: Path) -> dict[str, Any]:
    """Tells the results of a step and publishes what was told.

    Returns:
        The told entry.
    """
    journal = journal_of(root)
    scoring = scoring_digest(campaign)
    with journal.locked():
        # Step 0 may be told before its table is published: its update does not wait for
        # the checkpoint, because both follow from the configuration.
        asked = journal.asked(step) or _ask(campaign, root, journal, step)
        entry = journal.told(step)
        if entry is None or entry["scoring"] != scoring:
            results = [read_result(root, p) for p in proposals_of(asked)]
            context: dict[str, Any] = {}
            rungs = rung_records(root, proposals_of(asked))
            if rungs:
                context["rungs"] = rungs
            if control := control_of(asked):
                outcomes = [read_named_result(root, name) for name in control]
                context["control"] = control_records(control, outcomes)
            entry = journal.record_told(step, results, scoring, **context)
    write_json(target, entry)
    return entry


def read_result(root: Path, proposal: Proposal) -> Result:
    """The outcome of a trial from its score file."""
    name = TrialName(point_name(proposal.point), proposal.seed)
    record = read_json(trial_files(root, name).folder / SCORE)
    return Result(
        proposal.point, proposal.seed, Status(record["status"]), record["values"]
    )


def read_named_result(root: Path, name: TrialName) -> Result:
    """The outcome of a trial that may lie off the grid (its point is then empty)."""
    record = read_json(trial_files(root, name).folder / SCORE)
    return Result((), name.seed, Status(record["status"]), record["values"])
