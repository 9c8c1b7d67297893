"""What steers a campaign besides its strategy: warm start, queue and stop rules.

The journal keeps every decision that depends on more than the configuration and the
results: the earlier trials of a warm start are copied beside it before the first ask,
and the empty batch that ends a lane says why. So a replay needs neither the other
campaign nor a clock.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collinear.campaign.clocks import read_jobs
from collinear.campaign.config import Campaign
from collinear.campaign.digests import search_digest
from collinear.campaign.files import digest, read_json, write_json
from collinear.campaign.journal import FINALS, Journal
from collinear.campaign.schema import ConfigError
from collinear.search import (
    Anova,
    EarlierTrial,
    Goal,
    History,
    Prior,
    Proposal,
    Result,
    SearchSpace,
    Status,
    Strategy,
    StrategyError,
    ask_with_queue,
    little_left,
    make_prior,
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


def read_prior(campaign: Campaign, root: Path | None) -> Prior | None:
    """The earlier trials on the grid of today, from the copy when there is one."""
    if campaign.warm_start is None:
        return None
    kept = _kept_copy(campaign, root) if root is not None else None
    if kept is not None and kept.exists():
        rows = read_json(kept)["trials"]
    else:
        rows = read_earlier(Path(campaign.warm_start))
    trials = [
        EarlierTrial(row["params"], _cost(row, campaign.goal), _feasible(row, campaign))
        for row in rows
    ]
    try:
        prior = make_prior(trials, campaign.space)
        campaign.strategy(prior)
    except StrategyError as error:
        raise ConfigError(f"warm_start: {campaign.warm_start}: {error}") from error
    return prior


def describe_prior(campaign: Campaign, root: Path) -> str | None:
    """What a warm start took over, in words; None without one."""
    prior = read_prior(campaign, root)
    if prior is None:
        return None
    left_out = f", {prior.skipped} trials off the grid skipped" if prior.skipped else ""
    return f"warm start from {len(prior.points)} earlier settings{left_out}"


def keep_earlier(campaign: Campaign, root: Path) -> None:
    """Copies the earlier trials beside the journal, once. Call it with the lock held.

    What the other campaign does afterwards changes nothing here.
    """
    if campaign.warm_start is None:
        return
    kept = _kept_copy(campaign, root)
    if not kept.exists():
        rows = read_earlier(Path(campaign.warm_start))
        write_json(kept, {"from": campaign.warm_start, "trials": rows})


def _kept_copy(campaign: Campaign, root: Path) -> Path:
    name = digest(campaign.warm_start)[:8]
    return root / "history" / f"warm_start-{name}.json"


def read_earlier(path: Path) -> list[dict[str, Any]]:
    """The trials of another campaign.

    Args:
        path: Folder of a campaign (``results/NAME``), the ``trials.tsv`` of its
            report, or a JSON file of what is returned here, under ``trials``.

    Returns:
        For each told trial its ``params``, ``status`` and ``values``.

    Raises:
        ConfigError: There is no campaign or table at `path`.
    """
    if path.is_dir() and (path / "settings.json").exists():
        return _read_campaign(path)
    if path.is_file() and path.suffix == ".tsv":
        return _read_table(path)
    if path.is_file() and path.suffix == ".json":
        return _read_records(path)
    raise ConfigError(
        "warm_start: must be the folder of a started campaign, such as results/NAME, "
        "the trials.tsv of its report, or a JSON file of trials, but got "
        f"{str(path)!r}"
    )


def _read_records(path: Path) -> list[dict[str, Any]]:
    try:
        return [
            {
                "params": {n: _finite(v, n) for n, v in trial["params"].items()},
                "status": str(trial["status"]),
                "values": {n: _or_none(v) for n, v in trial["values"].items()},
            }
            for trial in read_json(path)["trials"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"warm_start: {path} must hold {{trials: [{{params, status, values}}]}} "
            f"with numbers, but reading it failed: {error!r}"
        ) from error


def _read_campaign(root: Path) -> list[dict[str, Any]]:
    space = SearchSpace.from_values(read_json(root / "settings.json")["space"])
    results = Journal(root / "history").history().results
    return [
        {
            "params": space.params(r.point),
            "status": r.status.value,
            "values": dict(r.values),
        }
        for r in results
    ]


def _read_table(path: Path) -> list[dict[str, Any]]:
    """Columns as in a report: settings before status, values after feasible."""
    with open(path, newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        columns = list(reader.fieldnames or ())
        if not {"seed", "status", "feasible"} <= set(columns):
            raise ConfigError(
                f"warm_start: {path} must have the columns of a report's trials.tsv "
                f"(seed, settings, status, feasible, values), but has {columns}"
            )
        first, last = columns.index("seed") + 1, columns.index("status")
        values = columns[columns.index("feasible") + 1 :]
        return [
            {
                "params": {n: _param(row[n], path, n) for n in columns[first:last]},
                "status": row["status"],
                "values": {n: _number(row[n], path, n) for n in values},
            }
            for row in reader
        ]


def _finite(value: Any, name: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, but is {value!r}")
    return number


def _or_none(value: Any) -> float | None:
    """A recorded number; NaN and infinities are none."""
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)


def _number(text: str | None, path: Path, column: str) -> float | None:
    try:
        return _or_none(text or None)
    except ValueError:
        raise _no_number(text, path, column) from None


def _param(text: str | None, path: Path, column: str) -> float:
    try:
        return _finite(text or "", column)
    except ValueError:
        raise _no_number(text, path, column) from None


def _no_number(text: str | None, path: Path, column: str) -> ConfigError:
    return ConfigError(
        f"warm_start: {path}: column {column} must hold numbers, but got {text!r}"
    )


def _result(row: Mapping[str, Any]) -> Result:
    try:
        return Result((), 1, Status(row["status"]), row["values"])
    except ValueError:
        raise ConfigError(
            f"warm_start: a status must be one of {[s.value for s in Status]}, but got "
            f"{row['status']!r}"
        ) from None


def _cost(row: Mapping[str, Any], goal: Goal) -> float | None:
    if goal.objective not in row["values"]:
        raise ConfigError(
            f"warm_start: the earlier trials must have a value {goal.objective!r}, but "
            f"have {sorted(row['values'])}"
        )
    return goal.cost(_result(row))


def _feasible(row: Mapping[str, Any], campaign: Campaign) -> bool:
    return campaign.goal.feasible(_result(row))


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
    finals = campaign.max_trials - campaign.search_trials
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
