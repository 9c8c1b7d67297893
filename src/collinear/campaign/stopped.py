"""Stopping hopeless trials in a campaign: the table, its copy in a trial, what it gave.

The told entries of the journal hold what finished trials scored at the rungs, and the
asked entry that first proposes a trial holds the table that follows from all told
before. The first start of the trial copies it into ``work/stop.json``: what a trial
does depends on that file only, so a restart of any part changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collinear.campaign.clocks import read_jobs
from collinear.campaign.config import Campaign
from collinear.campaign.digests import scoring_digest
from collinear.campaign.files import read_json
from collinear.campaign.journal import FINALS, Journal, results_of
from collinear.campaign.outcome import METRICS
from collinear.campaign.program import STOP
from collinear.campaign.sections import Stopping
from collinear.campaign.trials import (
    TrialName,
    conventional_trial,
    point_name,
    trial_files,
)
from collinear.search import Goal, Proposal, Result, Status, search_only
from collinear.training.stop_replay import risk_interval
from collinear.training.stopping import FinishedCurve, is_audited, make_table


def current_table(campaign: Campaign, journal: Journal) -> dict[str, Any] | None:
    """The stop table of a batch asked now; None when stopping is off.

    A pure function of the configuration and the journal. Only trials that ended by
    themselves teach a margin, and only those that were scored as today.
    """
    stopping = campaign.stopping
    if stopping is None:
        return None
    history = search_only(journal.history())
    best = history.incumbent(campaign.goal)
    table = make_table(
        stopping.plan,
        _finished_curves(campaign, stopping, journal),
        value=stopping.value,
        incumbent=best.values.get(stopping.value) if best else None,
        lower_is_better=_lower_is_better(campaign, stopping),
    )
    return {**table.as_json(), "scoring": scoring_digest(campaign)}


def _lower_is_better(campaign: Campaign, stopping: Stopping) -> bool:
    goal = campaign.goal
    return goal.lower_is_better if stopping.value == goal.objective else True


def _finished_curves(
    campaign: Campaign, stopping: Stopping, journal: Journal
) -> list[FinishedCurve]:
    today = scoring_digest(campaign)
    curves = []
    for entry in journal.entries():
        if "results" not in entry or entry["lane"] == FINALS:
            continue
        records = {(r["point"], r["seed"]): r for r in entry.get("rungs", ())}
        for result in results_of(entry):
            record = records.get((point_name(result.point), result.seed))
            final = result.values.get(stopping.value)
            if record is None or final is None or result.status is not Status.DONE:
                continue
            if record["scoring"] == entry["scoring"] == today:
                found = dict(map(tuple, record["values"]))
                values = tuple(found.get(epoch) for epoch in stopping.plan.rungs)
                curves.append(FinishedCurve(values, final))
    return curves


def trial_table(
    campaign: Campaign, root: Path, name: TrialName
) -> dict[str, Any] | None:
    """What the first start of a trial copies into its folder; None: no rungs at all.

    Fresh runs of the finals are never stopped, nor is the conventional setting: both
    are there to be compared. The latter is scored at the rungs, because on the grid it
    is also a trial of the search.
    """
    stopping = campaign.stopping
    if stopping is None:
        return None
    journal = Journal(root / "history")
    entry = _first_asked(journal, name)
    if entry is not None and entry["lane"] == FINALS:
        return None
    if entry is not None and "stop" in entry and name != conventional_trial(campaign):
        table = dict(entry["stop"])
    else:  # step 0 may start before it is journalled; there is nothing known then
        empty = make_table(
            stopping.plan,
            [],
            value=stopping.value,
            incumbent=None,
            lower_is_better=_lower_is_better(campaign, stopping),
        )
        table = {**empty.as_json(), "scoring": scoring_digest(campaign)}
    trial = f"{name.point}/seed{name.seed}"
    return table | {"run_on": is_audited(campaign.seed, trial, stopping.audit)}


def _first_asked(journal: Journal, name: TrialName) -> dict[str, Any] | None:
    for entry in journal.entries():
        asked = [*entry.get("trials", ()), *entry.get("control", ())]
        if "results" not in entry and any(
            (t["point"], t["seed"]) == (name.point, name.seed) for t in asked
        ):
            return entry
    return None


def rung_records(root: Path, proposals: Sequence[Proposal]) -> list[dict[str, Any]]:
    """What told trials scored at their rungs, for the told entry of the journal."""
    records = []
    for proposal in proposals:
        name = TrialName(point_name(proposal.point), proposal.seed)
        files = trial_files(root, name)
        table, metrics = files.work / STOP, files.folder / METRICS
        if not (table.exists() and metrics.exists()):
            continue
        rungs = read_json(metrics).get("rungs") or []
        if rungs:
            records.append(
                {
                    "point": name.point,
                    "seed": name.seed,
                    "scoring": read_json(table).get("scoring"),
                    "values": [[float(r["epoch"]), r["value"]] for r in rungs],
                }
            )
    return records


@dataclass(frozen=True)
class JudgedTrial:
    """A trial that was found hopeless at a rung.

    Attributes:
        trial: Folder of the trial, ``{point}/seed{n}``.
        status: Outcome; `done` for the audit.
        epoch: The rung.
        value: What it scored there.
        threshold: What it should not have been worse than.
        audited: Whether it ran on as part of the audit.
        final: Its final value where it ran on, or None.
        incumbent: The final value that it was judged by.
        lost: Whether that is better than the incumbent and within the limits.
        hours_saved: GPU hours that its end saved, or None where the program does not
            say of how many epochs.
    """

    trial: str
    status: str
    epoch: float
    value: float
    threshold: float | None
    audited: bool
    final: float | None
    incumbent: float | None
    lost: bool
    hours_saved: float | None


@dataclass(frozen=True)
class StoppingSummary:
    """What stopping gave and what it cost.

    Attributes:
        judged: The trials that were found hopeless.
        hours_used: GPU hours of all trainings.
        rungs_seen: Trials that recorded rungs.
    """

    judged: tuple[JudgedTrial, ...]
    hours_used: float
    rungs_seen: int

    @property
    def stopped(self) -> tuple[JudgedTrial, ...]:
        return tuple(t for t in self.judged if t.status == Status.STOPPED)

    @property
    def audited(self) -> tuple[JudgedTrial, ...]:
        """Those of the audit with a final value."""
        return tuple(t for t in self.judged if t.audited and t.final is not None)

    @property
    def lost(self) -> int:
        """Audited trials that ended better than the incumbent they were judged by."""
        return sum(t.lost for t in self.audited)

    @property
    def hours_saved(self) -> float:
        return sum(t.hours_saved or 0.0 for t in self.stopped)


def summarise_stopping(campaign: Campaign, root: Path) -> StoppingSummary | None:
    """What stopping did so far; None for a campaign without it."""
    if campaign.stopping is None:
        return None
    jobs = read_jobs(root)
    seconds: dict[str, float] = {}
    for job in jobs:
        seconds[job.trial] = seconds.get(job.trial, 0.0) + job.seconds
    judged, seen = [], 0
    for path in sorted((root / "trials").glob(f"*/seed*/work/{STOP}")):
        trial = path.parent.parent
        metrics = trial / METRICS
        if not metrics.exists():
            continue
        record = read_json(metrics)
        seen += bool(record.get("rungs"))
        name = f"{trial.parent.name}/{trial.name}"
        found = _judged(
            name, record, read_json(path), trial, seconds.get(name), campaign.goal
        )
        if found is not None:
            judged.append(found)
    return StoppingSummary(tuple(judged), sum(seconds.values()) / 3600, seen)


def _judged(
    name: str,
    record: dict[str, Any],
    table: dict[str, Any],
    folder: Path,
    seconds: float | None,
    goal: Goal,
) -> JudgedTrial | None:
    hit = next((r for r in record.get("rungs") or () if r.get("hopeless")), None)
    if hit is None:
        return None
    thresholds = {r["epoch"]: r["threshold"] for r in table["rungs"]}
    stopped = record["status"] == Status.STOPPED
    score = folder / "score.json"
    values = read_json(score).get("values", {}) if score.exists() else {}
    done, planned = record.get("epochs"), record.get("planned_epochs")
    saved = None
    # The program's own time where it tells it: a start is not saved by stopping.
    told = record.get("seconds")
    trained = told if isinstance(told, int | float) else seconds
    if stopped and trained is not None and done and planned:
        saved = trained / 3600 * (planned / done - 1)
    final, incumbent = values.get(table["value"]), table["incumbent"]
    if stopped or record["status"] != Status.DONE:
        final = None
    sign = 1 if table["lower_is_better"] else -1
    # One that breaks a limit is never the best, so it could not have been lost.
    usable = goal.feasible(Result((), 1, Status.DONE, values))
    lost = (
        final is not None
        and incumbent is not None
        and usable
        and sign * final < sign * incumbent
    )
    return JudgedTrial(
        trial=name,
        status=record["status"],
        epoch=float(hit["epoch"]),
        value=hit["value"],
        threshold=thresholds.get(hit["epoch"]),
        audited=bool(table["run_on"]),
        final=final,
        incumbent=incumbent,
        lost=lost,
        hours_saved=saved,
    )


def stopping_notes(campaign: Campaign, root: Path) -> list[str]:
    """Sentences for `status` and the report: hours saved, audit, risk."""
    found = summarise_stopping(campaign, root)
    if found is None:
        return []
    if not found.rungs_seen:
        return ["Stopping is on, but no finished trial has recorded rungs so far."]
    whole = found.hours_used + found.hours_saved
    share = found.hours_saved / whole if whole else 0.0
    notes = [
        f"{_trials(len(found.stopped))} stopped as hopeless, which saved "
        f"{found.hours_saved:.3g} GPU hours ({share:.0%} of the trainings)."
    ]
    unknown = sum(t.hours_saved is None for t in found.stopped)
    if unknown:
        notes.append(f"For {unknown} of them it is not known how much was left.")
    n = len(found.audited)
    if n:
        high = risk_interval(found.lost, n)[1]
        notes.append(
            f"Of the hopeless trials {n} ran on as an audit, and {found.lost} of them "
            "ended better than the best trial they were judged by: a stopped trial "
            f"would have done so with a probability of {found.lost / n:.2g}, at most "
            f"{high:.2g} (95 % interval)."
        )
    elif found.stopped:
        notes.append("No hopeless trial was part of the audit, so the risk is unknown.")
    return notes


def _trials(n: int) -> str:
    return "1 trial was" if n == 1 else f"{n} trials were"


def stopping_table(campaign: Campaign, root: Path) -> str:
    """The trials that were found hopeless, as tab-separated text."""
    names = list(JudgedTrial.__dataclass_fields__)
    lines = ["\t".join(names)]
    found = summarise_stopping(campaign, root)
    for trial in found.judged if found else ():
        cells = [getattr(trial, name) for name in names]
        lines.append("\t".join("" if c is None else str(c) for c in cells))
    return "\n".join(lines) + "\n"
