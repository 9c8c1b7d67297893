"""From a configuration mapping to a checked campaign.

Two layers: the JSON Schema checks the shape (unknown keys are errors), then the
dataclasses check the meaning. Every message says the rule, what was given and where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from collinear.campaign.race_plan import PretrainRace
from collinear.campaign.schema import ConfigError, check_schema
from collinear.campaign.sections import (
    Application,
    Finals,
    LastCallRule,
    Prepare,
    Stopping,
    StopRules,
    read_application,
    read_conventional,
    read_enqueue,
    read_finals,
    read_goal,
    read_last_call,
    read_pretrain_race,
    read_stop_rules,
    read_stopping,
)
from collinear.search import (
    Anova,
    Goal,
    Point,
    Prior,
    SearchSpace,
    SpaceError,
    Strategy,
    finals_shape,
    make_strategy,
    waits,
)

TRIAL_COLUMNS = (
    "lane",
    "step",
    "point",
    "seed",
    "reason",
    "trial",
    "status",
    "feasible",
    "trials",
    "batches",
    "hours",
)
"""Columns of tables of trials besides their settings and values."""
FINALS_COLUMNS = ("setting", "runs", "mean", "sd", "to")
"""Columns of the table of finals besides the settings."""


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
        last_call: What a training may still use once a lane is over; None: no limit.
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
    stop: StopRules = field(default_factory=StopRules)
    finals: Finals | None = None
    prepare: Prepare = field(default_factory=Prepare)
    stopping: Stopping | None = None
    pretrain_race: PretrainRace | None = None
    pretrain_axes: tuple[str, ...] = ()
    last_call: LastCallRule | None = field(default_factory=LastCallRule)

    def strategy(self, prior: Prior | None = None) -> Strategy:
        """The configured search.

        Args:
            prior: The trials of `warm_start`; see `collinear.campaign.warm_start`.
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
    goal = read_goal(config)
    application = read_application(config["application"])
    _check_values(goal, application)
    _check_names(space, application)
    campaign = Campaign(
        name=config["campaign"],
        seed=int(config["seed"]),  # here and below: YAML may write 8.0
        threads=int(config.get("threads", 1)),
        space=space,
        goal=goal,
        strategy_options=dict(config["strategy"]),
        lanes=int(config.get("lanes", 1)),
        batch=int(config.get("batch", 50)),
        max_trials=int(config["max_trials"]),
        conventional=read_conventional(config.get("conventional"), space),
        documented_result=config.get("documented_result"),
        application=application,
        warm_start=config.get("warm_start"),
        enqueue=read_enqueue(config, space),
        stop=read_stop_rules(config.get("stop", {})),
        finals=read_finals(config.get("finals", False)),
        prepare=Prepare(**config.get("prepare", {})),
        stopping=read_stopping(config, application),
        pretrain_race=read_pretrain_race(config, application),
        pretrain_axes=tuple(config.get("pretrain_axes", ())),
        last_call=read_last_call(config.get("last_call", True)),
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


def _check_names(space: SearchSpace, application: Application) -> None:
    """Axes and values are columns of the same tables, beside those of every trial."""
    for name in space.names:
        if name in application.values:
            raise ConfigError(
                f"space: an axis and a value of application.values must not have one "
                f"name, but both have {name!r}; rename one of them"
            )
    for key, names in (
        ("space", space.names),
        ("application.values", application.values),
    ):
        for name in names:
            if name in TRIAL_COLUMNS:
                raise ConfigError(
                    f"{key}: the tables of trials have a column {name!r} of their own; "
                    "use another name"
                )


def _check_finals(campaign: Campaign) -> None:
    for name in campaign.space.names if campaign.finals is not None else ():
        if name in FINALS_COLUMNS:
            raise ConfigError(
                f"space: the table of finals has a column {name!r} of its own; use "
                "another name, or write finals: false"
            )
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
