"""The shape of a configuration: its JSON Schema, and what to say of a mistake."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

_STRING_FLOAT = re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$")


_LARGEST = 10**300  # of whole numbers; floats end a little above


class ConfigError(ValueError):
    """A configuration that breaks a rule; the message is meant for the user."""


def load_schema(path: Path) -> dict[str, Any]:
    """Reads the JSON Schema of a campaign."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def check_plain(value: Any, where: str = "") -> None:
    """Raises ConfigError for what JSON, the programs' language, cannot hold.

    YAML reads ``1:`` as a number, ``on:`` as true and ``2024-01-01`` as a date.

    Args:
        value: A configuration or a part of it.
        where: Its key, with dots.
    """
    if isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                raise ConfigError(
                    f"{where or 'config'}: keys must be text, but YAML reads {key!r} "
                    f'as {_kind(key)}; write it in quotes, as in "{key}"'
                )
            check_plain(part, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            check_plain(part, f"{where}.{number}")
    elif isinstance(value, int) and abs(value) > _LARGEST:
        raise ConfigError(f"{where}: is too large a number")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(
            f"{where}: must be a finite number, but got {value!r}; leave the key out "
            "where nothing is meant"
        )
    elif not isinstance(value, str | int | float | None):
        raise ConfigError(
            f"{where}: must be a number, text, true, false or null, but YAML reads "
            f"{value!s} as {_kind(value)}; write it in quotes"
        )


def _kind(value: Any) -> str:
    kinds = {bool: "a truth value", int: "a number", float: "a number"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def check_schema(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Raises ConfigError with the most telling violation of the schema."""
    check_plain(config)
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(config), key=lambda e: list(map(str, e.path)))
    if errors:
        raise ConfigError(_explain(errors[0]))


def _explain(error: jsonschema.ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path) or "config"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        schema = error.schema if isinstance(error.schema, Mapping) else {}
        known = sorted(schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        close = difflib.get_close_matches(str(unknown), known, n=1)
        advice = f"did you mean {close[0]!r}?" if close else f"known keys: {known}"
        return f"{where}: unknown key {unknown!r}; {advice}"
    given = error.instance
    if error.validator == "type" and isinstance(given, str) and _is_float(given):
        return (
            f"{where}: a number is needed, but YAML reads {given} as a string; "
            "write it with a decimal point, such as 1.0e-6"
        )
    if error.validator == "required":
        missing = error.message.removesuffix(" is a required property")
        return f"{where}: {missing} is missing"
    if error.validator == "exclusiveMinimum":
        return (
            f"{where}: must be greater than {error.validator_value}, "
            f"but got {error.instance!r}"
        )
    return f"{where}: {error.message}"


def _is_float(text: str) -> bool:
    return _STRING_FLOAT.match(text) is not None
