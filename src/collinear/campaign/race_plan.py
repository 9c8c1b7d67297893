"""The configuration of a race of pretrainings: variants, length, wall time.

A variant is the application's settings with a few changes, which the pretraining alone
gets: the fine-tunes keep the settings as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collinear.campaign.files import canonical
from collinear.training.errors import TuningError

_UNITS = ("epochs", "iterations")


@dataclass(frozen=True)
class PretrainRace:
    """Variants of the pretraining that run for a while; the best goes on.

    Attributes:
        variants: By name what each changes, as configured.
        length: ``{"epochs": n}`` or ``{"iterations": n}``: how long each runs.
        wall_seconds: Time of a whole pretraining at which they are compared; None: each
            at its own end.
        rank_by: "prediction"; "last", the last losses of the race; or "tested", the
            prediction if it ranks the race's own second half better than these.
    """

    variants: Mapping[str, Mapping[str, Any]]
    length: Mapping[str, float]
    wall_seconds: float | None = None
    rank_by: str = "tested"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variants, in the order given; ties go to the first."""
        return tuple(self.variants)

    def recipe(self) -> dict[str, Any]:
        """What decides which weights come out, for the training digest."""
        return {
            "variants": {name: dict(what) for name, what in self.variants.items()},
            "order": list(self.names),
            **self.length,
            "wall_seconds": self.wall_seconds,
            "rank_by": self.rank_by,
        }


def read_race(section: Mapping[str, Any], settings: Mapping[str, Any]) -> PretrainRace:
    """Read and check the section `pretrain_race`, whose shape is checked.

    Args:
        section: The section.
        settings: Settings of the application.

    Raises:
        TuningError: Fewer than two variants, two that are the same, both or neither
            length, or a change of something that is no setting.
    """
    variants = section["variants"]
    if len(variants) < 2:
        raise TuningError(
            "pretrain_race.variants: a race needs two variants or more, but got "
            f"{len(variants)} ({', '.join(variants) or 'none'}); `base: {{}}` races "
            "the settings as they are"
        )
    given = [unit for unit in _UNITS if unit in section]
    if len(given) != 1:
        raise TuningError(
            "pretrain_race: needs either epochs or iterations, "
            f"but got {'both' if given else 'neither'}"
        )
    seen: dict[str, str] = {}
    for name, changes in variants.items():
        found = canonical(changed_settings(settings, changes, name))
        if found in seen:
            raise TuningError(
                f"pretrain_race.variants.{name}: is the same as {seen[found]}; remove "
                "one of them"
            )
        seen[found] = name
    return PretrainRace(
        variants,
        {given[0]: section[given[0]]},
        section.get("wall_seconds"),
        section.get("rank_by", PretrainRace.rank_by),
    )


def changed_settings(
    settings: Mapping[str, Any], changes: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """Return settings with some of them changed.

    Args:
        settings: Settings of the application.
        changes: ``{"pretrain.learning_rate": 4e-4}``, or the same nested.
        name: The variant, for messages.

    Raises:
        TuningError: A name leads through something that is no section.

    >>> changed_settings({"a": {"b": 1, "c": 2}}, {"a.b": 5}, "x")
    {'a': {'b': 5, 'c': 2}}
    """
    found = copy.deepcopy(dict(settings))
    for path, value in _flat(changes):
        *parents, last = path.split(".")
        section = found
        for depth, parent in enumerate(parents):
            inner = section.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise TuningError(
                    f"pretrain_race.variants.{name}: {path} leads through "
                    f"{'.'.join(parents[: depth + 1])}, which is {inner!r} and no "
                    "section of application.settings"
                )
            section = inner
        section[last] = value
    return found


def variant_settings(
    race: PretrainRace, settings: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """Return the settings that a variant trains with."""
    return changed_settings(settings, race.variants[name], name)


def check_part(race: PretrainRace, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `check` of the application reads of a race."""
    variants = {name: variant_settings(race, settings, name) for name in race.names}
    return {"variants": variants, **race.length}


def _flat(changes: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in changes.items():
        path = f"{prefix}{key}"
        nested = isinstance(value, Mapping) and value
        found += _flat(value, f"{path}.") if nested else [(path, value)]
    return found
