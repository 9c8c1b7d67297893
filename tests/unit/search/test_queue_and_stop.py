"""Settings of the user that come first, and the end of a search with little left."""

import numpy as np
import pytest

from collinear.search import (
    Anova,
    Goal,
    History,
    Limit,
    Outlook,
    Result,
    SearchSpace,
    Status,
    StrategyError,
    ask_with_queue,
    little_left,
    locate_settings,
    make_strategy,
    outlook,
)

SPACE = SearchSpace.from_values({"a": [0.1, 1.0, 10.0], "b": [1, 2, 3, 4]})
WIDE = SearchSpace.from_values({"a": list(range(9)), "b": list(range(8))})
GOAL = Goal("y")


def test_settings_are_found_on_the_grid():
    assert locate_settings([{"b": 2, "a": 10.0}, {"a": 0.1, "b": 4}], SPACE) == (
        (2, 1),
        (0, 3),
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"a": 0.1}, r"one value for each axis \['a', 'b'\]"),
        ({"a": 0.1, "b": 1, "c": 1}, "one value for each axis"),
        ({"a": 0.4, "b": 1}, r"a must be .* got 0.4; the nearest are 0.1 and 1"),
        ({"a": 99.0, "b": 1}, "the nearest are 1 and 10"),
        ({"a": "1", "b": 1}, "a must be a number"),
        ({"a": 1.0, "b": 1}, "equals setting 0"),
    ],
)
def test_wrong_settings_are_refused(setting, message):
    with pytest.raises(StrategyError, match=message):
        locate_settings([{"a": 1.0, "b": 1}, setting], SPACE)


def test_settings_may_hold_numbers_of_numpy():
    setting = {"a": np.float64(10.0), "b": np.int64(2)}
    assert locate_settings([setting], SPACE) == ((2, 1),)
    with pytest.raises(StrategyError, match=r"got 5; the nearest are 3 and 4"):
        locate_settings([{"a": 1.0, "b": np.int64(5)}], SPACE)
    with pytest.raises(StrategyError, match="b must be a number"):
        locate_settings([{"a": 1.0, "b": np.bool_(True)}], SPACE)


@pytest.mark.parametrize("name", ["anova", "exhaustive"])
def test_a_repeat_in_the_queue_counts_once(name):
    strategy = make_strategy(name, space=WIDE, goal=GOAL)
    queue = [(3, 4), (np.int64(3), np.int64(4)), [3, 4], (2, 2), (3, 4)]
    batch = ask_with_queue(strategy, queue, History(), 5)
    assert [p.key for p in batch[:2]] == [((3, 4), 1), ((2, 2), 1)]
    assert [p.reason == "user" for p in batch] == [True, True, False, False, False]
    assert len({p.key for p in batch}) == 5


@pytest.mark.parametrize("point", [(9, 0), (0, -1), (0,), ()])
@pytest.mark.parametrize("k", [0, 1, 5])
def test_a_point_off_the_grid_in_the_queue_is_refused(point, k):
    strategy = make_strategy("exhaustive", space=WIDE, goal=GOAL)
    with pytest.raises(StrategyError, match=r"points of the grid \(9, 8\), but got"):
        ask_with_queue(strategy, [(0, 0), point], History(), k)


@pytest.mark.parametrize("name", ["anova", "levelled", "s2018", "random"])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_queue_comes_first_and_is_part_of_the_search(name, k):
    strategy = make_strategy(name, space=WIDE, goal=GOAL, seed=1)
    queue, history = ((0, 0), (8, 7), (4, 4)), History()
    for _ in range(6):
        batch = ask_with_queue(strategy, queue, history, k)
        assert len(batch) <= k
        told = [
            Result(p.point, 1, Status.DONE, {"y": float(sum(p.point))}) for p in batch
        ]
        history = history.ask(batch).tell(told)
    points = [p.point for p in history.proposals]
    assert tuple(points[:3]) == queue
    assert [p.reason for p in history.proposals[:3]] == ["user"] * 3
    assert len(points) == len(set(points))
    if name == "anova":
        assert len(points) == 6 * k


def test_empty_queue_changes_nothing():
    strategy = make_strategy("anova", space=WIDE, goal=GOAL)
    assert ask_with_queue(strategy, (), History(), 5) == strategy.ask(History(), 5)
    assert ask_with_queue(strategy, ((0, 0),), History(), 0) == ()


def bowl(point):
    return (point[0] - 5.2) ** 2 + (point[1] - 2.3) ** 2


def run(n, cost=bowl, goal=GOAL, k=6, seed=2, **more):
    strategy, history = Anova(WIDE, goal, seed=seed), History()
    while len(history.results) < n:
        batch = strategy.ask(history, k)
        values = [
            {"y": cost(p.point)} | {m: f(p.point) for m, f in more.items()}
            for p in batch
        ]
        told = [
            Result(p.point, 1, Status.DONE, v)
            for p, v in zip(batch, values, strict=True)
        ]
        history = history.ask(batch).tell(told)
    return strategy, history


def test_outlook_equals_the_formula_by_numerical_integration():
    strategy, history = run(18)
    models, _ = strategy.models(history)
    posterior = models.objective.posterior
    free = np.array(
        [p for p in WIDE.points() if p not in {q.point for q in history.proposals}]
    )
    mean, covariance = posterior.moments(free)
    at = np.ravel_multi_index(tuple(posterior.points.T), (9, 8))
    best = posterior.mean[at].min()
    z = np.linspace(-9, 9, 20001)
    weight = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    gains = [
        np.sum(np.maximum(best - (m + np.sqrt(v) * z), 0) * weight)
        for m, v in zip(mean, np.diag(covariance), strict=True)
    ]
    assert outlook(strategy, history).improvement == pytest.approx(max(gains), rel=1e-4)


def test_little_is_left_after_a_smooth_bowl_was_searched_and_not_before():
    flags = [little_left(*run(n)) for n in (6, 12, 60)]
    assert flags == [False, False, True]


def test_two_successive_fits_are_needed():
    """The last batch alone must not decide."""
    for n in range(12, 72, 6):
        strategy, history = run(n)
        if outlook(strategy, history).small():
            break
    earlier = History(history.events[:-1])
    if not outlook(strategy, earlier).small():
        assert not little_left(strategy, history)
    strategy, history = run(n + 6)
    assert little_left(strategy, history)


def test_noise_ends_a_search_earlier_than_no_noise():
    chance = np.random.default_rng(5)
    noise = dict(zip(WIDE.points(), chance.normal(0, 6, WIDE.size), strict=True))
    strategy, history = run(48, lambda p: bowl(p) + noise[p])
    found = outlook(strategy, history)
    assert found.noise > 0.1
    assert found.small(1e9)
    assert not found.small(0.0) or found.improvement < 1e-3 * found.spread


def test_nothing_feasible_means_that_much_may_be_left():
    goal = Goal("y", (Limit("r", 1.0),))
    strategy, history = run(30, goal=goal, r=lambda p: 50.0 + p[0])
    assert outlook(strategy, history).improvement == float("inf")
    assert not little_left(strategy, history)


def test_without_a_model_nothing_is_known():
    strategy = Anova(WIDE, GOAL)
    assert outlook(strategy, History()) is None
    assert not little_left(strategy, History())


def test_small_compares_with_noise_or_with_the_range():
    assert Outlook(0.2, 1.0, 4.0).small()
    assert not Outlook(0.3, 1.0, 4.0).small()
    assert Outlook(0.003, 0.0, 4.0).small()
    assert not Outlook(0.005, 0.0, 4.0).small()
