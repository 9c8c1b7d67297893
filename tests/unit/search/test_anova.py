"""What `anova` proposes and why, its choice at the end, and the finals."""

import math
from dataclasses import replace

import numpy as np
import pytest

from collinear.search import (
    Anova,
    Goal,
    History,
    Limit,
    Proposal,
    Result,
    SearchSpace,
    Status,
    StrategyError,
    finalists,
    race,
    reserved,
)
from collinear.search.observations import observe
from collinear.search.start import start_order
from collinear.search.surrogate import build
from collinear.search.warp import bounded, make_warp

SPACE = SearchSpace.from_values({"a": range(8), "b": range(7), "c": range(6)})
GOAL = Goal("y")
LIMITED = Goal("y", (Limit("r", 10.0),))


def bowl(p):
    return 1.0 + (p[0] - 5) ** 2 + 0.7 * (p[1] - 2) ** 2 + 0.4 * (p[2] - p[0] + 2) ** 2


def told(proposals, value=bowl, **others):
    return [
        Result(
            p.point,
            p.seed,
            Status.DONE,
            {"y": value(p.point), **{k: f(p.point) for k, f in others.items()}},
        )
        for p in proposals
    ]


def play(strategy, batches=3, k=20, value=bowl, **others):
    history = History()
    for _ in range(batches):
        batch = strategy.ask(history, k)
        history = history.ask(batch).tell(told(batch, value, **others))
    return history


def noisy(sd):
    """A bowl whose noise depends on the trial alone."""

    def result(p):
        chance = np.random.default_rng([*p.point, p.seed])
        y = bowl(p.point) + sd * chance.standard_normal()
        return Result(p.point, p.seed, Status.DONE, {"y": y})

    return result


def test_finds_the_optimum_of_a_bowl():
    history = play(Anova(SPACE, GOAL))
    assert history.incumbent(GOAL).point == (5, 2, 3)


def test_returns_exactly_k_until_the_grid_is_exhausted():
    strategy, history = Anova(SPACE, GOAL), History()
    for k in (1, 7, 50, 13, 100, 100, 70):
        batch = strategy.ask(history, k)
        left = SPACE.size - len(history.results)
        assert len(batch) == min(k, left)
        history = history.ask(batch).tell(told(batch))
    assert strategy.ask(history, 10) == ()


def test_says_why():
    strategy = Anova(SPACE, GOAL)
    assert {p.reason for p in strategy.ask(History(), 9)} == {"fill"}
    batch = strategy.ask(play(strategy, 1), 10)
    assert [p.reason for p in batch] == ["near", "global", "near", "line"] * 2 + [
        "near",
        "global",
    ]
    alone = Anova(SPACE, GOAL, second_model=False).ask(play(strategy, 1), 10)
    assert [p.reason for p in alone] == ["global", "line"] * 5


def test_line_proposals_share_a_line_with_a_measured_point():
    strategy = Anova(SPACE, GOAL)
    history = play(strategy, 2)
    seen = {r.point for r in history.results}
    for p in strategy.ask(history, 10):
        steps = [np.abs(np.subtract(p.point, q)) for q in seen]
        on_line = [len(set(s[s > 0])) == 1 and np.sum(s > 0) <= 2 for s in steps]
        assert p.reason != "line" or any(on_line)


def test_pending_points_are_kept_in_mind():
    strategy = Anova(SPACE, GOAL)
    history = play(strategy, 1)
    first = strategy.ask(history, 5)
    second = strategy.ask(history.ask(first), 5)
    assert {p.point for p in first}.isdisjoint(p.point for p in second)


def test_seeds_differ_and_repeat():
    histories = [play(Anova(SPACE, GOAL, seed=s), 2) for s in (0, 0, 1)]
    assert histories[0] == histories[1] != histories[2]


