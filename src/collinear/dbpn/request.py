"""The file that a command gets with --config."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collinear.dbpn.config import Settings
from collinear.dbpn.read_settings import load_settings
from collinear.dbpn.scoring import check_wanted
from collinear.dbpn.section import ConfigError, Section

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
