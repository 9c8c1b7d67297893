"""The race of pretrainings: which variant goes on, and why; its state moves over.

In `pretrain/race`, `{variant}/work` is where a variant runs, and `{variant}/race.json`
is what it showed. The choice is made once: `decided.json` is its record, which no rule
declares, and `choice.json` its published copy.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collinear.campaign.config import Campaign
from collinear.campaign.files import locked, publish, read_json, write_json
from collinear.campaign.outcome import ProgramError
from collinear.campaign.program import STOP
from collinear.campaign.race_plan import PretrainRace, variant_settings
from collinear.campaign.trials import program_input
from collinear.search import Status

if TYPE_CHECKING:
    from collinear.training.race import Ranked, Variant

RECORD, CHOICE, DECIDED = "race.json", "choice.json", "decided.json"
"""Of a variant; the published choice; its record."""
_OF_THE_RUN = ("settings.json", STOP, "lock", "attempts.jsonl", RECORD)
"""Files in `work` that are not the program's training state."""


def race_folder(root: Path) -> Path:
    """Return the folder of the race of a campaign."""
    return root / "pretrain" / "race"


def variant_input(campaign: Campaign, name: str) -> dict[str, Any]:
    """Return what `pretrain_variant` reads from ``--config``."""
    race = _race_of(campaign)
    given = program_input(campaign)
    own = given["settings"]
    return {
        **given,
        "settings": variant_settings(race, own, name),
        "race": {**race.length, "settings": own},
    }


def check_record(record: Mapping[str, Any], path: Path) -> None:
    """Check what a variant has written.

    Raises:
        ProgramError: It breaks the contract of docs/application.md.
    """
    status = record.get("status")
    if status == Status.FAILED:  # written by the workflow
        return
    if status not in (Status.DONE, Status.DIVERGED):
        raise ProgramError(f"{path}: status must be done or diverged, got {status!r}")
    if status == Status.DIVERGED:
        return
    losses = record.get("losses")
    if not isinstance(losses, list) or not losses or not all(map(_is_finite, losses)):
        raise ProgramError(f"{path}: losses must be finite numbers, but got {losses!r}")
    for key in ("seconds", "interval", "longest"):
        value: Any = record.get(key)
        if not _is_finite(value) or not value > 0:
            raise ProgramError(f"{path}: {key} must be above 0, but got {value!r}")
    if record["longest"] < len(losses):
        raise ProgramError(
            f"{path}: longest ({record['longest']}) counts the intervals of a whole "
            f"pretraining, but {len(losses)} have run already"
        )


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def decide_race(campaign: Campaign, root: Path) -> dict[str, Any]:
    """Make the choice, or find it made, and publish it.

    Raises:
        ProgramError: Every variant diverged or failed.
    """
    folder = race_folder(root)
    with locked(folder / "decided.lock"):
        if not (folder / DECIDED).exists():
            race = _race_of(campaign)
            records = {n: read_json(folder / n / RECORD) for n in race.names}
            write_json(folder / DECIDED, choose(race, records))
        publish(folder / DECIDED, folder / CHOICE)
    return dict(read_json(folder / DECIDED))


