"""The second model of `anova`: what it believes, and near what it draws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collinear.search import (
    Anova,
    Goal,
    History,
    Limit,
    Result,
    SearchSpace,
    Status,
    StrategyError,
    make_strategy,
    surrogate,
)
from collinear.search.grid_model import GridModel
from collinear.search.hyper import Likelihood, fit_hyper, product_prior
from collinear.search.kernels import AxisShape, correlation
from collinear.search.near import near_best

SPACE = SearchSpace.from_values({"a": range(8), "b": range(7), "c": range(6)})
GOAL = Goal("y")
AXES = (AxisShape(6), AxisShape(4, categorical=True), AxisShape(9, zero_level=True))


def bowl(p):
    return 1.0 + (p[0] - 5) ** 2 + 0.7 * (p[1] - 2) ** 2 + 0.4 * (p[2] - p[0] + 2) ** 2


def play(strategy, batches, k=20):
    history = History()
    for _ in range(batches):
        batch = strategy.ask(history, k)
        results = [
            Result(p.point, p.seed, Status.DONE, {"y": bowl(p.point), "r": p.point[0]})
            for p in batch
        ]
        history = history.ask(batch).tell(results)
    return history


def data(seed, n=40):
    rng = np.random.default_rng(seed)
    points = np.stack([rng.integers(0, a.n_values, n) for a in AXES], axis=1)
    return points, np.sin(points[:, 0]) + 0.3 * rng.standard_normal(n)


def test_every_second_draw_is_the_second_models():
    strategy = Anova(SPACE, GOAL)
    assert {p.reason for p in strategy.ask(History(), 9)} == {"fill"}
    batch = strategy.ask(play(strategy, 1), 8)
    assert [p.reason for p in batch] == ["near", "global", "near", "line"] * 2


def test_without_it_the_draws_are_those_of_the_first_model_alone():
    one, two = (Anova(SPACE, GOAL, seed=3, second_model=s) for s in (False, True))
    history = play(one, 2)
    asked = len(history.proposals)
    singles = [s.ask(history, 2)[1] for s in (one, two)]
    assert asked % 4 == 0
    assert singles[0].reason == "line"
    assert singles[1].reason == "global"


def test_finds_the_optimum_of_a_bowl():
    history = play(Anova(SPACE, GOAL), 3)
    assert history.incumbent(GOAL).point == (5, 2, 3)


@pytest.mark.parametrize("first_slot", [60, 61])
def test_one_proposal_fits_one_model(first_slot):
    """The fits are most of the time of an `ask` where slots are refilled one by one."""
    strategy = Anova(SPACE, GOAL)
    history = play(strategy, 3)
    history = history.ask(strategy.ask(history, first_slot - 60))
    surrogate.forget_fits()
    (proposal,) = strategy.ask(history, 1)
    assert proposal.reason == ("near" if first_slot % 2 == 0 else "global")
    assert surrogate._remembered_fit.cache_info().misses == 1


def test_draws_keep_the_limits():
    strategy = Anova(SPACE, Goal("y", (Limit("r", 3.0),)))
    history = play(strategy, 3)
    near = [p for p in strategy.ask(history, 20) if p.reason == "near"]
    assert np.mean([p.point[0] <= 3 for p in near]) >= 0.8


def test_the_second_model_is_the_interaction_alone():
    points, values = data(0)
    hyper = fit_hyper(AXES, points, values, prior=product_prior(3)).hyper
    model = GridModel(AXES, hyper)
    expected = hyper.interaction * np.ones((40, 40))
    for k, axis in enumerate(AXES):
        factor = correlation(axis, hyper.length[k])[0]
        expected *= factor[np.ix_(points[:, k], points[:, k])]
    constant = 4.0  # the variance of the constant
    np.testing.assert_allclose(
        model.covariance(points, points), expected + constant, atol=1e-12
    )


def test_its_lengths_are_pulled_to_the_mode_of_their_density():
    """log p(l) = -log l - (log l - mu)^2 / (2 * 3), for d axes."""
    d = 5
    mu = math.sqrt(2.0) + math.log(d) / 2.0
    start, low, high = product_prior(d).length
    grid = np.linspace(low, high, 60_001)
    assert grid[np.argmax(-grid - (grid - mu) ** 2 / 6.0)] == pytest.approx(
        start, abs=1e-4
    )
    curvature = 1.0 / 3.0
    assert 2.0 * product_prior(d).weight == pytest.approx(curvature)


@pytest.mark.parametrize("seed", range(2))
def test_gradient_of_its_likelihood(seed):
    points, values = data(seed)
    task = Likelihood(AXES, points, values, product_prior(3))
    logs = np.array([-40.0] * 6 + [-0.4, 0.2, -1.0] + [-40.0, 0.3, -2.0])
    steps = 1e-5 * np.eye(12)[[6, 7, 8, 10, 11]]
    numeric = [(task.loss(logs + s)[0] - task.loss(logs - s)[0]) / 2e-5 for s in steps]
    found = task.loss(logs)[1][[6, 7, 8, 10, 11]]
    np.testing.assert_allclose(found, numeric, rtol=1e-4, atol=1e-5)


@given(
    st.lists(st.tuples(st.integers(2, 9), st.booleans()), min_size=1, max_size=4),
    st.integers(0, 99),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_near_points_lie_on_the_grid_and_hold_the_best_lines(axes, seed):
    axes = tuple(AxisShape(n, categorical) for n, categorical in axes)
    shape = tuple(a.n_values for a in axes)
    rng = np.random.default_rng(seed)
    points = np.unique(rng.integers(0, shape, (12, len(axes))), axis=0)
    values = rng.permutation(len(points)).astype(float)
    unlikely = np.zeros(len(points), dtype=bool)
    found = near_best(axes, points, values, unlikely, np.random.default_rng(seed))
    again = near_best(axes, points, values, unlikely, np.random.default_rng(seed))
    np.testing.assert_array_equal(found, again)
    assert np.all(np.diff(found) > 0)
    assert 0 <= found[0] <= found[-1] < math.prod(shape)
    best = points[np.argmin(values)]
    for k, n in enumerate(shape):
        line = np.repeat(best[None], n, axis=0)
        line[:, k] = np.arange(n)
        assert np.isin(np.ravel_multi_index(tuple(line.T), shape), found).all()


def test_near_points_crowd_around_the_best_that_keep_the_limits():
    axes = (AxisShape(60), AxisShape(60))
    points = np.array([[5, 5], [50, 50]])
    values, unlikely = np.array([0.0, 1.0]), np.array([True, False])
    counts = []
    for ruled_out in (unlikely, ~unlikely):
        many = np.repeat(points, [1, 9], axis=0)
        many[1:, 0] += np.arange(9) - 4
        flat = near_best(
            axes,
            many,
            np.repeat(values, [1, 9]),
            np.repeat(ruled_out, [1, 9]),
            np.random.default_rng(0),
        )
        at = np.stack(np.unravel_index(flat, (60, 60)), axis=1)
        counts.append(np.sum(np.all(np.abs(at - 5) <= 6, axis=1)))
    # Ranked last it is no base: there are eight better ones.
    assert counts[0] < counts[1]


def test_only_true_or_false_switches_it():
    with pytest.raises(StrategyError, match="second_model must be true or false"):
        make_strategy("anova", {"second_model": 1}, space=SPACE, goal=GOAL)