GOLDEN = [(5, 3, 3), (5, 2, 3), (5, 2, 4), (5, 2, 2)]
ALONE = [(5, 2, 3), (5, 2, 4), (5, 2, 2), (5, 3, 3)]


@pytest.mark.parametrize(("second", "golden"), [(True, GOLDEN), (False, ALONE)])
def test_golden_trajectory(second, golden):
    """Recorded with numpy 2 and scipy 1; see to it that a change is meant."""
    strategy = Anova(SPACE, GOAL, seed=4, second_model=second)
    batch = strategy.ask(play(strategy, 2, 10), 4)
    assert [p.point for p in batch] == golden


def test_diverged_corner_is_left():
    def outcome(p):
        if p.point[0] >= 4:
            return Result(p.point, p.seed, Status.DIVERGED)
        return told([p])[0]

    strategy, history = Anova(SPACE, GOAL), History()
    shares = []
    for _ in range(4):
        batch = strategy.ask(history, 15)
        shares.append(np.mean([p.point[0] >= 4 for p in batch]))
        history = history.ask(batch).tell([outcome(p) for p in batch])
    assert shares[0] > 0.3
    assert np.mean(shares[2:]) < 0.5 * shares[0]


def test_limit_is_kept_by_proposals_and_choice():
    def r(p):
        return 8.0 + 0.6 * p[0]  # the optimum of the bowl breaks 10: a <= 3 does not

    strategy = Anova(SPACE, LIMITED)
    history = play(strategy, 4, 20, r=r)
    last = history.results[-20:]
    assert np.mean([LIMITED.feasible(x) for x in last]) > 0.5
    best = strategy.recommend(history)[0]
    assert r(best.point) <= 10.0
    assert best.p_feasible >= 0.9
    feasible = [p for p in SPACE.points() if r(p) <= 10.0]
    assert bowl(best.point) == min(map(bowl, feasible))


def test_maximum_is_recommended_with_its_sign_changed():
    up = Goal("y", lower_is_better=False)
    strategy = Anova(SPACE, up)
    best = strategy.recommend(play(strategy, value=lambda p: -bowl(p)))[0]
    assert best.point == (5, 2, 3)
    assert best.cost == pytest.approx(bowl((5, 2, 3)), abs=0.3)


def test_recommendation_is_not_the_luckiest_run():
    strategy, outcome = Anova(SPACE, GOAL), noisy(2.0)
    history, gaps = History(), []
    for _ in range(4):
        batch = strategy.ask(history, 25)
        history = history.ask(batch).tell([outcome(p) for p in batch])
    best = strategy.recommend(history)
    lucky = history.incumbent(GOAL)
    gaps = [bowl(best[0].point), bowl(lucky.point)]
    assert gaps[0] <= gaps[1]
    assert sum(r.p_best for r in best) == pytest.approx(1.0)
    assert best[0].sd > 0.0
    assert lucky.values["y"] < best[0].cost


def test_roughness_is_believed_until_a_repeat_tells():
    """One point lies far below its neighbours: noise, or a landscape that is rough."""
    strategy, spike = Anova(SPACE, GOAL), (2, 5, 1)
    trials = [Proposal(p) for p in SPACE.points() if sum(p) % 3 == 2]

    def value(p):
        return -3.0 if p == spike else bowl(p)

    history = History().ask(trials).tell(told(trials, value))

    def cost(past, share):
        found = strategy.recommend(past, roughness=share)
        return {r.point: r.cost for r in found}[spike]

    assert cost(history, 1.0) < cost(history, 0.5) < cost(history, 0.0)
    assert cost(history, 1.0) == pytest.approx(-3.0, abs=1e-6)
    again = [Proposal(spike, 2)]
    repeated = history.ask(again).tell(told(again, bowl))
    assert cost(repeated, 1.0) == cost(repeated, 0.0)


