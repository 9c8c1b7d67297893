"""What happens before the first job: every check that can save a GPU hour."""

from __future__ import annotations

import _thread
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collinear.campaign.config import Campaign, load_campaign
from collinear.campaign.digests import check_frozen, scoring_digest
from collinear.campaign.files import DamagedFile, read_json, try_lock
from collinear.campaign.outcome import METRICS
from collinear.campaign.prepare import PRODUCTS
from collinear.campaign.program import expand, thread_environment
from collinear.campaign.race_plan import check_part
from collinear.campaign.schema import ConfigError
from collinear.campaign.stages import SCORE
from collinear.campaign.steps import told_trials
from collinear.campaign.trials import program_input
from collinear.campaign.warm_start import read_prior
from collinear.search import Status

# Descriptors of main locks; they live as long as this process.
_held: list[int] = []


def open_campaign(
    config: Mapping[str, Any], schema: Mapping[str, Any], results: Path
) -> Campaign:
    """Checks a configuration against its rules and against a campaign on disk.

    Raises:
        ConfigError: With one message for the user.
    """
    campaign = load_campaign(config, schema)
    root = results / campaign.name
    _check_writable(root)
    try:
        check_frozen(campaign, root)
        read_prior(campaign, root)  # a warm start that cannot be read is found here
    except DamagedFile as error:
        raise ConfigError(f"{error}; put it back from a copy") from error
    return campaign


def check_journal(root: Path) -> None:
    """Checks that the journal of a started campaign can be read.

    Raises:
        ConfigError: A file of it is damaged.
    """
    try:
        told_trials(root)
    except DamagedFile as error:
        raise ConfigError(f"{error}; put it back from a copy") from error


def check_commands(campaign: Campaign) -> None:
    """Checks that the programs of the commands are there.

    Raises:
        ConfigError: One is not; the message names the key and the program.
    """
    application = campaign.application
    keys = ["pretrain", "finetune", "score", "pretrain_variant", "illustrate"]
    keys += [name for name in PRODUCTS if getattr(campaign.prepare, name)]
    for key in keys:
        command = getattr(application, key)
        if command and shutil.which(expand(command)[0]) is None:
            raise ConfigError(
                f"application.{key}: there is no program {command[0]!r}; correct its "
                "name, or give a path from the folder in which snakemake is started"
            )


def check_recorded(campaign: Campaign, root: Path) -> None:
    """Checks that a finished training holds the values, where none is scored.

    One is enough: all were started with the same names.

    Raises:
        ConfigError: The configuration wants values that they have not recorded.
    """
    application = campaign.application
    if application.score is not None:
        return
    for path in sorted(root.glob(f"trials/*/seed*/work/{METRICS}")):
        try:
            record = dict(read_json(path))
        except (ValueError, TypeError):
            continue  # torn; its next attempt says so
        if record.get("status") != Status.DONE:
            continue
        values = record.get("values")
        if not isinstance(values, dict):
            continue
        missing = sorted(set(application.values) - set(values))
        if missing:
            raise ConfigError(
                f"application.values: without a score command trainings record the "
                f"values, and {path} has none named {', '.join(missing)}; leave them "
                "out, or start a new campaign under another name"
            )
        return


def check_data(campaign: Campaign, root: Path) -> None:
    """Lets the application check its data, at each start that has jobs to run.

    Data that are gone or others than those of earlier results would fail every trial,
    or mix results that cannot be compared.

    Raises:
        ConfigError: With the message of the application.
    """
    recorded = recorded_digests(campaign, root)
    more = {"recorded": recorded} if recorded else {}
    # What only the pretraining starts from may be gone once it is over.
    init = None if "training" in recorded else campaign.application.init
    check_application(campaign, campaign.application.check_data, more, init)


def recorded_digests(campaign: Campaign, root: Path) -> dict[str, dict[str, Any]]:
    """The ``digests`` of a finished training and of a finished scoring, if any.

    One of each is enough: all were made of the same data.

    Args:
        campaign: The campaign as configured now; scores of other settings are left out.
        root: Folder of the campaign.

    Returns:
        By ``training`` and ``scoring``; without a key where nothing was recorded.
    """
    scored = f"trials/*/seed*/work/score-{scoring_digest(campaign)[:12]}/{SCORE}"
    places = {
        "training": [
            f"pretrain/work/{METRICS}",
            f"pretrain/*/work/{METRICS}",
            f"trials/*/seed*/work/{METRICS}",
        ],
        "scoring": [scored],
    }
    found: dict[str, dict[str, Any]] = {}
    for key, patterns in places.items():
        for path in (path for p in patterns for path in sorted(root.glob(p))):
            try:
                digests = read_json(path)["digests"]
            except (ValueError, KeyError, TypeError):
                continue  # torn, or a program that records none
            if isinstance(digests, dict):
                found[key] = digests
                break
    return found


