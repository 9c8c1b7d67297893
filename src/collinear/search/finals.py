"""Finals: the best few settings again, with fresh seeds, until one stands out.

A search keeps the runs that were lucky, so its best values flatter. Finals run the
short list again under seeds that the search never used. Settings that have become
unlikely to be the best drop out, and the trials go to the others.
"""

from __future__ import annotations

import math

from collinear.search.anova import Anova
from collinear.search.history import Asked, History, Proposal, Told
from collinear.search.replay import StrategyError

FIRST_SEED = 101
SHARE = 0.15  # of the budget
N_SETTINGS = 8
_DROP_BELOW = 0.02  # probability of being the best


def reserved(budget: int, share: float = SHARE) -> int:
    """Number of trials that a budget keeps for finals."""
    if budget < 0 or not 0.0 <= share < 1.0:
        raise StrategyError(
            "finals need a budget >= 0 and a share in [0, 1), but got "
            f"budget={budget!r} and share={share!r}"
        )
    return math.floor(share * budget)


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
        when the search has no model yet.
    """
    # The list follows the model: what single runs are worth, the finals measure.
    found = strategy.recommend(_search_only(history), roughness=0.0)
    listed = [r.point for r in found[:n_settings]]
    found = strategy.recommend(history, roughness=0.0)
    chances = {r.point: r.p_best for r in found}
    alive = [p for p in listed if chances.get(p, 0.0) >= _DROP_BELOW] or listed[:1]
    seeds = dict.fromkeys(alive, FIRST_SEED - 1)
    for proposal in history.proposals:
        if proposal.point in seeds and proposal.seed >= FIRST_SEED:
            seeds[proposal.point] = max(seeds[proposal.point], proposal.seed)
    chosen = []
    for _ in range(k if alive else 0):
        point = min(alive, key=lambda p: seeds[p])
        seeds[point] += 1
        chosen.append(Proposal(point, seeds[point], "final"))
    return tuple(chosen)


def _search_only(history: History) -> History:
    """The history without the finals."""
    events: list[Asked | Told] = []
    for event in history.events:
        if isinstance(event, Asked):
            kept = tuple(p for p in event.proposals if p.seed < FIRST_SEED)
            events.append(Asked(kept))
        else:
            told = tuple(r for r in event.results if r.seed < FIRST_SEED)
            events.append(Told(told))
    return History(tuple(events))
