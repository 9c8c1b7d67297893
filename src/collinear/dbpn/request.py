"""The file that a command gets with --config."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from collinear.dbpn.config import Settings
from collinear.dbpn.read_settings import load_settings
from collinear.dbpn.scoring import check_wanted
from collinear.dbpn.section import ConfigError, Section

THREADS_VARIABLE = "COLLINEAR_THREADS"


def read_request(path: Path) -> Settings:
    """Read `{"settings": ..., "scoring": ..., "params": ..., "threads": 1}`.

    Args:
        path: A JSON file. `scoring` and `params` may be missing; `threads` too, then
            the environment variable COLLINEAR_THREADS decides, and 1 without it. With
            `axes`, lists of values by parameter, each value is checked in its turn;
            with `wanted`, names of values, that the settings allow to score them.

    Raises:
        ConfigError: The file cannot be read, is not JSON, or breaks a rule.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise ConfigError(
            f"--config {path}: cannot be read ({error.strerror})"
        ) from error
    except ValueError as error:
        raise ConfigError(f"--config {path}: is not JSON ({error})") from error
    try:
        return _settings_of(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


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