def check_application(
    campaign: Campaign,
    command: Sequence[str] | None,
    more: Mapping[str, Any] | None = None,
    init: str | None = None,
) -> None:
    """Lets the application check its settings or data before any training.

    Args:
        campaign: The campaign.
        command: ``application.check`` or ``application.check_data``; None does nothing.
        more: What the command reads besides `check_input`.
        init: Weights to start from, for ``--init``, or None.

    Raises:
        ConfigError: With the message of the application.
    """
    if command is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.json"
        content = {**check_input(campaign), **(more or {})}
        path.write_text(json.dumps(content), encoding="utf-8")
        arguments = [*expand(command), "--config", str(path)]
        if init is not None:
            arguments += ["--init", init]
        try:
            done = subprocess.run(
                arguments,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                env=thread_environment(campaign.threads),
            )
        except OSError as error:
            raise ConfigError(
                f"application: cannot start {arguments[0]!r}: {error}"
            ) from error
    if done.returncode != 0:
        message = done.stderr.strip() or done.stdout.strip() or "no message"
        # The file is a copy of the user's settings and already gone.
        message = message.removeprefix("error: ").replace(f"{path}: ", "")
        raise ConfigError(f"application: {message}")


def check_input(campaign: Campaign) -> dict[str, Any]:
    """What a check reads: a program's input, and what the campaign makes of it.

    That is every value that a trial may take, and the scored values that decide.
    """
    axes = {axis.name: set(axis.values) for axis in campaign.space.axes}
    for name, value in (campaign.conventional or {}).items():
        axes[name].add(value)
    params = campaign.conventional or campaign.space.params(
        tuple(0 for _ in campaign.space.axes)
    )
    ordered = {name: sorted(values) for name, values in axes.items()}
    wanted = [campaign.goal.objective, *(limit.name for limit in campaign.goal.limits)]
    stopping = campaign.stopping
    more: dict[str, Any] = (
        {"stopping": {**asdict(stopping.plan), "value": stopping.value}}
        if stopping is not None
        else {}
    )
    if campaign.pretrain_axes:
        more["pretrain_axes"] = list(campaign.pretrain_axes)
    if campaign.pretrain_race is not None:
        more["race"] = check_part(campaign.pretrain_race, campaign.application.settings)
    return {
        **program_input(campaign, params),
        "axes": ordered,
        "wanted": wanted,
        **more,
    }


def hold_campaign(root: Path) -> None:
    """Takes the campaign for this process, so that no second one runs beside it.

    The kernel releases the lock however this process ends.

    Raises:
        ConfigError: Another Snakemake is at work on this campaign.
    """
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    held = try_lock(root / "lock", owner)
    if isinstance(held, str):
        raise ConfigError(
            f"{root}: {held} is running this campaign; wait for it or stop it first"
        )
    _held.append(held)


def _check_writable(root: Path) -> None:
    existing = root
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise ConfigError(f"{root}: results cannot be written, {existing} is no folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{root}: results cannot be written, no permission to write in {existing}"
        )


def heed_sigterm(scheduler: type) -> None:
    """Has a scheduler's handler of SIGTERM run in a thread of its own.

    Snakemake's, `JobScheduler.exit_gracefully`, takes the scheduler's lock. When the
    signal comes while the main thread holds it, that thread waits for itself, for ever:
    a campaign stands still, and a job stays on its node when nobody is left to kill it.
    A thread that waits for the lock gets it.

    Args:
        scheduler: The class, before it is instantiated; changed in place, once.
    """
    handler = scheduler.exit_gracefully  # type: ignore[attr-defined]
    if hasattr(handler, "in_own_thread"):
        return

    def heed(self: object, *given: object) -> None:
        # The bare call: one of `threading` takes locks as well.
        _thread.start_new_thread(handler, (self, *given))

    heed.in_own_thread = True  # type: ignore[attr-defined]
    scheduler.exit_gracefully = heed  # type: ignore[attr-defined]
