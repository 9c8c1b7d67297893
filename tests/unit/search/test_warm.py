"""Warm start: ranks placed on the grid, and their weight against a dense model."""

import math

import numpy as np
import pytest

from collinear.search import (
    Anova,
    EarlierTrial,
    Goal,
    History,
    Result,
    SearchSpace,
    Status,
    StrategyError,
    make_prior,
    make_strategy,
)
from collinear.search.grid_model import GridModel, Hyper, Posterior
from collinear.search.kernels import AxisShape
from collinear.search.warm import prior_models, shift

SPACE = SearchSpace.from_values({"a": [0.1, 1.0, 10.0], "b": [1, 2, 3, 4]})
WIDE = SearchSpace.from_values({"a": list(range(9)), "b": list(range(8))})
GOAL = Goal("y")


def trial(a, b, cost, feasible=True, **more):
    return EarlierTrial({"a": a, "b": b, **more}, cost, feasible)


def bowl(point, centre=(6.2, 2.1)):
    return sum((i - c) ** 2 for i, c in zip(point, centre, strict=True))


def earlier(cost, n=24):
    order = np.random.default_rng(0).permutation(list(WIDE.points()))[:n]
    return make_prior([trial(int(a), int(b), cost((a, b))) for a, b in order], WIDE)


def test_values_are_matched_by_name_and_value():
    prior = make_prior(
        [trial(10.0, 2, 1.0), EarlierTrial({"b": 4, "a": 0.1000000000001}, 5.0)], SPACE
    )
    assert prior.points == ((0, 3), (2, 1))
    assert prior.best == (2, 1)


def test_of_near_values_the_nearest_is_taken():
    values = [1e9, 1e9 + 1, 2e9]
    space = SearchSpace.from_values({"a": values, "b": [0, 1]})
    for index, value in enumerate(values):
        assert make_prior([trial(value, 0, 1.0)], space).points == ((index, 0),)
    nearer = [trial(1e9 + 0.7, 1, 1.0), trial(np.float64(1e9 + 0.2), np.int64(1), 1.0)]
    assert make_prior(nearer, space).points == ((0, 1), (1, 1))


@pytest.mark.parametrize("value", [None, "1.0", True, [1.0]])
def test_a_value_that_is_no_number_is_refused(value):
    with pytest.raises(StrategyError, match=r"a number for 'a' .* got"):
        make_prior([trial(value, 2, 1.0), trial(1.0, 2, 1.0)], SPACE)


def test_values_off_the_grid_are_skipped_and_counted():
    prior = make_prior(
        [trial(10.0, 2, 1.0), trial(5.0, 2, 0.0), trial(1.0, 9, 0.0)], SPACE
    )
    assert (prior.points, prior.skipped) == (((2, 1),), 2)


def test_further_axes_of_the_earlier_search_are_averaged_over():
    prior = make_prior(
        [trial(1.0, 2, 1.0, c=1), trial(1.0, 2, 3.0, c=2), trial(1.0, 3, 1.9)], SPACE
    )
    assert prior.best == (1, 2)


def test_scores_are_normal_scores_of_ranks_whatever_the_units():
    costs = [5.0, 1.0, 3.0, 2.0, 4.0]
    settings = [(0.1, 1), (0.1, 2), (0.1, 3), (0.1, 4), (1.0, 1)]
    plain = make_prior(
        [trial(*s, c) for s, c in zip(settings, costs, strict=True)], SPACE
    )
    warped = make_prior(
        [
            trial(*s, math.exp(9 * c) - 1e3)
            for s, c in zip(settings, costs, strict=True)
        ],
        SPACE,
    )
    assert plain == warped
    assert sorted(plain.scores) == pytest.approx(
        [-0.9674216, -0.4307273, 0.0, 0.4307273, 0.9674216]
    )


def test_a_trial_without_a_cost_ranks_last_and_is_never_the_start():
    prior = make_prior(
        [trial(1.0, 1, None), trial(1.0, 2, 9.0), trial(1.0, 3, math.nan)], SPACE
    )
    assert prior.best == (1, 1)
    assert prior.scores[0] == prior.scores[2] == max(prior.scores)


@pytest.mark.parametrize("huge", [1.7e308, -1.7e308])
def test_a_cost_as_large_as_no_training_has_counts_as_none(huge):
    trials = [trial(1.0, 1, huge), trial(1.0, 1, huge), trial(1.0, 2, 9.0)]
    prior = make_prior(trials, SPACE)
    assert prior.best == (1, 1)
    assert prior.scores[0] == max(prior.scores)


def test_start_keeps_the_limits_if_any_trial_does():
    prior = make_prior([trial(1.0, 1, 1.0, feasible=False), trial(1.0, 2, 9.0)], SPACE)
    assert prior.best == (1, 1)


def test_missing_axis_and_empty_prior_are_refused():
    with pytest.raises(StrategyError, match="value of 'b'"):
        make_prior([EarlierTrial({"a": 1.0}, 2.0)], SPACE)
    with pytest.raises(StrategyError, match="1 lie off it"):
        make_prior([trial(5.0, 1, 2.0), trial(1.0, 1, None)], SPACE)