def choose(
    race: PretrainRace, records: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Rank the variants: the one that goes on, and why. A pure function.

    Args:
        race: The race.
        records: What each variant has shown, see docs/application.md.

    Returns:
        `winner`, `by` ("prediction" or "last"), `why`, `wall_seconds`, and `ranking`,
        the best first, with the curve of each.

    Raises:
        ProgramError: Every variant diverged or failed.
    """
    from collinear.training.race import Variant, rank, rank_by_last

    variants = [
        Variant(
            name,
            tuple(records[name]["losses"]) if _ran(records[name]) else (),
            records[name]["seconds"] if _ran(records[name]) else math.nan,
            int(records[name]["longest"]) if _ran(records[name]) else None,
        )
        for name in race.names
    ]
    if all(variant.diverged for variant in variants):
        told = "; ".join(
            f"{n} {records[n]['status']} ({records[n].get('reason') or 'no reason'})"
            for n in race.names
        )
        raise ProgramError(
            "pretrain_race: no variant can go on, because every one diverged or "
            f"failed: {told}. Start a campaign under another name with other variants, "
            "such as lower learning rates"
        )
    last = rank_by_last(variants, same_time=race.wall_seconds is not None)
    obstacles = _obstacles(race, variants)
    ranked = last if obstacles else rank(variants, race.wall_seconds)
    return {
        "status": Status.DONE.value,
        "winner": ranked[0].name,
        "by": "last" if obstacles else "prediction",
        "why": _why(race, ranked, records, obstacles),
        "wall_seconds": race.wall_seconds,
        "by_last": [place.name for place in last],
        "ranking": [_row(race, place, records[place.name]) for place in ranked],
    }


def _ran(record: Mapping[str, Any]) -> bool:
    return bool(record["status"] == Status.DONE)


def _obstacles(race: PretrainRace, variants: Sequence[Variant]) -> list[str]:
    """Why variants are not ranked by their predicted ends; empty where they are."""
    if race.rank_by == "last":
        return ["rank_by is last"]
    found = _uncontinued(variants, race.wall_seconds)
    if found or race.rank_by == "prediction":
        return found
    from collinear.training.race import continues_well

    alone = sum(not variant.diverged for variant in variants) == 1
    if alone or continues_well(variants, same_time=race.wall_seconds is not None):
        return []
    return [
        "the first half of the race did not predict the order at its end better than "
        "last losses did"
    ]


def _uncontinued(variants: Sequence[Variant], wall_seconds: float | None) -> list[str]:
    """Why curves cannot be continued; empty where they can."""
    from collinear.training.continuation import LEAST_EPOCHS, MOST_NOISE, noise_share

    found = []
    for variant in variants:
        if variant.diverged:
            continue
        share = noise_share(variant.losses)
        if len(variant.losses) < LEAST_EPOCHS:
            found.append(
                f"{variant.name} has {len(variant.losses)} losses, fewer than "
                f"{LEAST_EPOCHS}"
            )
        elif share > MOST_NOISE:
            found.append(
                f"{variant.name} jumps from loss to loss by {share:.0%} of its fall, "
                f"above {MOST_NOISE:.0%}"
            )
        elif wall_seconds is not None and wall_seconds < variant.seconds:
            found.append(
                f"{variant.name} has no loss within {wall_seconds:g} s, one takes it "
                f"{variant.seconds:.3g} s"
            )
    return found


def _why(
    race: PretrainRace,
    ranked: Sequence[Ranked],
    records: Mapping[str, Mapping[str, Any]],
    obstacles: Sequence[str],
) -> str:
    """One or two sentences for people."""
    best, rest = ranked[0], [r for r in ranked[1:] if r.prediction is not None]
    assert best.prediction is not None
    at = best.epochs * records[best.name]["interval"]
    value = f"{best.prediction.value:.4g}"
    if obstacles:
        words = (
            f"Ranked by the mean of the last losses, not by predicted ends "
            f"({'; '.join(obstacles)}): {best.name} had {value} after {at:.4g} epochs"
        )
    else:
        words = f"{best.name} is predicted to have {value} after {at:.4g} epochs"
        if race.wall_seconds is not None:
            ended = best.epochs * records[best.name]["seconds"]
            words += f", {min(race.wall_seconds, ended):g} s after its start"
    if not rest:
        return f"{words}; no other variant can go on."
    second = rest[0]
    assert second.prediction is not None
    gap = second.prediction.value - best.prediction.value
    words += f", {second.name} {second.prediction.value:.4g}"
    if gap == 0:
        words += "; they are equal, so the one that is named first goes on"
    elif not obstacles and gap <= best.prediction.error + second.prediction.error:
        words += "; the difference is within the errors of the two fits"
    return f"{words}."


def _row(
    race: PretrainRace, place: Ranked, record: Mapping[str, Any]
) -> dict[str, Any]:
    found = place.prediction
    return {
        "name": place.name,
        "changes": dict(race.variants[place.name]),
        "status": record["status"],
        "reason": record.get("reason"),
        "losses": record.get("losses", []),
        "interval": record.get("interval"),
        "seconds": record.get("seconds"),
        "spent_seconds": record.get("spent_seconds"),
        "longest": record.get("longest"),
        "judged_at": place.epochs if found else None,
        "value": found.value if found else None,
        "error": found.error if found else None,
        "form": found.form if found else None,
    }


def adopt_winner(campaign: Campaign, root: Path) -> dict[str, Any]:
    """Copy the winner's training state to the pretraining, once.

    Returns:
        What the pretraining reads from ``--config``: the winner's settings.

    Raises:
        ProgramError: The state of the winner is gone.
    """
    race, folder = _race_of(campaign), race_folder(root)
    winner = read_json(folder / DECIDED)["winner"]
    work, source = root / "pretrain" / "work", folder / winner / "work"
    with locked(folder / "decided.lock"):
        if not work.exists():
            if not source.is_dir():
                raise ProgramError(
                    f"{source}: the training state of the winner is gone; delete "
                    f"{folder / winner} and {folder / DECIDED} to run it again"
                )
            copied = work.with_name(".work.tmp")
            shutil.rmtree(copied, ignore_errors=True)
            ignored = shutil.ignore_patterns(*_OF_THE_RUN)
            shutil.copytree(source, copied, ignore=ignored)
            copied.rename(work)
    given = program_input(campaign)
    return {**given, "settings": variant_settings(race, given["settings"], winner)}


def race_notes(campaign: Campaign, root: Path) -> list[str]:
    """Return sentences for status and report; none without a race."""
    race, folder = campaign.pretrain_race, race_folder(root)
    if race is None:
        return []
    if not (folder / DECIDED).exists():
        over = sum((folder / n / "work" / RECORD).exists() for n in race.names)
        return [
            f"pretraining race: {over} of {len(race.names)} variants have run "
            f"({', '.join(race.names)})"
        ]
    found = read_json(folder / DECIDED)
    place = next(r for r in found["ranking"] if r["name"] == found["winner"])
    spent = [row["spent_seconds"] for row in found["ranking"]]
    words = f"pretraining race: {found['winner']} of {len(race.names)} goes on"
    if all(map(_is_finite, spent)):
        lost = sum(spent) - place["spent_seconds"]
        words += f"; the others took {lost / 3600:.3g} GPU hours"
    return [f"{words}. {found['why']}"]


def _race_of(campaign: Campaign) -> PretrainRace:
    assert campaign.pretrain_race is not None
    return campaign.pretrain_race
