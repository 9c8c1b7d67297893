"""From a configuration mapping to a checked campaign.

Two layers: the JSON Schema checks the shape (unknown keys are errors), then the
dataclasses check the meaning. Every message says the rule, what was given and where.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from collinear.campaign.race_plan import PretrainRace, read_race
from collinear.search import (
    Anova,
    Goal,
    Limit,
    Point,
    Prior,
    SearchSpace,
    SpaceError,
    Strategy,
    finals_shape,
    locate_settings,
    make_strategy,
    seeds_to_resolve,
    waits,
)
from collinear.search.finals import N_SEEDS, N_SETTINGS, SHARE
from collinear.training.errors import TuningError
from collinear.training.stopping import StopPlan

AUDIT = 0.1  # share of hopeless trials that run on
MOST_SEEDS = 50  # of a setting in the finals
_STRING_FLOAT = re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$")


class ConfigError(ValueError):
    """A configuration that breaks a rule; the message is meant for the user."""


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


@dataclass(frozen=True)
class Campaign:
    """One tuning campaign, checked.

    Attributes:
        name: Folder name under ``results/``.
        seed: Campaign seed.
        threads: Threads of BLAS and torch in each job.
        space: The grid.
        goal: Objective and limits.
        strategy_options: Name and options of the strategy, as configured.
        lanes: Number of chains.
        batch: Trials asked together by one lane.
        max_trials: Budget over all lanes.
        conventional: The setting in use today, or None.
        documented_result: A published result for the report, or None.
        application: The training program.
        warm_start: Another campaign's folder or table of trials, or None.
        enqueue: Settings that are tried first, as grid points.
        stop: Rules that end the search early.
        finals: The fresh runs at the end, or None.
        prepare: What is measured before the trials.
        stopping: When a trial is stopped as hopeless; None for never.
        pretrain_race: Variants of the pretraining that run first; None: there are none.
        pretrain_axes: Axes that the pretraining depends on too: each combination of
            their values that a trial needs has its own (`collinear.campaign.designs`).
    """

    name: str
    seed: int
    threads: int
    space: SearchSpace
    goal: Goal
    strategy_options: Mapping[str, Any]
    lanes: int
    batch: int
    max_trials: int
    conventional: Mapping[str, float] | None
    documented_result: Mapping[str, Any] | None
    application: Application
    warm_start: str | None = None
    enqueue: tuple[Point, ...] = ()
    stop: StopRules = StopRules()
    finals: Finals | None = None
    prepare: Prepare = Prepare()
    stopping: Stopping | None = None
    pretrain_race: PretrainRace | None = None
    pretrain_axes: tuple[str, ...] = ()

    def strategy(self, prior: Prior | None = None) -> Strategy:
        """The configured search.

        Args:
            prior: The trials of `warm_start`; see `collinear.campaign.steering`.
        """
        name = self.strategy_options["name"]
        rest = {k: v for k, v in self.strategy_options.items() if k != "name"}
        return make_strategy(
            name, rest, space=self.space, goal=self.goal, seed=self.seed, prior=prior
        )

    @property
    def finals_shape(self) -> tuple[int, int]:
        """Settings and seeds of the finals; (0, 0) without."""
        if self.finals is None:
            return 0, 0
        wanted = self.finals
        return finals_shape(
            self.max_trials, wanted.share, wanted.settings, wanted.seeds
        )

    @property
    def search_trials(self) -> int:
        """The part of `max_trials` that the finals leave to the search."""
        settings, seeds = self.finals_shape
        return self.max_trials - settings * seeds

    @property
    def lane_names(self) -> tuple[str, ...]:
        return tuple(f"lane{i:02d}" for i in range(self.lanes))


def load_schema(path: Path) -> dict[str, Any]:
    """Reads the JSON Schema of a campaign."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load_campaign(
    config: Mapping[str, Any], schema: Mapping[str, Any] | None = None
) -> Campaign:
    """Checks a configuration and builds the campaign.

    Args:
        config: The mapping as read from YAML.
        schema: JSON Schema of the mapping; None when the shape was checked before.

    Raises:
        ConfigError: A rule is broken. The message names the key.
    """
    if schema is not None:
        check_schema(config, schema)
    try:
        space = SearchSpace.from_values(config["space"])
    except SpaceError as error:
        raise ConfigError(f"space: {error}") from error
    goal = _goal(config)
    application = _application(config["application"])
    _check_values(goal, application)
    campaign = Campaign(
        name=config["campaign"],
        seed=config["seed"],
        threads=config.get("threads", 1),
        space=space,
        goal=goal,
        strategy_options=dict(config["strategy"]),
        lanes=config.get("lanes", 1),
        batch=config.get("batch", 50),
        max_trials=config["max_trials"],
        conventional=_conventional(config.get("conventional"), space),
        documented_result=config.get("documented_result"),
        application=application,
        warm_start=config.get("warm_start"),
        enqueue=_enqueue(config, space),
        stop=_stop_rules(config.get("stop", {})),
        finals=_finals(config.get("finals", False)),
        prepare=Prepare(**config.get("prepare", {})),
        stopping=_stopping(config, application),
        pretrain_race=_pretrain_race(config, application),
        pretrain_axes=tuple(config.get("pretrain_axes", ())),
    )
    _check_prepare(campaign)
    _check_pretrain_axes(campaign)
    try:
        strategy = campaign.strategy()  # unknown options are found here, not in a job
    except ValueError as error:
        raise ConfigError(f"strategy: {error}") from error
    _check_finals(campaign)
    _check_lanes(campaign)
    _check_steering(campaign, strategy)
    return campaign


