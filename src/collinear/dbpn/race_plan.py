"""Which part of a pretraining a race runs, and what its variants may change.

No torch here: `check` reads it before any training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collinear.dbpn.config import Settings, StageSettings, as_json
from collinear.dbpn.read_settings import load_settings, read_length
from collinear.dbpn.section import ConfigError, Section

MARKS = 20
"""Least number of measurements of a race that has the updates for it."""
LEAST_MARKS = 5
"""Below it no curve can be continued (`training.continuation.LEAST_EPOCHS`)."""
_KEPT = ("scale", "model", "data", "finetune", "features", "device")
_FREE = "pretrain, precision, channels_last, compile, abort and save_every"


@dataclass(frozen=True)
class RacePlan:
    """The part of a pretraining that is run: so many epochs, or so many updates."""

    epochs: float | None = None
    iterations: int | None = None

    def interval(self, stage: StageSettings, images: int) -> int:
        """Return the updates between two measurements."""
        return max(1, self._updates(stage, images) // MARKS)

    def steps(self, stage: StageSettings, images: int) -> tuple[int, ...]:
        """Return the updates after which the network is measured; the last is the end.

        They are evenly spaced, because a curve is continued in these steps; so a race
        may end up to 5 % earlier than asked.

        Args:
            stage: The pretraining.
            images: Number of training images.

        Raises:
            ConfigError: The part is as long as the whole, or too short to say anything.
        """
        end, every = self._updates(stage, images), self.interval(stage, images)
        whole = stage.count_iterations(images)
        if end >= whole:
            raise ConfigError(
                f"pretrain_race: {self} is {end} updates, but must be shorter than the "
                f"pretraining, which has {whole}"
            )
        if end < LEAST_MARKS:
            raise ConfigError(
                f"pretrain_race: {self} is {end} updates, but a curve needs "
                f"{LEAST_MARKS} or more; race for longer"
            )
        return tuple(range(every, end + 1, every))

    def check_length(self, stage: StageSettings) -> None:
        """Check the length as far as that goes without the images.

        Raises:
            ConfigError: The part is as long as the whole.
        """
        for unit in ("epochs", "iterations"):
            part, whole = getattr(self, unit), getattr(stage, unit)
            if part is not None and whole is not None and part >= whole:
                raise ConfigError(
                    f"pretrain_race.{unit}: must be below pretrain.{unit} ({whole:g}), "
                    f"but got {part:g}"
                )

    def _updates(self, stage: StageSettings, images: int) -> int:
        if self.iterations is not None:
            return self.iterations
        assert self.epochs is not None
        return int(self.epochs * images / stage.minibatch)

    def __str__(self) -> str:
        if self.epochs is None:
            return f"iterations {self.iterations}"
        return f"epochs {self.epochs:g}"


def read_plan(section: Section) -> RacePlan:
    """Read `epochs` or `iterations` of a race.

    Raises:
        ConfigError: Both or neither is given, or it is no positive number.
    """
    epochs, iterations = read_length(section)
    return RacePlan(epochs=epochs, iterations=iterations)


def check_variants(content: Mapping[str, Any], images: int | None) -> list[Settings]:
    """Check every variant of a race.

    Args:
        content: What `check` reads; `race` in it holds `variants`, settings by name,
            and `epochs` or `iterations`.
        images: Number of training images; None: not known, and not all is checked.

    Returns:
        The settings of the variants.

    Raises:
        ConfigError: The settings of a variant break a rule, it changes what the
            fine-tunes need, or the race is too long or too short for it.
    """
    section = Section(content["race"], "pretrain_race")
    plan = read_plan(section)
    params, scoring = content.get("params") or {}, content.get("scoring", {})
    base = load_settings(content["settings"], params, scoring=scoring)
    seen: dict[str, str] = {}
    found = []
    for name, mapping in section.section("variants").values.items():
        where = f"pretrain_race.variants.{name}"
        try:
            settings = load_settings(mapping, params, scoring=scoring)
            _check_kept(settings, base)
            plan.check_length(settings.pretrain)
            if images is not None:
                plan.steps(settings.pretrain, images)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        recipe = json.dumps(as_json(settings), sort_keys=True)
        if recipe in seen:
            raise ConfigError(f"{where}: is the same training as {seen[recipe]}")
        seen[recipe] = name
        found.append(settings)
    return found


def _check_kept(settings: Settings, base: Settings) -> None:
    changed = [n for n in _KEPT if getattr(settings, n) != getattr(base, n)]
    if changed:
        raise ConfigError(
            f"changes {', '.join(changed)}, but the fine-tunes start from its weights "
            f"with the settings of the application; a variant may change {_FREE}"
        )
