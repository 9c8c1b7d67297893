"""The sections of a configuration, each checked by itself.

What two sections say of each other is checked in `collinear.campaign.config`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collinear.campaign.race_plan import PretrainRace, read_race
from collinear.campaign.schema import ConfigError
from collinear.search import (
    Goal,
    Limit,
    Point,
    SearchSpace,
    locate_settings,
    seeds_to_resolve,
)
from collinear.search.finals import N_SEEDS, N_SETTINGS, SHARE
from collinear.training.errors import TuningError
from collinear.training.stopping import StopPlan

AUDIT = 0.1  # share of hopeless trials that run on
MOST_SEEDS = 50  # of a setting in the finals


@dataclass(frozen=True)
class Application:
    """The training program: commands as argument lists, and what is passed to them.

    Attributes:
        pretrain: Command of the one pretraining.
        finetune: Command of one trial.
        score: Command that scores weights; None when the trial's own metrics do.
        check: Command that checks the settings, at every start and dry run.
        check_data: Command that also checks the data, before the first job.
        illustrate: Command that draws one example for the report.
        values: Names of the values that a scored trial records.
        init: Weights that the pretraining starts from.
        settings: Passed to every command.
        scoring: Passed to every command, but part of the scoring digest only.
        profile: Command that measures what trainings cost; None: there is none.
        tune_minibatch: Command that measures minibatch sizes; None: there is none.
        pretrain_variant: Command of a variant of a race; None: there is none.
    """

    pretrain: tuple[str, ...]
    finetune: tuple[str, ...]
    score: tuple[str, ...] | None
    check: tuple[str, ...] | None
    check_data: tuple[str, ...] | None
    illustrate: tuple[str, ...] | None
    values: tuple[str, ...]
    init: str | None
    settings: Mapping[str, Any]
    scoring: Mapping[str, Any]
    profile: tuple[str, ...] | None = None
    tune_minibatch: tuple[str, ...] | None = None
    pretrain_variant: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Prepare:
    """What is measured before the trials; it changes no number of a training.

    Attributes:
        profile: Whether time and memory are predicted.
        tune_minibatch: Whether minibatch sizes are measured.
    """

    profile: bool = False
    tune_minibatch: bool = False


@dataclass(frozen=True)
class StopRules:
    """When a search ends before its budget; None for never.

    Attributes:
        improvement: Share of the noise of a trial below which the largest expected
            improvement must fall in two successive fits.
        hours: Calendar time from the first batch on.
    """

    improvement: float | None = None
    hours: float | None = None


@dataclass(frozen=True)
class Stopping:
    """When a trial is stopped as hopeless (`collinear.training.stopping`).

    Attributes:
        plan: Rungs, and the scores that belong to one.
        value: Name of the scored value that is judged.
        audit: Share of the trials that run on whatever their scores.
    """

    plan: StopPlan
    value: str
    audit: float = AUDIT


@dataclass(frozen=True)
class LastCallRule:
    """What a training may still use once the first lane is over.

    Attributes:
        lengths: Mean lengths of a training. Saving, scoring and telling come on top, so
            1.9 has the last lane end within two lengths of a trial.
        least: Seconds that it may use in any case: the start of a program is no sign of
            a slow training.
    """

    lengths: float = 1.9
    least: float = 60.0


@dataclass(frozen=True)
class Finals:
    """The fresh runs at the end, as far as the share of the budget allows.

    Attributes:
        share: Largest share of `Campaign.max_trials`.
        settings: Settings that are run again.
        seeds: Fresh seeds for each of them, given or from `noise` and `resolve`.
    """

    share: float = SHARE
    settings: int = N_SETTINGS
    seeds: int = N_SEEDS


def read_goal(config: Mapping[str, Any]) -> Goal:
    """The goal; a list of limits on one value keeps the largest as *the* limit."""
    limits = []
    for name, given in config.get("limits", {}).items():
        *tighter, maximum = map(float, given if isinstance(given, list) else [given])
        try:
            limits.append(Limit(name, maximum, tuple(tighter)))
        except ValueError as error:
            raise ConfigError(f"limits.{name}: {error}") from error
    try:
        return Goal(
            config["objective"],
            tuple(limits),
            lower_is_better=not config.get("maximise", False),
        )
    except ValueError as error:
        raise ConfigError(f"limits: {error}") from error


def read_application(section: Mapping[str, Any]) -> Application:
    """The program; a command that is not named is None."""

    def command(name: str) -> tuple[str, ...] | None:
        return tuple(section[name]) if name in section else None

    return Application(
        pretrain=tuple(section["pretrain"]),
        finetune=tuple(section["finetune"]),
        score=command("score"),
        check=command("check"),
        check_data=command("check_data"),
        illustrate=command("illustrate"),
        values=tuple(section["values"]),
        init=section.get("init"),
        settings=section.get("settings", {}),
        scoring=section.get("scoring", {}),
        profile=command("profile"),
        tune_minibatch=command("tune_minibatch"),
        pretrain_variant=command("pretrain_variant"),
    )


def read_conventional(
    setting: Mapping[str, float] | None, space: SearchSpace
) -> Mapping[str, float] | None:
    """The setting in use today, with one value for each axis."""
    if setting is None:
        return None
    if set(setting) != set(space.names):
        raise ConfigError(
            f"conventional: must give one value for each axis {list(space.names)}, "
            f"but got {list(setting)}"
        )
    return {axis.name: _like(setting[axis.name], axis.values) for axis in space.axes}


def _like(value: float, values: Sequence[float]) -> float:
    """A value as the program gets those of trials: whole where the axis is whole."""
    whole = all(isinstance(v, int) for v in values) and float(value).is_integer()
    return int(value) if whole else float(value)


def read_enqueue(config: Mapping[str, Any], space: SearchSpace) -> tuple[Point, ...]:
    """The settings to try first, each a point of the grid."""
    try:
        return locate_settings(config.get("enqueue", []), space)
    except ValueError as error:
        raise ConfigError(f"enqueue: {error}") from error


def read_stop_rules(section: Mapping[str, float]) -> StopRules:
    """The rules that end a search early."""
    return StopRules(section.get("improvement"), section.get("hours"))


def read_last_call(section: bool | Mapping[str, float]) -> LastCallRule | None:
    """The limit at the end: false for none, true for the defaults."""
    if section is False:
        return None
    given = section if isinstance(section, Mapping) else {}
    return LastCallRule(**{name: float(value) for name, value in given.items()})


def read_stopping(
    config: Mapping[str, Any], application: Application
) -> Stopping | None:
    """When trials are hopeless; the value that is judged must be scored."""
    section = config.get("stopping")
    if section is None:
        return None
    value = section.get("value", config["objective"])
    if value not in application.values:
        raise ConfigError(
            "stopping.value: must be a value that the application scores "
            f"(application.values: {list(application.values)}), but got {value!r}"
        )
    try:
        plan = StopPlan(
            tuple(map(float, section["rungs"])),
            int(section.get("scores", StopPlan.scores)),
            float(section.get("every", StopPlan.every)),
            int(section.get("least", StopPlan.least)),
            section.get("margin", StopPlan.margin),
        )
    except TuningError as error:
        raise ConfigError(str(error)) from error
    return Stopping(plan, value, float(section.get("audit", AUDIT)))


def read_pretrain_race(
    config: Mapping[str, Any], application: Application
) -> PretrainRace | None:
    """The race of pretrainings; it needs a command of its own."""
    if "pretrain_race" not in config:
        return None
    if application.pretrain_variant is None:
        raise ConfigError(
            "pretrain_race: needs a command application.pretrain_variant, but there is "
            "none; name one (docs/application.md), or remove pretrain_race"
        )
    try:
        return read_race(config["pretrain_race"], application.settings)
    except TuningError as error:
        raise ConfigError(str(error)) from error


def read_finals(section: bool | Mapping[str, Any]) -> Finals | None:
    """The fresh runs at the end: false for none, true for the defaults."""
    if section is False:
        return None
    given = section if isinstance(section, Mapping) else {}
    finals = Finals(
        float(given.get("share", SHARE)),
        int(given.get("settings", N_SETTINGS)),  # YAML may write 8.0
        _finals_seeds(given),
    )
    return finals if finals.share > 0 else None


def _finals_seeds(given: Mapping[str, Any]) -> int:
    named = [name for name in ("noise", "resolve") if name in given]
    if not named:
        return int(given.get("seeds", N_SEEDS))
    if len(named) == 1 or "seeds" in given:
        raise ConfigError(
            "finals: seeds, or noise and resolve together, say how often a setting "
            f"runs again, but got {[n for n in given if n in ('seeds', *named)]}"
        )
    seeds = seeds_to_resolve(float(given["noise"]), float(given["resolve"]))
    if seeds > MOST_SEEDS:
        raise ConfigError(
            f"finals: to tell {given['resolve']:g} apart with a noise of "
            f"{given['noise']:g} takes {seeds} seeds of each setting, more than "
            f"{MOST_SEEDS}; raise resolve, or write seeds"
        )
    return seeds