@pytest.mark.parametrize(
    "shares",
    [
        {"roughness": math.nan},
        {"roughness": 5.0},
        {"roughness": -0.1},
        {"safe": 2.0},
        {"safe": 0.0},
        {"safe": math.nan},
    ],
    ids=str,
)
@pytest.mark.parametrize("n", [0, 1])
def test_shares_out_of_range_are_refused(shares, n):
    strategy = Anova(SPACE, GOAL)
    with pytest.raises(StrategyError, match=r"roughness in \[0, 1\] and safe in"):
        strategy.recommend(play(strategy, n), **shares)


def test_no_recommendation_without_a_model():
    strategy = Anova(SPACE, GOAL)
    assert strategy.recommend(History()) == ()
    assert race(strategy, History(), 5) == ()


def each_point_lost_a_trial():
    points, outcome = start_order(SPACE.shape, 0)[:12], noisy(2.0)
    points = [tuple(np.unravel_index(p, SPACE.shape)) for p in points]
    kept = [outcome(Proposal(p)) for p in points]
    kept = [replace(r, values={**r.values, "r": 1.0}) for r in kept]
    return History().tell([*kept, *(Result(p, 2, Status.DIVERGED) for p in points)])


@pytest.mark.parametrize("goal", [GOAL, LIMITED], ids=["free", "limited"])
@pytest.mark.parametrize("second", [True, False])
def test_nothing_is_recommended_where_every_point_lost_a_trial(goal, second):
    strategy = Anova(SPACE, goal, repeat_every=2, second_model=second)
    history = each_point_lost_a_trial()
    assert strategy.recommend(history) == ()
    assert race(strategy, history, 4) == ()
    assert finalists(strategy, history, 4) == []
    batch = strategy.ask(history, 8)
    told = {r.point for r in history.results}
    assert len({p.point for p in batch} - told) == len(batch) == 8


def test_the_only_point_that_lost_no_trial_is_recommended_and_repeated():
    strategy, sound = Anova(SPACE, GOAL, repeat_every=2), Proposal((7, 6, 5))
    history = each_point_lost_a_trial().tell([noisy(2.0)(sound)])
    assert [r.point for r in strategy.recommend(history)] == [sound.point]
    assert Proposal(sound.point, 2, "repeat") in strategy.ask(history, 8)


def test_repeats_come_under_noise_with_the_next_seed():
    strategy, outcome = Anova(SPACE, GOAL, repeat_every=5), noisy(2.0)
    history = History()
    for _ in range(3):
        batch = strategy.ask(history, 20)
        history = history.ask(batch).tell([outcome(p) for p in batch])
    again = [p for p in history.proposals if p.reason == "repeat"]
    assert len(again) == 8
    assert all(p.seed >= 2 for p in again)
    assert len({p.key for p in history.proposals}) == 60


def test_a_smooth_table_is_not_repeated():
    history = play(Anova(SPACE, GOAL, repeat_every=5), 3)
    assert all(p.seed == 1 for p in history.proposals)


def test_categories_may_be_permuted():
    """Without order, the model's view of the measured values is the same."""
    plain = Anova(SPACE, GOAL, categorical=("a",))
    order = [3, 0, 7, 5, 1, 6, 2, 4]
    trials = [Proposal((i, j, (i + j) % 6)) for i in range(8) for j in range(7)]
    turned = [Proposal((order[p.point[0]], *p.point[1:])) for p in trials]
    values = [bowl(p.point) for p in trials]
    results = []
    for points in (trials, turned):
        pairs = zip(points, values, strict=True)
        batch = [Result(p.point, 1, Status.DONE, {"y": v}) for p, v in pairs]
        seen = observe(History().tell(batch), SPACE, GOAL)
        model = build(plain.axes, seen, ())
        results.append(model.objective.posterior.moments(seen.points)[0])
    np.testing.assert_allclose(np.sort(results[0]), np.sort(results[1]), atol=1e-3)