def test_shift_equals_a_dense_model_with_one_more_random_coefficient():
    """f = b m + g with b ~ N(1/2, 1/4): mean and covariance by dense linear algebra."""
    axes = (AxisShape(9, False, False), AxisShape(8, False, False))
    hyper = Hyper((0.3, 0.2), (0.2, 0.4), (0.4, 0.6), 0.1, 0.5, 0.02)
    model, chance = GridModel(axes, hyper), np.random.default_rng(1)
    points = np.stack([chance.integers(0, 9, 20), chance.integers(0, 8, 20)], 1)
    posterior = Posterior(model, points, chance.normal(size=20))
    prior = prior_models(earlier(bowl), WIDE, axes)
    found = shift(prior, posterior)
    m = prior.objective.posterior.mean
    m = (m - m.mean()) / m.std()
    grid = np.array(list(WIDE.points()))
    flat = np.ravel_multi_index(tuple(points.T), (9, 8))
    full = model.covariance(grid, grid) + 0.25 * np.outer(m, m)
    gram = full[np.ix_(flat, flat)] + 0.02 * np.eye(20)
    gain = np.linalg.solve(gram, full[flat]).T
    mean = 0.5 * m + gain @ (posterior.values - 0.5 * m[flat])
    assert posterior.mean + found.mean * found.missing == pytest.approx(mean, abs=1e-5)
    covariance = full - gain @ full[flat]
    plain = posterior.moments(grid)[1] + found.sd**2 * np.outer(
        found.missing, found.missing
    )
    assert plain == pytest.approx(covariance, abs=1e-5)


def rough(point):
    """A bowl with ripples that few results cannot show."""
    return bowl(point) + 9.0 * math.sin(2.0 * point[0]) * math.cos(2.3 * point[1])


def test_weight_follows_the_data():
    """A few results raise the coefficient where ranks agree, and sink it elsewhere."""
    strategy, history = Anova(WIDE, GOAL, seed=3), History()
    batch = strategy.ask(history, 12)
    told = [Result(p.point, 1, Status.DONE, {"y": rough(p.point)}) for p in batch]
    models, _ = strategy.models(history.ask(batch).tell(told))
    means = [
        shift(
            prior_models(earlier(cost, 60), WIDE, strategy.axes),
            models.objective.posterior,
        ).mean
        for cost in (rough, lambda p: -rough(p), lambda p: (7 * p[0] + 5 * p[1]) % 6)
    ]
    assert means[0] > 0.45
    assert means[1] < 0.1
    assert abs(means[2]) < 0.25


def test_first_trials_are_half_warm_half_spread():
    strategy = Anova(WIDE, GOAL, seed=1, prior=earlier(bowl))
    batch = strategy.ask(History(), 12)
    assert [p.reason for p in batch] == ["warm", "fill"] * 6
    warm = [bowl(p.point) for p in batch if p.reason == "warm"]
    assert np.mean(warm) < np.mean([bowl(p) for p in WIDE.points()]) / 3
    assert len({p.point for p in batch}) == 12


def test_related_trials_save_trials():
    def best(prior, seed):
        strategy, history = Anova(WIDE, GOAL, seed=seed, prior=prior), History()
        for _ in range(2):
            batch = strategy.ask(history, 4)
            told = [
                Result(p.point, 1, Status.DONE, {"y": bowl(p.point)}) for p in batch
            ]
            history = history.ask(batch).tell(told)
        return history.incumbent(GOAL).values["y"]

    prior = earlier(lambda p: 30 * bowl(p, (5.5, 2.9)) - 4)
    warm = [best(prior, seed) for seed in range(20)]
    cold = [best(None, seed) for seed in range(20)]
    assert np.mean(warm) < 0.7 * np.mean(cold)


def test_search_ends_on_an_exhausted_grid_with_a_warm_start():
    strategy, history = Anova(WIDE, GOAL, prior=earlier(bowl)), History()
    while batch := strategy.ask(history, 30):
        told = [Result(p.point, 1, Status.DONE, {"y": bowl(p.point)}) for p in batch]
        history = history.ask(batch).tell(told)
    assert len({p.point for p in history.proposals}) == WIDE.size


@pytest.mark.parametrize("name", ["ippe", "s2017", "s2018", "radial", "levelled"])
def test_line_strategies_start_at_the_best_earlier_point(name):
    prior = earlier(bowl)
    strategy = make_strategy(name, space=WIDE, goal=GOAL, prior=prior)
    assert strategy.base == prior.best


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("random", {}, "no use of a warm start"),
        ("exhaustive", {}, "no use of a warm start"),
        ("s2018", {"start": [0, 0]}, "remove one of them"),
        ("levelled", {"start": "latin"}, "remove one of them"),
    ],
)
def test_what_excludes_a_warm_start(name, options, message):
    with pytest.raises(StrategyError, match=message):
        make_strategy(name, options, space=WIDE, goal=GOAL, prior=earlier(bowl))


def test_anova_needs_a_few_earlier_trials():
    prior = make_prior([trial(1, 2, 0.5), trial(1, 3, 0.7), trial(99, 3, 0.7)], WIDE)
    with pytest.raises(StrategyError, match="4 or more"):
        make_strategy("anova", space=WIDE, goal=GOAL, prior=prior)
