"""Finals: the best few settings again, with fresh seeds.

A search keeps the runs that were lucky, so its best values flatter. Finals run the
short list again under seeds that the search never used: all of it at once with equal
seeds (`finalists`, as the campaigns do), or in turns until one stands out (`race`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from collinear.search.anova import Anova
from collinear.search.goal import Goal
from collinear.search.history import (
    FIRST_SEED,
    Asked,
    History,
    Proposal,
    Result,
    Status,
    Told,
)
from collinear.search.replay import StrategyError
from collinear.search.space import Point
from collinear.search.strategies import Strategy

SHARE = 0.15  # of the budget
N_SETTINGS = 8
N_SEEDS = 3
LIKELY = 0.5  # probability of keeping the limits from which a setting is a finalist
_TWO_SIDED = 1.96  # normal quantile of 95 %
_DROP_BELOW = 0.02  # probability of being the best


def reserved(budget: int, share: float = SHARE) -> int:
    """Number of trials that a budget keeps for finals: a share of it, rounded down."""
    if budget < 0 or not 0.0 <= share < 1.0:
        raise StrategyError(
            "finals need a budget >= 0 and a share in [0, 1), but got "
            f"budget={budget!r} and share={share!r}"
        )
    # In double precision 0.29 * 100 is below 29.
    return math.floor(share * budget * (1 + 1e-12))


def finals_shape(
    budget: int, share: float, settings: int, seeds: int
) -> tuple[int, int]:
    """Settings and seeds of the finals that fit into a share of a budget.

    Seeds come before settings, because without repeats nothing is learnt about noise;
    but two settings come before three seeds, because one leaves no choice.

    Args:
        budget: Trials of search and finals together.
        share: Largest share of them for the finals, in [0, 1).
        settings: Settings wanted, >= 1.
        seeds: Seeds wanted for each, >= 1.

    Returns:
        Number of settings and of seeds; (0, 0) when the share holds no two trials.
    """
    if settings < 1 or seeds < 1:
        raise StrategyError(
            "finals need settings >= 1 and seeds >= 1, but got "
            f"settings={settings!r} and seeds={seeds!r}"
        )
    kept = reserved(budget, share)
    if kept < 2:
        return 0, 0
    if settings >= 2 and kept >= 4:
        seeds = min(seeds, kept // 2)
    seeds = min(seeds, kept)
    return min(settings, kept // seeds), seeds


def seeds_to_resolve(noise: float, difference: float) -> int:
    """Seeds with which the means of two settings tell a difference apart.

    With n runs each, a difference of two means has the standard deviation
    noise * sqrt(2 / n); n is the smallest number for which 1.96 of it is no more than
    the difference.

    Args:
        noise: Standard deviation of one run over seeds, > 0.
        difference: Smallest difference that matters, in the same unit, > 0.

    Returns:
        Number of seeds, >= 2: a spread needs two runs.

    Raises:
        StrategyError: One of them is not above 0.
    """
    if not (noise > 0 and difference > 0):
        raise StrategyError(
            "seeds follow from a noise > 0 and a difference > 0, but got "
            f"noise={noise!r} and difference={difference!r}"
        )
    try:
        return max(2, math.ceil(2 * (_TWO_SIDED * noise / difference) ** 2))
    except OverflowError:
        raise StrategyError(
            "no number of seeds resolves the difference: got "
            f"noise={noise!r} and difference={difference!r}"
        ) from None


def finalists(strategy: Strategy, history: History, n: int) -> list[Point]:
    """The settings that deserve fresh runs, the most promising first.

    With the model of `anova`, settings follow by their probability of being the best
    among those that keep the limits with probability >= `LIKELY`. The setting of the
    best recorded value comes second, so that the finals show how far that value
    flatters. Otherwise (a line strategy, or too few results for a model) settings
    follow by their recorded cost, the feasible ones only. Several limits on one value
    take turns.

    Args:
        strategy: The search that led here.
        history: Everything asked and told; finals in it are left out.
        n: Largest number of settings, >= 0.

    Returns:
        At most n points; none when no setting kept the limits.
    """
    if n < 0:
        raise StrategyError(f"finalists need n >= 0, but got n={n!r}")
    found = search_only(history)
    ranked = _ranked_by_model(strategy, found) if isinstance(strategy, Anova) else []
    lists = []
    for level, goal in enumerate(strategy.goal.each):
        if ranked:
            best = found.incumbent(goal)
            raw = [best.point] if best is not None else []
            lists.append([*ranked[level][:1], *raw, *ranked[level][1:]])
        else:
            lists.append(_ranked_by_record(found, goal))
    turns = (p for turn in zip_longest(*map(dict.fromkeys, lists)) for p in turn)
    return list(dict.fromkeys(p for p in turns if p is not None))[:n]


def _ranked_by_model(strategy: Anova, history: History) -> list[list[Point]]:
    """For each of several limits the likely settings; empty without a model."""
    lists = []
    for goal in strategy.goal.each:
        found = replace(strategy, goal=goal).recommend(
            history, roughness=0.0, safe=LIKELY
        )
        likely = [r for r in found if r.p_feasible >= LIKELY]
        # A stable sort: equal chances keep the order of the expected cost.
        likely.sort(key=lambda r: -r.p_best)
        if not found:
            return []
        lists.append([r.point for r in likely])
    return lists


def _ranked_by_record(history: History, goal: Goal) -> list[Point]:
    """Settings whose every informative trial was feasible, by their mean cost."""
    trials: dict[Point, list[Result]] = {}
    for result in history.results:
        if result.status is not Status.FAILED:
            trials.setdefault(result.point, []).append(result)
    costs = {
        point: _mean([goal.cost(r) or 0.0 for r in results])
        for point, results in trials.items()
        if all(goal.feasible(r) for r in results)
    }
    return sorted(costs, key=lambda point: costs[point])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def race(
    strategy: Anova, history: History, k: int, *, n_settings: int = N_SETTINGS
) -> tuple[Proposal, ...]:
    """The next k trials of the finals, with seed indices from 101.

    Args:
        strategy: The search that led here; its model judges the settings.
        history: Everything asked and told, finals included.
        k: Number of trials, >= 0.
        n_settings: Length of the short list, >= 1.

    Returns:
        k proposals, each to a setting of the short list with the fewest finals so far.
        The list is that of the search alone; settings drop out by all results. Empty
        when the search has nothing to recommend.

    Raises:
        StrategyError: The strategy has no model, or a number is out of range.
    """
    if not isinstance(strategy, Anova):
        raise StrategyError(
            "race needs the model of 'anova', but got a "
            f"{type(strategy).__name__}; use finalists"
        )
    if k < 0 or n_settings < 1:
        raise StrategyError(
            "race needs k >= 0 and n_settings >= 1, but got "
            f"k={k!r} and n_settings={n_settings!r}"
        )
    # The list follows the model: what single runs are worth, the finals measure.
    found = strategy.recommend(search_only(history), roughness=0.0)
    listed = [r.point for r in found[:n_settings]]
    found = strategy.recommend(history, roughness=0.0)
    chances = {r.point: r.p_best for r in found}
    alive = [p for p in listed if chances.get(p, 0.0) >= _DROP_BELOW] or listed[:1]
    seeds = dict.fromkeys(alive, FIRST_SEED - 1)
    keys = [p.key for p in history.proposals] + [r.key for r in history.results]
    for point, seed in keys:
        if point in seeds:
            seeds[point] = max(seeds[point], seed)
    chosen = []
    for _ in range(k if alive else 0):
        point = min(alive, key=lambda p: seeds[p])
        seeds[point] += 1
        chosen.append(Proposal(point, seeds[point], "final"))
    return tuple(chosen)


def search_only(history: History) -> History:
    """The history without the finals, which the search must never see.

    An event that held finals alone is left out: as an empty batch it could count as
    one in which nothing was found.
    """
    if all(_of_search(event) for event in history.events):
        return history
    events: list[Asked | Told] = []
    for event in history.events:
        if isinstance(event, Asked):
            asked = tuple(p for p in event.proposals if p.seed < FIRST_SEED)
            if asked or not event.proposals:
                events.append(Asked(asked))
        else:
            told = tuple(r for r in event.results if r.seed < FIRST_SEED)
            if told or not event.results:
                events.append(Told(told))
    return History(tuple(events))


def _of_search(event: Asked | Told) -> bool:
    trials = event.proposals if isinstance(event, Asked) else event.results
    return all(trial.seed < FIRST_SEED for trial in trials)