def test_finals_use_fresh_seeds_and_the_best_settings():
    strategy, outcome = Anova(SPACE, GOAL), noisy(1.0)
    history = History()
    for _ in range(3):
        batch = strategy.ask(history, 20)
        history = history.ask(batch).tell([outcome(p) for p in batch])
    listed = {r.point for r in strategy.recommend(history, roughness=0.0)[:8]}
    first = race(strategy, history, 12)
    assert len(first) == len({p.key for p in first}) == 12
    assert {p.reason for p in first} == {"final"}
    assert {p.seed for p in first} <= {101, 102, 103, 104, 105, 106}
    assert {p.point for p in first} <= listed
    history = history.ask(first).tell([outcome(p) for p in first])
    second = race(strategy, history, 12)
    assert {p.key for p in first}.isdisjoint(p.key for p in second)
    assert {p.point for p in second} <= listed


def test_finals_concentrate_on_what_may_still_win():
    strategy = Anova(SPACE, GOAL)
    history = play(strategy, 3)
    batch = race(strategy, history, 6)
    assert {p.point for p in batch} == {(5, 2, 3)}


@pytest.mark.parametrize(("budget", "kept"), [(0, 0), (363, 54), (20, 3)])
def test_share_of_the_budget_is_reserved(budget, kept):
    assert reserved(budget) == kept


def test_rounding_takes_no_trial_from_the_share():
    for percent in range(100):
        for budget in range(0, 1001, 10):
            assert reserved(budget, percent / 100) == percent * budget // 100


def test_bad_share_is_refused():
    with pytest.raises(StrategyError, match="share in"):
        reserved(100, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be >= 0"),
        ({"repeat_every": -1}, "repeat_every must be >= 0"),
        ({"repeat_every": 2.5}, "repeat_every must be a whole number, but got 2.5"),
        ({"categorical": ("z",)}, "categorical must name axes"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(StrategyError, match=message):
        Anova(SPACE, GOAL, **options)


@pytest.mark.parametrize("shape", [(1,), (3,), (4, 1, 5), (11, 12, 13)], ids=str)
def test_start_order_visits_every_point_once(shape):
    order = start_order(shape, 3)
    assert sorted(order.tolist()) == list(range(math.prod(shape)))


def test_start_spreads_over_every_axis():
    first = start_order((8, 8, 8), 0)[:32]
    for column in np.unravel_index(first, (8, 8, 8)):
        assert set(column.tolist()) == set(range(8))


def test_start_begins_in_the_centre():
    assert Anova(SPACE, GOAL).ask(History(), 3)[0].point == tuple(
        len(axis) // 2 for axis in SPACE.axes
    )


@pytest.mark.parametrize("share", [None, 0.1, 1.0])
def test_warp_is_undone(share):
    costs = np.array([3.0, 3.5, 4.0, 9.0, 5.0])
    warp = make_warp(costs, share)
    values = warp.forward(costs)
    np.testing.assert_allclose(warp.backward(values), costs, atol=1e-7)
    assert np.std(values) == pytest.approx(1.0)
    up, down = warp.backward(values + 1e-6), warp.backward(values - 1e-6)
    np.testing.assert_allclose(warp.slope(values), (up - down) / 2e-6, rtol=1e-6)


def test_missing_and_huge_costs_are_bounded():
    costs = np.array([1.0, 2.0, 3.0, 1e80, np.nan])
    np.testing.assert_allclose(bounded(costs), [1.0, 2.0, 3.0, 5.5, 5.5])
    np.testing.assert_allclose(bounded(np.array([2.0, 2.0, np.nan])), 2.0)
    assert bounded(costs, keep=50.0).max() == 51.5


def test_asking_for_far_more_than_there_is_costs_nothing_more():
    space = SearchSpace.from_values({"a": range(5), "b": range(2), "c": range(2)})
    strategy = Anova(space, Goal("y"))
    history, first = History(), strategy.ask(History(), 9)
    history = history.ask(first).tell(told(first))
    assert len(strategy.ask(history, 10**9)) == 11
