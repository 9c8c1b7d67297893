"""The file that a command gets with --config."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collinear.dbpn.config import Settings, StageSettings
from collinear.dbpn.race_plan import RacePlan, check_variants, read_plan
from collinear.dbpn.read_settings import MODEL_PARAMS, load_settings
from collinear.dbpn.scoring import check_wanted
from collinear.dbpn.section import ConfigError, Section
from collinear.dbpn.steps import check_steps, score_steps
from collinear.training.errors import TuningError
from collinear.training.stopping import StopPlan

_YAML = (".yaml", ".yml")
THREADS_VARIABLE = "COLLINEAR_THREADS"


def read_request(path: Path, params: Mapping[str, Any] | None = None) -> Settings:
    """Read `{"settings": ..., "scoring": ..., "params": ..., "threads": 1}`.

    Args:
        path: A JSON or YAML file. `scoring` and `params` may be missing; `threads` too,
            then the environment variable COLLINEAR_THREADS decides, and 1 without it.
            With `axes`, lists of values by parameter, each value is checked in its
            turn; with `wanted`, names of values, that the settings allow to score them.
            A campaign's file will do: `settings` and `scoring` of its `application` are
            read, and its `threads`.
        params: Values of finetune that replace those of the file.

    Raises:
        ConfigError: The file cannot be read, is neither JSON nor YAML, or breaks a
            rule.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--config {path}: cannot be read ({error.strerror})"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--config {path}: is not text ({error})") from error
    content = _parsed(text, path)
    if isinstance(content, dict) and "application" in content:
        content = _of_campaign(content)
    if isinstance(content, dict) and params:
        content = {**content, "params": {**(content.get("params") or {}), **params}}
    try:
        return _settings_of(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def tuned_names(path: Path) -> tuple[str, ...]:
    """Return the parameters that differ between trials: those of `params` or `space`.

    The file has been read by `read_request` before.
    """
    content = _parsed(path.read_text(encoding="utf-8"), path)
    return tuple(content.get("params") or content.get("space") or ())


def check_stopping(path: Path, images: int | None = None) -> None:
    """Check that each trial of a campaign can be scored at its rungs.

    Args:
        path: A file as of `read_request`; `stopping` in it holds `rungs`, `scores`,
            `every` and `value`.
        images: Number of training images; None: not known, and lengths that are given
            in iterations are not checked.

    Raises:
        ConfigError: A rung is not before the end of a trial, its scores fall on the
            same update, or the value cannot be scored.
    """
    content = _parsed(path.read_text(encoding="utf-8"), path)
    given = content.get("stopping") if isinstance(content, dict) else None
    if not isinstance(given, Mapping) or "settings" not in content:
        return
    section = Section(given, "stopping")
    rungs = section.strict_list("rungs", [])
    scores, every = section.integer("scores"), section.number("every")
    value = section.take("value")
    if value is None:
        raise ConfigError("stopping.value is needed, but is not given")
    try:
        plan = StopPlan(tuple(rungs), scores, every)
        axes = content.get("axes") or {}
        trials = [{name: v} for name, values in axes.items() for v in values] or [{}]
        for trial in trials:
            params = {**(content.get("params") or {}), **trial}
            scoring = content.get("scoring", {})
            settings = load_settings(content["settings"], params, scoring=scoring)
            check_wanted(settings.scoring, [value])
            _check_rungs(plan, settings.finetune, images)
    except TuningError as error:
        raise ConfigError(str(error)) from error


def recorded_data(path: Path) -> dict[str, str]:
    """Return the digests of the images of a campaign's earlier results.

    Args:
        path: A file as of `read_request`; `recorded` in it may hold the digests that
            finished trainings (`training`) and scorings (`scoring`) wrote.

    Returns:
        By `training` and `scoring`; without a key where nothing was recorded.
    """
    content = _parsed(path.read_text(encoding="utf-8"), path)
    recorded = content.get("recorded") if isinstance(content, dict) else None
    pairs = recorded.items() if isinstance(recorded, Mapping) else ()
    return {
        name: digests["data"]
        for name, digests in pairs
        if isinstance(digests, Mapping) and _is_digest(digests.get("data"))
    }


def _is_digest(value: Any) -> bool:
    """Tell a digest of ours from what another program may have recorded."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def check_designs(path: Path) -> None:
    """Check that axes that change the network change the pretraining too.

    Args:
        path: A file as of `read_request`; `axes` and `pretrain_axes` may be in it.

    Raises:
        ConfigError: A fine-tune would start from another network, or a pretraining
            would be repeated for nothing.
    """
    content = _parsed(path.read_text(encoding="utf-8"), path)
    if not isinstance(content, dict) or "axes" not in content:
        return
    raised = Section(content).strict_list("pretrain_axes", [])
    for name in content["axes"]:
        if name in MODEL_PARAMS and name not in raised:
            raise ConfigError(
                f"space.{name}: changes the network, so each of its values needs a "
                f"pretraining; write pretrain_axes: [{name}]"
            )
    for name in raised:
        if name not in MODEL_PARAMS:
            raise ConfigError(
                f"pretrain_axes: must be some of {', '.join(MODEL_PARAMS)}, because "
                f"nothing else of a trial changes the pretraining, but got {name!r}"
            )


def check_race(path: Path, images: int | None = None) -> list[Settings]:
    """Check the variants of a race of pretrainings, if the file has one.

    Args:
        path: A file as of `read_request`; `race` in it holds `variants` and `epochs` or
            `iterations`.
        images: Number of training images; None: not known, and not all is checked.

    Returns:
        The settings of the variants; none without a race.

    Raises:
        ConfigError: A variant breaks a rule; the message names it.
    """
    content = _parsed(path.read_text(encoding="utf-8"), path)
    race = content.get("race") if isinstance(content, dict) else None
    if isinstance(race, Mapping) and "variants" in race:
        return check_variants(content, images)
    return []


def read_race(
    path: Path, epochs: float | None = None, iterations: int | None = None
) -> tuple[RacePlan, int]:
    """Read what a variant of a race is to do.

    Args:
        path: A file as of `read_request`; `race` in it may hold `epochs` or
            `iterations`, and `settings`, those that no variant has changed.
        epochs: In place of the file's; or
        iterations: likewise.

    Returns:
        How long it runs, and the side of the patches that are measured.

    Raises:
        ConfigError: No length is given, or a rule is broken.
    """
    content = _parsed(path.read_text(encoding="utf-8"), path)
    race = {} if "application" in content else content.get("race") or {}
    section = Section(race, "race")
    if epochs is not None or iterations is not None:
        given = {"epochs": epochs, "iterations": iterations}
        plan = read_plan(Section(given, "pretrain-variant"))
    else:
        plan = read_plan(section)
    settings = read_request(path)
    if section.has("settings"):
        scoring = content.get("scoring", {})
        settings = load_settings(section.take("settings"), scoring=scoring)
    return plan, settings.pretrain.patch


def _check_rungs(plan: StopPlan, stage: StageSettings, images: int | None) -> None:
    if stage.epochs is not None:
        plan.check_length(stage.epochs, "finetune")
    if images is None:
        return
    for rung in plan.rungs:
        steps = score_steps(plan.score_epochs(rung), stage.minibatch, images)
        check_steps(rung, steps, stage.count_iterations(images))


def _parsed(text: str, path: Path) -> Any:
    if path.suffix.lower() in _YAML:
        import yaml  # slow to import, and campaigns do not need it here

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--config {path}: is not YAML ({error})") from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--config {path}: is not JSON ({error})") from error


def _of_campaign(campaign: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a campaign's file that a training needs."""
    application = campaign["application"]
    found = {"threads": campaign.get("threads")}
    if isinstance(application, Mapping):
        found |= {
            k: application[k] for k in ("settings", "scoring") if k in application
        }
    return {key: value for key, value in found.items() if value is not None}


def _settings_of(content: Any) -> Settings:
    top = Section(content)
    if not top.has("settings"):
        raise ConfigError("the key settings is needed, but is not given")
    threads = top.take("threads", os.environ.get(THREADS_VARIABLE))
    settings, scoring = top.take("settings"), top.take("scoring", {})
    params, axes = top.take("params", {}), Section(top.take("axes", {}), "axes")
    top.take("stopping")  # see `check_stopping`
    top.take("pretrain_axes")  # see `check_designs`
    top.take("race")  # see `check_race` and `read_race`
    top.take("recorded")  # see `recorded_data`
    wanted = top.strict_list("wanted", [])
    top.finish()

    def load(values: Any) -> Settings:
        return load_settings(settings, values, _thread_count(threads), scoring)

    for name in axes.values:
        for value in axes.strict_list(name, []):
            load({**params, name: value})
    found = load(params)
    check_wanted(found.scoring, wanted)
    return found


def _thread_count(value: Any) -> Any:
    """Turn the text of an environment variable into a number, if it is one."""
    if value is None:
        return 1
    return int(value) if isinstance(value, str) and value.isdigit() else value
