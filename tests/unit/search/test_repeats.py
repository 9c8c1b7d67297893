"""Repeats of measured points keep to the seeds of the search."""

import numpy as np
import pytest

from collinear.search import (
    FIRST_SEED,
    Anova,
    Goal,
    History,
    Proposal,
    Result,
    SearchSpace,
    Status,
    finalists,
    race,
    search_only,
)

GOAL = Goal("y")
SPACE = SearchSpace.from_values({"a": list(range(6)), "b": list(range(6))})
ROW = SearchSpace.from_values({"a": list(range(6))})


def outcome(trial):
    """A bowl with noise that depends on the trial alone."""
    chance = np.random.default_rng([*trial.point, trial.seed])
    y = 0.5 * sum((i - 2) ** 2 for i in trial.point) + chance.standard_normal()
    return Result(trial.point, trial.seed, Status.DONE, {"y": y})


def measured(points, seeds):
    trials = [Proposal(p, s) for p in points for s in seeds]
    return History().ask(trials).tell([outcome(t) for t in trials])


def play(strategy, n, history, k=10):
    """The history after n more trials, asked for as a campaign does."""
    for _ in range(n // k):
        batch = strategy.ask(search_only(history), k)
        history = history.ask(batch).tell([outcome(p) for p in batch])
    return history


def test_no_repeat_takes_a_seed_of_the_finals():
    strategy = Anova(SPACE, GOAL, repeat_every=1)
    history = play(strategy, 460, History())
    keys = [p.key for p in history.proposals]
    assert len(keys) == len(set(keys)) == 460
    assert max(seed for _, seed in keys) == FIRST_SEED - 1
    assert search_only(history) == history
    assert {p.seed for p in race(strategy, history, 1)} == {FIRST_SEED}
    assert len(finalists(strategy, history, 3)) == 3


@pytest.mark.parametrize("k", [1, 10])
def test_the_next_best_point_is_repeated_when_seeds_are_used_up(k):
    strategy = Anova(ROW, GOAL, repeat_every=1)
    rest = measured([(0,), (1,), (4,), (5,)], [1]).events
    history = History((*measured([(2,)], range(1, 100)).events, *rest))
    found = play(strategy, 30, history, k).proposals[103:]
    assert len(found) == len({p.key for p in found}) == 30
    assert {p.reason for p in found} == {"repeat"}
    assert sum(p.point == (2,) for p in found) == 1
    assert Proposal((2,), 100, "repeat") in found


def test_without_a_seed_left_the_rest_of_the_grid_is_measured():
    strategy = Anova(ROW, GOAL, repeat_every=1)
    history = measured([(0,), (1,), (2,), (3,), (5,)], range(1, 101))
    (last,) = strategy.ask(history, 10)
    assert last.key == ((4,), 1)
    assert last.reason != "repeat"
    assert strategy.ask(history.ask([last]), 10) == ()


def test_seeds_of_finals_are_no_seeds_of_repeats():
    strategy = Anova(ROW, GOAL, repeat_every=1)
    points = [(0,), (1,), (2,), (3,), (5,)]
    history = measured(points, [1, 2])
    finals = measured([(2,), (3,)], [101, 102, 103])
    history = History((*history.events, *finals.events))
    batch = strategy.ask(history, 8)
    assert {p.reason for p in batch} == {"repeat"}
    assert max(p.seed for p in batch) <= 2 + 8
    assert {p.key for p in batch}.isdisjoint(p.key for p in history.proposals)
