"""What may change between two starts of a campaign, and what may not.

Three digests (docs/campaign.md): *space* and *training* are frozen at the first start,
because another value would mix results that cannot be compared; *scoring* may change
and rescores without training. Budget, lanes, batch, limits, strategy and profile are
in none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collinear.campaign.config import Campaign
from collinear.campaign.designs import pretrain_folder
from collinear.campaign.files import digest, read_json, write_json
from collinear.campaign.schema import ConfigError
from collinear.campaign.sections import StopRules
from collinear.campaign.trials import CONVENTIONAL, conventional_trial, trial_files

# Raise by hand when a change of the workflow changes what a training computes.
TRAIN_RECIPE = 1
# Raise by hand when a change of the workflow changes what a score computes.
SCORE_RECIPE = 2


def frozen_settings(campaign: Campaign) -> dict[str, Any]:
    """The settings that may not change once a campaign has started."""
    application = campaign.application
    race = campaign.pretrain_race
    # Only where there is one, so that older campaigns keep their digest.
    more: dict[str, Any] = (
        {"race": {**race.recipe(), "command": list(application.pretrain_variant or ())}}
        if race is not None
        else {}
    )
    if campaign.pretrain_axes:
        more["pretrain_axes"] = list(campaign.pretrain_axes)
    return {
        "space": {axis.name: list(axis.values) for axis in campaign.space.axes},
        "training": {
            "recipe": TRAIN_RECIPE,
            "seed": campaign.seed,
            "threads": campaign.threads,
            "pretrain": list(application.pretrain),
            "finetune": list(application.finetune),
            "init": application.init,
            "settings": dict(application.settings),
            **more,
        },
    }


def training_digest(campaign: Campaign) -> str:
    """Digest of everything that changes what a training computes."""
    return digest(frozen_settings(campaign)["training"])


def scoring_digest(campaign: Campaign) -> str:
    """Digest of everything that changes a score but no training."""
    application = campaign.application
    return digest(
        {
            "recipe": SCORE_RECIPE,
            "score": list(application.score) if application.score else None,
            "scoring": dict(application.scoring),
            "values": list(application.values),
        }
    )


def search_digest(campaign: Campaign) -> str:
    """Digest of what steers the search and may change between starts."""
    goal = campaign.goal
    settings: dict[str, Any] = {
        "strategy": dict(campaign.strategy_options),
        "objective": goal.objective,
        "limits": {
            limit.name: list(limit.maxima) if limit.tighter else limit.maximum
            for limit in goal.limits
        },
        "max_trials": campaign.max_trials,
    }
    # Only where they are used, so that older campaigns keep their digest.
    if not goal.lower_is_better:
        settings["maximise"] = True
    if campaign.warm_start is not None:
        settings["warm_start"] = campaign.warm_start
    if campaign.enqueue:
        settings["enqueue"] = [list(point) for point in campaign.enqueue]
    if campaign.stop != StopRules():
        settings["stop"] = asdict(campaign.stop)
    if campaign.finals is not None:
        # Another control has to run, so it opens the finals again.
        settings["finals"] = asdict(campaign.finals)
        settings["control"] = campaign.conventional
    return digest(settings)


def check_frozen(campaign: Campaign, root: Path) -> None:
    """Compares a started campaign with the configuration given now.

    Args:
        campaign: The campaign as configured now.
        root: Folder of the campaign, ``results/{campaign}``.

    Raises:
        ConfigError: Space, training or a conventional setting off the grid differ. The
            message names the changed keys.
    """
    path = root / "settings.json"
    if not path.exists():
        return
    changes = _changes(read_json(path), frozen_settings(campaign))
    changes += _other_conventional(campaign, root)
    if changes:
        listed = "\n".join(f"  {change}" for change in changes)
        raise ConfigError(
            f"campaign {campaign.name!r} was started with other settings, and results "
            f"of both cannot be compared. Changed since {path} was written:\n{listed}\n"
            "Put the old values back, or keep these and start a new campaign: give "
            f"another name as `campaign:`, or move {root} away."
        )


def freeze(campaign: Campaign, root: Path) -> None:
    """Writes the frozen settings at the first start; afterwards only compares."""
    check_frozen(campaign, root)
    path = root / "settings.json"
    if not path.exists():
        write_json(path, frozen_settings(campaign))


def _other_conventional(campaign: Campaign, root: Path) -> list[str]:
    """What differs from a conventional setting off the grid that has begun to run.

    Off the grid its folder has no point for a name, so it holds one setting only.
    """
    name, now = conventional_trial(campaign), campaign.conventional
    if now is None or name is None or name.point != CONVENTIONAL:
        return []
    trials = trial_files(root, name).folder.parent
    begun = sorted(trials.glob("seed*/work/settings.json"))
    pretrained = pretrain_folder(root, CONVENTIONAL)
    for path in [pretrained / "work/settings.json", *begun]:
        then = read_json(path)["params"] if path.exists() else {}
        changes = _changes(then, {name: now[name] for name in then if name in now})
        if changes:
            return [f"conventional.{change}" for change in changes]
    return []


def _changes(old: Any, new: Any, where: str = "") -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found = []
        for key in sorted(set(old) | set(new)):
            label = f"{where}.{key}" if where else str(key)
            if key not in old:
                found.append(f"{label}: not set -> {new[key]!r}")
            elif key not in new:
                found.append(f"{label}: {old[key]!r} -> not set")
            else:
                found += _changes(old[key], new[key], label)
        if not found and list(old) != list(new) and where == "space":
            found.append(f"space: order of axes {list(old)} -> {list(new)}")
        return found
    return [] if old == new else [f"{where}: {old!r} -> {new!r}"]
