"""Several limits on one value: goals, front, best settings, draws of `anova`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collinear.search import (
    Anova,
    Goal,
    History,
    Limit,
    Result,
    SearchSpace,
    Status,
    best_for_each_limit,
    make_strategy,
    pareto_front,
)

THREE = Limit("r", 16.0, (11.5, 12.5))
GOAL = Goal("y", (THREE,))


def done(i, y, r, seed=1):
    return Result((i,), seed, Status.DONE, {"y": y, "r": r})


def test_a_goal_has_one_goal_for_each_limit():
    other = Limit("t", 3.0)
    goal = Goal("y", (THREE, other))
    assert [g.limits for g in goal.each] == [
        (Limit("r", m), other) for m in (11.5, 12.5, 16.0)
    ]
    assert Goal("y", (other,)).each == (Goal("y", (other,)),)


@pytest.mark.parametrize("tighter", [(12.0, 11.0), (16.0,), (20.0,), (math.nan,)])
def test_several_limits_must_ascend(tighter):
    with pytest.raises(ValueError, match=r"ascend|numbers"):
        Limit("r", 16.0, tighter)


@pytest.mark.parametrize("tighter", [12.5, None])
def test_tighter_limits_are_a_tuple(tighter):
    with pytest.raises(ValueError, match=r"'r' must be a tuple .* but got"):
        Limit("r", 16.0, tighter)


def test_a_list_of_tighter_limits_is_kept_as_a_tuple():
    limit = Limit("r", 16.0, [11.5, 12.5])
    assert limit == THREE
    assert hash(Goal("y", (limit,))) == hash(GOAL)


def test_only_one_value_may_have_several_limits():
    with pytest.raises(ValueError, match="only one value"):
        Goal("y", (THREE, Limit("t", 3.0, (1.0,))))


def test_best_for_each_limit():
    results = [done(0, 1.0, 15.0), done(1, 2.0, 12.0), done(2, 0.5, 99.0)]
    history = History().tell(results)
    assert [
        (li.maximum, b and b.point) for li, b in best_for_each_limit(history, GOAL)
    ] == [
        (11.5, None),
        (12.5, (1,)),
        (16.0, (0,)),
    ]
    assert best_for_each_limit(history, Goal("y")) == ()


numbers = st.one_of(st.none(), st.integers(0, 6).map(float), st.just(math.nan))


@given(st.lists(st.tuples(numbers, numbers), max_size=12), st.booleans())
def test_front_is_what_no_trial_dominates(pairs, lower):
    goal = Goal("y", (THREE,), lower_is_better=lower)
    results = [done(i, y, r) for i, (y, r) in enumerate(pairs)]
    front = pareto_front(results, goal, "r")
    known = [
        (goal.cost(x), x.values["r"])
        for x in results
        if goal.cost(x) is not None
        and x.values["r"] is not None
        and math.isfinite(x.values["r"])
    ]
    expected = {
        (c, r)
        for c, r in known
        if not any((a <= c and b <= r) and (a, b) != (c, r) for a, b in known)
    }
    assert {(goal.cost(x), x.values["r"]) for x in front} == expected
    assert len(front) == len(expected)
    assert [x.values["r"] for x in front] == sorted(x.values["r"] for x in front)


def test_front_keeps_other_limits_and_leaves_out_failures():
    goal = Goal("y", (THREE, Limit("t", 1.0)))
    good = Result((0,), 1, Status.DONE, {"y": 1.0, "r": 9.0, "t": 0.5})
    over = Result((1,), 1, Status.DONE, {"y": 0.0, "r": 8.0, "t": 2.0})
    lost = Result((2,), 1, Status.DIVERGED, {"y": 0.0, "r": 8.0, "t": 0.5})
    assert pareto_front([good, over, lost], goal, "r") == (good,)


SPACE = SearchSpace.from_values({"a": list(range(15)), "b": list(range(15))})


def outcome(proposal):
    """The lower the objective, the higher the limited value."""
    i, j = proposal.point
    y = (14 - i) + 0.3 * (j - 5) ** 2
    r = 9.0 + 0.6 * i + 0.1 * (j - 9) ** 2
    return Result(proposal.point, proposal.seed, Status.DONE, {"y": y, "r": r})


def search(goal, trials, k=8):
    strategy, history = Anova(SPACE, goal, seed=2), History()
    while len(history.results) < trials:
        batch = strategy.ask(history, k)
        history = history.ask(batch).tell([outcome(p) for p in batch])
    return history


def true_best(goal):
    results = [outcome(p) for p in Exhaustive().ask(History(), SPACE.size)]
    return History().tell(results).incumbent(goal)


def Exhaustive():
    return make_strategy("exhaustive", space=SPACE, goal=GOAL)


def test_anova_finds_the_best_setting_within_each_limit():
    history = search(GOAL, 64)
    for goal, (_, best) in zip(
        GOAL.each, best_for_each_limit(history, GOAL), strict=True
    ):
        assert best.values["y"] <= true_best(goal).values["y"] + 0.35


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("second", [False, True])
def test_draws_take_turns_over_limits_and_over_kinds(n, second):
    kinds = {"line", "global", "near"} if second else {"line", "global"}
    maxima = (11.0, 12.0, 13.0, 16.0)[-n:]
    goal = Goal("y", (Limit("r", maxima[-1], maxima[:-1]),))
    history = search(goal, 24)
    strategy = Anova(SPACE, goal, seed=2, second_model=second)
    reasons = [p.reason for p in strategy.ask(history, 4 * n)]
    if n == 1:
        assert set(reasons) == kinds
        return
    for maximum in maxima:
        mine = [r for r in reasons if r.endswith(f" for r <= {maximum:g}")]
        assert len(mine) == 4
        assert {r.split(" for ")[0] for r in mine} == kinds


def test_one_limit_in_a_list_is_that_limit():
    single = Goal("y", (Limit("r", 12.5, ()),))
    plain = Goal("y", (Limit("r", 12.5),))
    assert repr(search(single, 32)) == repr(search(plain, 32))


@pytest.mark.parametrize("name", ["s2018", "radial", "levelled"])
def test_line_strategies_search_for_the_loosest_limit(name):
    several = make_strategy(name, space=SPACE, goal=GOAL)
    loosest = make_strategy(name, space=SPACE, goal=GOAL.each[-1])
    history = History()
    while batch := several.ask(history, 9):
        assert loosest.ask(history, 9) == batch
        history = history.ask(batch).tell([outcome(p) for p in batch])
