"""The warm start of a campaign: the trials of another one, read and kept.

They are copied beside the journal before the first ask, so a replay does not need the
other campaign, and what it does later changes nothing.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collinear.campaign.config import Campaign
from collinear.campaign.files import digest, read_json, write_json
from collinear.campaign.journal import Journal
from collinear.campaign.schema import ConfigError
from collinear.search import (
    EarlierTrial,
    Goal,
    Prior,
    Result,
    SearchSpace,
    Status,
    StrategyError,
    make_prior,
)

_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


def read_prior(campaign: Campaign, root: Path | None) -> Prior | None:
    """The earlier trials on the grid of today, from the copy when there is one."""
    if campaign.warm_start is None:
        return None
    kept = _kept_copy(campaign, root) if root is not None else None
    if root is not None and kept is not None and not kept.exists():
        _check_other(Path(campaign.warm_start), root)
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


def _check_other(earlier: Path, root: Path) -> None:
    """Checks that a campaign does not start from itself."""
    own = (root.resolve(), (root / "report/trials.tsv").resolve())
    if earlier.resolve() in own:
        raise ConfigError(
            f"warm_start: {earlier} is of this campaign itself, and its trials count "
            "already; name another campaign, or leave it out"
        )


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
    try:
        if path.is_dir() and (path / "settings.json").exists():
            return _read_campaign(path)
        if path.is_file() and path.suffix == ".tsv":
            return _read_table(path)
        if path.is_file() and path.suffix == ".json":
            return _read_records(path)
    except ConfigError:
        raise
    except (OSError, *_MALFORMED) as error:
        raise ConfigError(
            f"warm_start: {path} cannot be read as the trials of a campaign ({error!r})"
        ) from error
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
    except _MALFORMED as error:
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
