"""The training state: everything that a training needs to go on, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from collinear.dbpn.files import write_atomically
from collinear.dbpn.weights import WeightsError, load_tensors

FORMAT = "collinear-dbpn-state-1"
SETTINGS = "settings"
"""Key of an identity that explains its digest `config`; it is not compared."""


class StateError(ValueError):
    """A training state of another training; the message names what differs."""


def save_state(
    path: Path, identity: Mapping[str, Any], content: Mapping[str, Any]
) -> None:
    """Write a state atomically.

    Args:
        path: The file.
        identity: What the training is; a state is only used for the same one.
        content: Tensors, numbers, strings and containers of them.
    """
    state = {"format": FORMAT, "identity": dict(identity), "content": dict(content)}
    write_atomically(path, lambda file: torch.save(state, file))


def load_state(path: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Read a state of `save_state` for the same training.

    Raises:
        StateError: It is damaged, or of another training; the differences are named.
    """
    try:
        state = load_tensors(path)
    except WeightsError as error:
        raise StateError(str(error)) from error
    if not isinstance(state, Mapping) or state.get("format") != FORMAT:
        raise StateError(f"{path}: a training state must have format {FORMAT}")
    found, content = state.get("identity"), state.get("content")
    if not isinstance(found, Mapping) or not isinstance(content, Mapping):
        raise StateError(f"{path}: is a damaged training state; remove it")
    check_identity(path, found, identity)
    return dict(content)


def check_identity(
    path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Check that a file belongs to this training.

    Raises:
        StateError: It belongs to another one; each difference is named.
    """
    keys = [
        key
        for key in {**wanted, **found}
        if key != SETTINGS and found.get(key) != wanted.get(key)
    ]
    if keys:
        shown = "; ".join(
            f"{key} is {found.get(key)!r}, but this training has {wanted.get(key)!r}"
            for key in keys
        )
        shown += _changes(found.get(SETTINGS), wanted.get(SETTINGS))
        raise StateError(
            f"{path}: belongs to another training: {shown}; use another --out, "
            "or remove it"
        )


def _changes(found: Any, wanted: Any) -> str:
    """Return the names and values of settings that differ, for a message."""
    ours, theirs = _flat(found or {}), _flat(wanted or {})
    names = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    if not (found and wanted and names):
        return ""
    shown = ", ".join(
        f"{k} {ours.get(k)} there and {theirs.get(k)} here" for k in names
    )
    return f" ({shown})"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with names such as stage.learning_rate."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat
