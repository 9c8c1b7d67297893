"""From config to strategy, and its errors."""

import numpy as np
import pytest

from collinear.search import (
    STRATEGIES,
    Goal,
    History,
    Levelled,
    Result,
    SearchSpace,
    Status,
    StrategyError,
    make_strategy,
    waits,
)

SPACE = SearchSpace.from_values({"a": [0.1, 0.2, 0.4], "b": [1, 2, 3, 4]})
GOAL = Goal("y")


def make(name, options=None, **others):
    return make_strategy(name, options, space=SPACE, goal=GOAL, **others)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_name_makes_a_strategy(name):
    assert make(name).ask(History(), 2)


def test_options_reach_the_strategy():
    strategy = make("levelled", {"q": 3, "alpha": 1, "start": [2, 0]})
    assert strategy == Levelled(SPACE, GOAL, start=(2, 0), alpha=1, q=3)


def test_s2017_says_that_it_does_not_use_alpha():
    with pytest.warns(UserWarning, match="alpha = 1.5 is not used"):
        strategy = make("s2017", {"alpha": 1.5})
    assert strategy.smoothing == 0.1


def test_start_may_be_given_by_values():
    strategy = make("s2018", {"start": {"a": 0.4, "b": 2}})
    assert strategy.ask(History(), 1)[0].point == (2, 1)


def test_start_is_the_centre_by_default():
    assert make("radial").ask(History(), 1)[0].point == (1, 2)


@pytest.mark.parametrize("name", ["ippe", "s2017", "s2018", "radial", "levelled"])
def test_latin_start_shows_every_value_and_begins_at_its_best_point(name):
    strategy = make(name, {"start": "latin"}, seed=5)
    history = History()
    batch = strategy.ask(history, 50)[:4]
    assert {p.point[1] for p in batch} == {0, 1, 2, 3}
    assert {p.point[0] for p in batch} == {0, 1, 2}
    assert {p.reason for p in batch} == {"design"}
    told = [
        Result(p.point, 1, Status.DONE, {"y": abs(p.point[1] - 2.0)}) for p in batch
    ]
    history = history.ask(batch).tell(told)
    best = history.incumbent(GOAL).point
    assert strategy.ask(history, 50)
    assert all(line.base == best for line in strategy.lines(history)[:1])


def test_latin_start_depends_on_the_seed():
    first = {make("radial", {"start": "latin"}, seed=s).design for s in range(5)}
    assert len(first) > 1


def test_a_start_and_a_design_exclude_each_other():
    with pytest.raises(StrategyError, match="but got both"):
        Levelled(SPACE, GOAL, start=(0, 0), design=((1, 1),))
    with pytest.raises(StrategyError, match="points of the grid"):
        Levelled(SPACE, GOAL, design=((1, 9),))


def test_options_are_not_changed():
    options = {"start": [0, 0]}
    make("s2018", options)
    assert options == {"start": [0, 0]}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("annealing", {}, "must be one of"),
        ("s2018", {"q": 1}, "knows the options"),
        ("random", {"alpha": 1.0}, "knows the options"),
        ("exhaustive", {"seed": 1}, "knows the options"),
        ("levelled", {"q": 0}, "q must be >= 1"),
        ("levelled", {"count": "rounds"}, "'samples' or 'batches'"),
        ("levelled", {"start": "corner"}, "or 'latin'"),
        ("levelled", {"q": 1.5}, "of type float"),
        ("levelled", {"q": True}, "of type bool"),
        ("ippe", {"axis": 2}, r"axis must be in 0\.\.1"),
        ("s2018", {"alpha": -1.0}, "alpha must be finite"),
        ("s2018", {"alpha": float("nan")}, "alpha must be finite"),
        ("s2018", {"alpha": "1e-1"}, "of type str"),
        ("radial", {"start": [3, 0]}, "start must be a point"),
        ("radial", {"start": [0]}, "start must be a point"),
        ("radial", {"start": "centre"}, "start must be a point"),
        ("radial", {"start": {"a": 0.3, "b": 1}}, "start must be a point"),
    ],
)
def test_errors_name_the_rule(name, options, message):
    with pytest.raises(StrategyError, match=message):
        make(name, options)


