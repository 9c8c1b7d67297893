"""Objective against a limited value: the best setting for each limit, and the front."""

from __future__ import annotations

import math
from collections.abc import Iterable

from collinear.search.goal import Goal, Limit
from collinear.search.history import History, Result


def best_for_each_limit(
    history: History, goal: Goal
) -> tuple[tuple[Limit, Result | None], ...]:
    """The incumbent under each of several limits on one value, the tightest first.

    Empty when no value of the goal has several limits. All limits share all trials, so
    the objective never gets worse from one limit to the next.
    """
    swept = goal.swept
    if swept is None:
        return ()
    return tuple(
        (Limit(swept.name, maximum), history.incumbent(each))
        for maximum, each in zip(swept.maxima, goal.each, strict=True)
    )


def pareto_front(
    results: Iterable[Result], goal: Goal, name: str
) -> tuple[Result, ...]:
    """The trials that no other trial beats in both the objective and a limited value.

    Args:
        results: Any results; only those with both numbers count.
        goal: The objective. Its limits on other values must be kept; those on `name`
            play no part, because the front is what they choose from.
        name: The recorded value to be kept small, such as ``rmse``.

    Returns:
        The front by rising `name`, so the objective improves along it. Of trials with
        equal numbers the first one.
    """
    others = tuple(limit for limit in goal.limits if limit.name != name)
    plain = Goal(goal.objective, others, goal.lower_is_better)
    known = []
    for result in results:
        cost, value = plain.cost(result), result.values.get(name)
        usable = cost is not None and value is not None and math.isfinite(value)
        if usable and plain.feasible(result):
            known.append((value, cost, result))
    known.sort(key=lambda entry: entry[:2])
    front: list[Result] = []
    lowest = math.inf
    for _, cost, result in known:
        if cost is not None and cost < lowest:
            front.append(result)
            lowest = cost
    return tuple(front)
