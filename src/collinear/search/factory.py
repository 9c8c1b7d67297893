"""From the strategy section of a config to a strategy."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from collinear.search.anova import Anova
from collinear.search.dspline import DEFAULT_ALPHA
from collinear.search.goal import Goal
from collinear.search.history import plain_point
from collinear.search.replay import StrategyError
from collinear.search.space import Point, SearchSpace
from collinear.search.start import check_count, latin_hypercube
from collinear.search.strategies import (
    S2017,
    S2018,
    Exhaustive,
    Ippe,
    Levelled,
    LineStrategy,
    Radial,
    RandomDraw,
    Strategy,
)
from collinear.search.surrogate import NEEDED
from collinear.search.warm import Prior

STRATEGIES = (
    "ippe",
    "s2017",
    "s2018",
    "radial",
    "levelled",
    "anova",
    "random",
    "exhaustive",
)
_NEVER_WAIT = ("anova", "random", "exhaustive")


def waits(name: str) -> bool:
    """True when a strategy can have nothing to propose until results arrive.

    Such a strategy needs a campaign with a single lane.

    Raises:
        StrategyError: There is no strategy of that name.
    """
    if name not in STRATEGIES:
        raise _unknown_strategy(name)
    return name not in _NEVER_WAIT


def make_strategy(
    name: str,
    options: Mapping[str, Any] | None = None,
    *,
    space: SearchSpace,
    goal: Goal,
    seed: int = 0,
    prior: Prior | None = None,
) -> Strategy:
    """Builds a strategy from its name and options in a config.

    Args:
        name: One of `STRATEGIES`.
        options: By name: ``start`` (list of indices, parameter values by name,
            or ``"latin"`` for a Latin hypercube), ``alpha``, ``count``
            (``"samples"`` or ``"batches"``, see `LineStrategy`), ``axis`` (`ippe`),
            ``q`` (`levelled`), ``categorical``, ``repeat_every`` and ``second_model``
            (`anova`).
        space: The grid.
        goal: What is minimised, under which limits.
        seed: Campaign seed; `anova`, `random` and a Latin hypercube use it.
        prior: Trials of an earlier search: `anova` models them, the line strategies
            start at the best of them.

    Raises:
        StrategyError: An unknown name or option, an option or seed out of range, or a
            grid that is too large for the strategy.
    """
    given = dict(options or {})
    if prior is not None:
        given = _with_prior(name, given, prior)
    match name:
        case "ippe":
            return Ippe(space, goal, **_line_options(Ippe, given, space, seed))
        case "s2017":
            return S2017(space, goal, **_line_options(S2017, given, space, seed))
        case "s2018":
            return S2018(space, goal, **_line_options(S2018, given, space, seed))
        case "radial":
            return Radial(space, goal, **_line_options(Radial, given, space, seed))
        case "levelled":
            return Levelled(space, goal, **_line_options(Levelled, given, space, seed))
        case "anova":
            return Anova(space, goal, seed=seed, prior=prior, **_anova_options(given))
        case "random":
            _check_options(name, given, ())
            return RandomDraw(space, goal, seed=seed)
        case "exhaustive":
            _check_options(name, given, ())
            return Exhaustive(space, goal)
        case _:
            raise _unknown_strategy(name)


def _with_prior(name: str, given: dict[str, Any], prior: Prior) -> dict[str, Any]:
    """The options of a search that starts from an earlier one."""
    if name in ("random", "exhaustive"):
        raise StrategyError(
            f"strategy {name!r} can make no use of a warm start; remove it or choose "
            "another strategy"
        )
    if name == "anova" and len(prior.points) < NEEDED:
        raise StrategyError(
            f"a warm start of 'anova' needs {NEEDED} or more earlier settings on the "
            f"grid, but got {len(prior.points)} ({prior.skipped} trials lie off it)"
        )
    if name == "anova" or name not in STRATEGIES:
        return given
    if given.get("start") is not None:
        raise StrategyError(
            f"strategy {name!r} starts at the best point of its warm start, but got "
            f"start={given['start']!r} too; remove one of them"
        )
    return given | {"start": list(prior.best)}


def _line_options(
    kind: type[LineStrategy], given: dict[str, Any], space: SearchSpace, seed: int
) -> dict[str, Any]:
    name = kind.__name__.lower()
    fixed = ("space", "goal", "design", "by_batch")
    known = [f.name for f in fields(kind) if f.name not in fixed]
    _check_options(name, given, [*known, "count"])
    for option in ("q", "axis"):
        _check_type(name, option, given.get(option, 0), int)
    _check_type(name, "alpha", given.get("alpha", 0.0), (int, float))
    count = given.pop("count", "samples")
    if count not in ("samples", "batches"):
        raise StrategyError(
            f"strategy {name!r}: count must be 'samples' or 'batches', but got "
            f"{count!r}"
        )
    given["by_batch"] = count == "batches"
    if kind is S2017 and given.get("alpha", DEFAULT_ALPHA) != DEFAULT_ALPHA:
        warnings.warn(
            f"strategy 's2017' smooths with alpha = {DEFAULT_ALPHA}, as DSICE 1.0.1 "
            f"does: alpha = {given['alpha']!r} is not used; s2018 would use it",
            stacklevel=3,
        )
    start = given.pop("start", None)
    if isinstance(start, str) and start == "latin":
        check_count("seed", seed)
        given["design"] = latin_hypercube(space.shape, seed)
    elif start is not None:
        given["start"] = _start_point(name, start, space)
    return given


def _anova_options(given: dict[str, Any]) -> dict[str, Any]:
    _check_options("anova", given, ("categorical", "repeat_every", "second_model"))
    _check_type("anova", "repeat_every", given.get("repeat_every", 0), int)
    if not isinstance(given.get("second_model", True), bool):
        raise StrategyError(
            "strategy 'anova': second_model must be true or false, but got "
            f"{given['second_model']!r}"
        )
    names = given.get("categorical", ())
    if not isinstance(names, list | tuple):
        raise StrategyError(
            "strategy 'anova': categorical must be a list of axis names, but got "
            f"{names!r}"
        )
    return given | {"categorical": tuple(names)}


def _start_point(name: str, start: object, space: SearchSpace) -> Point:
    point: Point | None = None
    if isinstance(start, Mapping):
        point = space.locate(start)
    elif isinstance(start, Iterable) and not isinstance(start, str):
        with contextlib.suppress(ValueError):
            point = plain_point(start)
    if point is None or point not in space:
        raise StrategyError(
            f"strategy {name!r}: start must be a point of the grid {space.shape}, but "
            f"got {start!r}; give a list of indices from 0, a value of each axis, "
            "or 'latin'"
        )
    return point


def _check_options(name: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    for option in given:
        if option not in known:
            raise StrategyError(
                f"strategy {name!r} knows the options {sorted(known)}, but got "
                f"{option!r}; remove it or correct its name"
            )


def _check_type(
    name: str, option: str, value: object, kind: type | tuple[type, ...]
) -> None:
    if isinstance(value, bool) or not isinstance(value, kind):
        raise StrategyError(
            f"strategy {name!r}: {option} must be a number of the right kind, but got "
            f"{value!r} of type {type(value).__name__}"
        )


def _unknown_strategy(name: object) -> StrategyError:
    return StrategyError(
        f"a strategy must be one of {list(STRATEGIES)}, but got {name!r}"
    )
