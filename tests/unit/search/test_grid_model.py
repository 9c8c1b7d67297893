"""The grid model against a dense Gaussian computation, and its hyperparameter fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collinear.search.grid_model import (
    CONSTANT_VARIANCE,
    GridModel,
    Posterior,
    along_axes,
)
from collinear.search.hyper import Likelihood, fit_hyper, unpack
from collinear.search.kernels import (
    AxisShape,
    correlation,
    has_zero_level,
    main_parts,
    root,
)

AXES = (
    AxisShape(5, zero_level=True),
    AxisShape(4),
    AxisShape(3, categorical=True),
    AxisShape(2),
)
SHAPE = tuple(axis.n_values for axis in AXES)
GRID = np.stack(np.unravel_index(np.arange(120), SHAPE), axis=1)


def problem(seed, n=30):
    rng = np.random.default_rng(seed)
    logs = rng.normal(-1.0, 0.7, 3 * len(AXES) + 3)
    points = np.stack([rng.integers(0, s, n) for s in SHAPE], axis=1)
    return GridModel(AXES, unpack(logs)), points, rng.standard_normal(n), logs


def matern(distance):
    t = np.sqrt(5.0) * distance
    return (1.0 + t + t * t / 3.0) * np.exp(-t)


def dense_covariance(model):
    """Entry by entry from the definition, without the code of the model."""
    h, total = model.hyper, np.full((120, 120), CONSTANT_VARIANCE)
    product = np.full((120, 120), h.interaction)
    for k, axis in enumerate(AXES):
        curve, line, offset = main_parts(axis)
        main = h.curve[k] * curve + h.line[k] * line + h.offset * offset
        for i in range(120):
            a, b = GRID[i, k], GRID[:, k]
            total[i] += main[a, b]
            if axis.categorical:
                product[i] *= np.where(a == b, 1.0, np.exp(-1.0 / h.length[k]))
            else:
                product[i] *= matern(abs(a - b) / (SHAPE[k] - 1) / h.length[k])
    return total + product


def dense_posterior(model, points, values):
    prior = dense_covariance(model)
    at = np.ravel_multi_index(tuple(points.T), SHAPE)
    gram = prior[np.ix_(at, at)] + (model.hyper.noise + 1e-8) * np.eye(len(at))
    gain = np.linalg.solve(gram, prior[at]).T
    return gain @ values, prior - gain @ prior[at]


@pytest.mark.parametrize("seed", range(3))
def test_posterior_equals_a_dense_computation(seed):
    model, points, values, _ = problem(seed)
    mean, covariance = dense_posterior(model, points, values)
    found = Posterior(model, points, values)
    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    at_mean, at_covariance = found.moments(GRID)
    np.testing.assert_allclose(at_mean, mean, atol=1e-9)
    np.testing.assert_allclose(at_covariance, covariance, atol=1e-9)


def test_draws_have_the_moments_of_the_posterior():
    model, points, values, _ = problem(1)
    mean, covariance = dense_posterior(model, points, values)
    posterior = Posterior(model, points, values)
    draws = posterior.draws([np.random.default_rng([7, j]) for j in range(6000)])
    sd = np.sqrt(np.diag(covariance))
    assert np.abs((draws.mean(axis=0) - mean) / sd).max() < 5.0 / np.sqrt(6000)
    gap = np.cov(draws.T) - covariance
    assert np.abs(gap / np.outer(sd, sd)).max() < 0.08


def test_a_draw_depends_on_its_own_generator_alone():
    model, points, values, _ = problem(2)
    posterior = Posterior(model, points, values)
    both = posterior.draws([np.random.default_rng(1), np.random.default_rng(2)])
    alone = posterior.draws([np.random.default_rng(2)])
    np.testing.assert_allclose(both[1], alone[0], atol=1e-12)


def test_repeated_observations_act_through_their_mean():
    model, points, values, _ = problem(3)
    twice = Posterior(model, np.vstack([points, points]), np.tile(values, 2))
    halved = model.hyper.__class__(
        *(getattr(model.hyper, n) for n in ("curve", "line", "length")),
        model.hyper.offset,
        model.hyper.interaction,
        model.hyper.noise / 2.0,
    )
    once = Posterior(GridModel(AXES, halved), points, values)
    np.testing.assert_allclose(twice.mean, once.mean, atol=1e-5)


def test_reversed_axes_give_the_reversed_posterior():
    plain = (AxisShape(6), AxisShape(4))
    rng = np.random.default_rng(0)
    points = np.stack([rng.integers(0, 6, 9), rng.integers(0, 4, 9)], axis=1)
    values = rng.standard_normal(9)
    hyper = unpack(np.full(9, -1.0))
    mean = Posterior(GridModel(plain, hyper), points, values).mean.reshape(6, 4)
    turned = Posterior(GridModel(plain, hyper), [5, 3] - points, values).mean
    np.testing.assert_allclose(turned.reshape(6, 4), mean[::-1, ::-1], atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_of_the_likelihood(seed):
    _, points, values, logs = problem(seed, 40)
    task = Likelihood(AXES, points, values)
    steps = 1e-5 * np.eye(len(logs))
    numeric = [(task.loss(logs + s)[0] - task.loss(logs - s)[0]) / 2e-5 for s in steps]
    np.testing.assert_allclose(task.loss(logs)[1], numeric, rtol=1e-4, atol=1e-5)


def test_likelihood_equals_the_normal_density_up_to_the_penalty():
    model, points, values, logs = problem(4)
    at = np.ravel_multi_index(tuple(points.T), SHAPE)
    gram = dense_covariance(model)[np.ix_(at, at)]
    gram += (model.hyper.noise + 1e-8) * np.eye(len(at))
    expected = 0.5 * values @ np.linalg.solve(gram, values)
    expected += 0.5 * np.linalg.slogdet(gram)[1]
    task = Likelihood(AXES, points, values)
    start = np.log([*[0.3] * 8, *[0.5] * 4, 0.1, 0.3, 0.01])
    pull = 0.02 * np.sum((logs - start) ** 2)
    assert task.loss(logs)[0] == pytest.approx(expected + pull, abs=1e-8)


def test_fit_improves_on_its_start_and_is_deterministic():
    _, points, values, _ = problem(5, 60)
    fit = fit_hyper(AXES, points, values)
    start = np.log([*[0.3] * 8, *[0.5] * 4, 0.1, 0.3, 0.01])
    assert fit.loss < Likelihood(AXES, points, values).loss(start)[0]
    assert fit == fit_hyper(AXES, points, values)


@given(st.lists(st.integers(2, 5), min_size=1, max_size=4), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_along_axes_is_the_kronecker_product(shape, seed):
    rng = np.random.default_rng(seed)
    matrices = [rng.standard_normal((n, n)) for n in shape]
    full = np.ones((1, 1))
    for matrix in matrices:
        full = np.kron(full, matrix)
    flat = rng.standard_normal((3, full.shape[0]))
    found = along_axes(flat, matrices, tuple(shape))
    np.testing.assert_allclose(found, flat @ full.T, atol=1e-10)


@pytest.mark.parametrize("axis", [*AXES, AxisShape(11), AxisShape(3, zero_level=True)])
def test_axis_covariances_are_proper(axis):
    for part in main_parts(axis):
        np.testing.assert_allclose(part, part.T, atol=1e-12)
        assert np.linalg.eigvalsh(part).min() > -1e-9
        np.testing.assert_allclose(root(part) @ root(part).T, part, atol=1e-9)
    r, _ = correlation(axis, 0.4)
    np.testing.assert_allclose(np.diag(r), 1.0)
    assert np.linalg.eigvalsh(r).min() > -1e-12


def test_curve_prior_does_not_see_straight_lines():
    curve = main_parts(AxisShape(9))[0]
    line = np.column_stack([np.ones(9), np.arange(9)])
    np.testing.assert_allclose(curve @ line, 0.0, atol=1e-8)


def test_zero_level_is_the_smallest_positive_value_plus_an_offset():
    curve, line, offset = main_parts(AxisShape(6, zero_level=True))
    np.testing.assert_allclose(curve[0], curve[1])
    np.testing.assert_allclose(line[0], line[1])
    assert offset[0, 0] == 1.0
    assert np.sum(offset) == 1.0


def test_slope_of_the_correlation():
    for axis in (AxisShape(7), AxisShape(4, categorical=True)):
        up, down = (correlation(axis, 0.5 * np.exp(e))[0] for e in (1e-6, -1e-6))
        slope = (np.log(up) - np.log(down)) / 2e-6
        np.testing.assert_allclose(correlation(axis, 0.5)[1], slope, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 0.01, 0.05, 0.1, 0.5), True),
        ((0, 1, 10, 100), True),
        ((0, 1, 2, 3, 4, 5), False),
        ((0, 1, 2, 3), False),
        ((0, 0.25, 0.5, 0.75, 1), False),
        ((0, 0.5, 5), True),
        ((0, 0.3, 0.6), False),
        ((0.1, 1, 10, 100), False),
    ],
)
def test_zero_level_is_told_from_a_linear_list(values, expected):
    assert has_zero_level(tuple(map(float, values))) is expected