def test_negative_seed_is_refused():
    with pytest.raises(StrategyError, match="seed must be >= 0"):
        make("random", seed=-1)
    with pytest.raises(StrategyError, match="seed must be >= 0, but got -1"):
        make("s2018", {"start": "latin"}, seed=-1)
    assert make("s2018", seed=-1) == make("s2018")  # no seed is used


@pytest.mark.parametrize("seed", ["1", 1.5, None, True])
@pytest.mark.parametrize(
    ("name", "options"),
    [("anova", {}), ("random", {}), ("levelled", {"start": "latin"})],
)
def test_a_seed_that_is_no_whole_number_is_refused(name, options, seed):
    with pytest.raises(StrategyError, match="seed must be a whole number, but got"):
        make(name, options, seed=seed)
    expected = make(name, options, seed=7).ask(History(), 4)
    assert make(name, options, seed=np.int64(7)).ask(History(), 4) == expected


@pytest.mark.parametrize("name", ["anova", "random"])
def test_a_grid_beyond_memory_is_refused(name):
    values = {axis: range(10) for axis in "abcdefg"}
    make_strategy(name, space=SearchSpace.from_values(values), goal=GOAL)
    larger = SearchSpace.from_values(values | {"g": range(11)})
    message = r"'{}' needs .* 10,000,000 .* got 11,000,000 \(10 x .* x 11\); give"
    with pytest.raises(StrategyError, match=message.format(name)):
        make_strategy(name, space=larger, goal=GOAL)


def test_waits_knows_every_strategy():
    assert [name for name in STRATEGIES if not waits(name)] == [
        "anova",
        "random",
        "exhaustive",
    ]
    with pytest.raises(StrategyError, match="must be one of"):
        waits("annealing")


def test_ippe_takes_the_axis_it_is_given():
    batch = make("ippe", {"axis": 1}).ask(History(), 4)
    assert [p.point for p in batch] == [(1, 0), (1, 3), (1, 1), (1, 2)]


def test_random_depends_on_the_seed_alone():
    first, again, other = (make("random", seed=s).ask(History(), 5) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_random_draws_the_whole_grid_once():
    points = {p.point for p in make("random").ask(History(), 100)}
    assert points == set(SPACE.points())


def test_exhaustive_runs_in_c_order():
    points = [p.point for p in make("exhaustive").ask(History(), 100)]
    assert points == list(SPACE.points())


def test_lines_of_random_are_those_through_the_incumbent():
    history = History().tell([Result((2, 1), 1, Status.DONE, {"y": 0.0})])
    lines = make("random").lines(history)
    assert [(line.base, line.direction) for line in lines] == [
        ((2, 1), (1, 0)),
        ((2, 1), (0, 1)),
    ]
    assert make("random").lines(History()) == ()


@pytest.mark.parametrize("name", ["s2017", "radial"])
def test_all_directions_of_many_axes_are_refused(name):
    values = {f"x{k}": [0, 1] for k in range(13)}
    space = SearchSpace.from_values(values)
    with pytest.raises(StrategyError, match="13 axes; use fewer"):
        make_strategy(name, {}, space=space, goal=Goal("y"))
    few = SearchSpace.from_values(dict(list(values.items())[:3]))
    assert make_strategy(name, {}, space=few, goal=Goal("y")).ask(History(), 1)


def test_numbers_of_numpy_are_those_of_python():
    space = SearchSpace.from_values(
        {"a": np.array([1, 2, 3]), "b": np.float32([0.5, 1.5])}
    )
    assert space == SearchSpace.from_values({"a": [1, 2, 3], "b": [0.5, 1.5]})
    assert {type(v) for axis in space.axes for v in axis.values} == {int, float}
    with pytest.raises(ValueError, match="values must be finite"):
        SearchSpace.from_values({"a": [1, 10**400]})
    for start in ((np.int64(1), np.int64(0)), np.array([1, 0]), [1, 0]):
        found = make_strategy(
            "levelled", {"start": start}, space=space, goal=Goal("y"), seed=1
        )
        assert found.ask(History(), 1)[0].point == (1, 0)