def check_schema(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Raises ConfigError with the most telling violation of the schema."""
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


def _goal(config: Mapping[str, Any]) -> Goal:
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


def _application(section: Mapping[str, Any]) -> Application:
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


def _check_prepare(campaign: Campaign) -> None:
    for name in ("profile", "tune_minibatch"):
        if getattr(campaign.prepare, name) and not getattr(campaign.application, name):
            raise ConfigError(
                f"prepare.{name}: needs a command application.{name}, but there is "
                "none; name one, or set it to false"
            )


def _check_pretrain_axes(campaign: Campaign) -> None:
    """What goes with one pretraining does not go with several."""
    if not campaign.pretrain_axes:
        return
    for name in campaign.pretrain_axes:
        if name not in campaign.space.names:
            raise ConfigError(
                f"pretrain_axes: must be axes of space {list(campaign.space.names)}, "
                f"but got {name!r}"
            )
    several = "but pretrain_axes gives trials different ones"
    if campaign.pretrain_race is not None:
        raise ConfigError(f"pretrain_race: races one pretraining, {several}; use one")
    if campaign.application.init is not None:
        raise ConfigError(
            f"application.init: is the start of one pretraining, {several}; remove one"
        )
    if campaign.prepare.profile:
        raise ConfigError(
            "prepare.profile: measures one network, but with pretrain_axes trials have "
            "different ones; set it to false"
        )


def _check_values(goal: Goal, application: Application) -> None:
    wanted = {"objective": goal.objective}
    wanted |= {f"limits.{limit.name}": limit.name for limit in goal.limits}
    for key, name in wanted.items():
        if name not in application.values:
            raise ConfigError(
                f"{key}: must be a value that the application scores "
                f"(application.values: {list(application.values)}), but got {name!r}"
            )


def _conventional(
    setting: Mapping[str, float] | None, space: SearchSpace
) -> Mapping[str, float] | None:
    if setting is None:
        return None
    if set(setting) != set(space.names):
        raise ConfigError(
            f"conventional: must give one value for each axis {list(space.names)}, "
            f"but got {list(setting)}"
        )
    return {name: float(setting[name]) for name in space.names}


def _enqueue(config: Mapping[str, Any], space: SearchSpace) -> tuple[Point, ...]:
    try:
        return locate_settings(config.get("enqueue", []), space)
    except ValueError as error:
        raise ConfigError(f"enqueue: {error}") from error


def _stop_rules(section: Mapping[str, float]) -> StopRules:
    return StopRules(section.get("improvement"), section.get("hours"))


def _stopping(config: Mapping[str, Any], application: Application) -> Stopping | None:
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


def _pretrain_race(
    config: Mapping[str, Any], application: Application
) -> PretrainRace | None:
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


def _finals(section: bool | Mapping[str, Any]) -> Finals | None:
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


def _check_finals(campaign: Campaign) -> None:
    if campaign.finals is not None and campaign.finals_shape == (0, 0):
        share = campaign.finals.share
        raise ConfigError(
            f"finals: need at least two trials, but share {share:g} of max_trials "
            f"{campaign.max_trials} leaves fewer; raise one of them, or write "
            "finals: false"
        )


def _check_steering(campaign: Campaign, strategy: Strategy) -> None:
    name = campaign.strategy_options["name"]
    if len(campaign.enqueue) > campaign.search_trials:
        raise ConfigError(
            f"enqueue: must not exceed {_search_trials(campaign)}, but got "
            f"{len(campaign.enqueue)} settings"
        )
    if campaign.stop.improvement is not None and not isinstance(strategy, Anova):
        raise ConfigError(
            "stop.improvement: needs the model of strategy 'anova', but the strategy "
            f"is {name!r}, which ends by its own rule; remove stop.improvement"
        )
    if campaign.warm_start is not None and name in ("random", "exhaustive"):
        raise ConfigError(
            f"warm_start: strategy {name!r} can make no use of earlier trials; remove "
            "warm_start or choose another strategy"
        )


def _check_lanes(campaign: Campaign) -> None:
    name = campaign.strategy_options["name"]
    if campaign.lanes > 1 and waits(name):
        raise ConfigError(
            f"lanes: strategy {name!r} can have nothing to propose until pending "
            f"results arrive, so it needs lanes: 1, but got lanes: {campaign.lanes}; "
            "set lanes: 1 (and batch: the number of slots) or choose another strategy"
        )
    if campaign.lanes > campaign.search_trials:
        raise ConfigError(
            f"lanes: must not exceed {_search_trials(campaign)}, "
            f"but got {campaign.lanes}"
        )


def _search_trials(campaign: Campaign) -> str:
    if campaign.finals is None:
        return f"max_trials ({campaign.max_trials})"
    return f"the trials that finals leave of max_trials ({campaign.search_trials})"
