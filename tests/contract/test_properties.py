"""Any strategy, any small grid, any order of events: the promises of `Strategy` hold.

Workers ask one by one or together and report in any order. Trials fail, diverge, break
the limit, are repeated under other seeds, are told twice, or never report at all.
"""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collinear.search import (
    Asked,
    EarlierTrial,
    Goal,
    History,
    Limit,
    Result,
    SearchSpace,
    Status,
    Told,
    make_prior,
    make_strategy,
    waits,
)

GOAL = Goal("y", (Limit("r", 1.5, (0.5, 1.0)),))
KINDS = {
    "ippe": ("ippe", {}),
    "s2017": ("s2017", {}),
    "s2018": ("s2018", {}),
    "radial": ("radial", {}),
    "levelled": ("levelled", {"q": 2}),
    "latin": ("levelled", {"start": "latin", "count": "batches"}),
    "anova": ("anova", {}),
    "anova-warm": ("anova", {}),
    "anova-one": ("anova", {"second_model": False}),
    "anova-one-warm": ("anova", {"second_model": False}),
    "levelled-warm": ("levelled", {}),
    "random": ("random", {}),
    "exhaustive": ("exhaustive", {}),
}
shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4).filter(
    lambda shape: math.prod(shape) <= 60
)


def outcome(point, seed_index, chance):
    """Every kind of outcome; values repeat often, so that there are ties."""
    luck = chance.random()
    if luck < 0.12:
        return Result(point, seed_index, Status.FAILED)
    if luck < 0.2:
        return Result(point, seed_index, Status.DIVERGED, {"y": None})
    if luck < 0.25:
        return Result(point, seed_index, Status.STOPPED, {"y": 0.0, "r": 0.0})
    y = chance.choice([0.0, 1.0, 1.0, 2.5, -3.0, math.nan, math.inf, 1e200])
    r = chance.choice([0.0, 0.7, 1.2, 2.0, None, math.nan])
    return Result(point, seed_index, Status.DONE, {"y": y, "r": r})


def earlier(space):
    """Trials of another search, when there are enough points for one."""
    points = list(space.points())[:9]
    trials = [EarlierTrial(space.params(p), float(sum(p) % 4)) for p in points]
    return make_prior(trials, space) if len(points) >= 4 else None


def checked_ask(strategy, history, k):
    batch = strategy.ask(history, k)
    assert repr(strategy.ask(History(history.events), k)) == repr(batch)
    keys = {p.key for p in batch}
    old = {p.key for p in history.proposals} | {r.key for r in history.results}
    assert len(keys) == len(batch) <= k
    assert not keys & old
    assert not {p.point for p in batch} & {point for point, _ in old}
    assert all(p.point in strategy.space and p.reason for p in batch)
    return batch


@pytest.mark.parametrize("kind", KINDS)
@given(shape=shapes, seed=st.integers(0, 10**6), lose=st.sampled_from([0.0, 0.1, 0.5]))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_workers_that_come_and_go(kind, shape, seed, lose):
    name, options = KINDS[kind]
    axes = {f"x{k}": list(range(n)) for k, n in enumerate(shape)}
    space = SearchSpace.from_values(axes)
    prior = earlier(space) if kind.endswith("-warm") else None
    strategy = make_strategy(
        name, options, space=space, goal=GOAL, seed=seed % 7, prior=prior
    )
    chance, history = random.Random(seed), History()
    lost: set = set()
    for _ in range(3 * space.size + 10):
        batch = checked_ask(strategy, history, chance.choice([1, 2, 5]))
        history = history.ask(batch) if batch else history
        lost |= {p.key for p in batch if chance.random() < lose}
        running = [p for p in history.pending if p.key not in lost]
        told = chance.sample(running, chance.randint(0, len(running)))
        results = [outcome(p.point, p.seed, chance) for p in told]
        if told and chance.random() < 0.2:  # a stranger's repeat of a known point
            results.append(outcome(told[0].point, 9, chance))
        if results:
            history = History((*history.events, Told(tuple(results + results[:1]))))
        if not batch and not running:
            break
    else:
        raise AssertionError("the search did not end")
    assert strategy.ask(history, 3) == ()
    if not waits(name):
        asked = {p.point for p in history.proposals} | {
            r.point for r in history.results
        }
        assert len(asked) == space.size


@pytest.mark.parametrize("kind", KINDS)
@given(shape=shapes, seed=st.integers(0, 10**6))
@settings(max_examples=6, deadline=None, derandomize=True)
def test_order_within_a_batch_does_not_matter(kind, shape, seed):
    name, options = KINDS[kind]
    axes = {f"x{k}": list(range(n)) for k, n in enumerate(shape)}
    space = SearchSpace.from_values(axes)
    strategy = make_strategy(name, options, space=space, goal=GOAL)
    one = two = History()
    for _ in range(4):
        batch = strategy.ask(one, 6)
        assert strategy.ask(two, 6) == batch
        results = [outcome(p.point, p.seed, random.Random(f"{seed}{p}")) for p in batch]
        shuffled = random.Random(seed).sample(results, len(results))
        one = History((*one.events, Asked(batch), Told(tuple(results))))
        two = History((*two.events, Asked(batch), Told(tuple(shuffled))))
