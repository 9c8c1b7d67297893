"""The statistical d-spline against dense mixed models, scipy and its limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import make_smoothing_spline

from collinear.search import dspline
from collinear.search.dspline import DSplineError
from collinear.search.smoothing import (
    LineData,
    choose_alpha,
    deviance,
    penalty,
    pooled_noise,
    smooth,
)


def line(seed, n=11, m=8, equal=True, noise=0.3):
    rng = np.random.default_rng(seed)
    places = np.arange(n) if equal else np.cumsum(rng.uniform(0.3, 2.0, n))
    at = rng.choice(n, m, replace=m > n)
    values = np.cos(places[at] / 3.0) + noise * rng.standard_normal(m)
    return LineData(tuple(places.tolist()), tuple(at.tolist()), tuple(values.tolist()))


def restricted(data, alpha):
    """Minus twice the REML log likelihood with s2 profiled, as a mixed model.

    y = X b + u + e with X = [1, x], cov u = pinv(D'D) / alpha^2: an independent route
    that never forms the d-spline.
    """
    d = penalty(data.places)
    effects = np.linalg.pinv(d.T @ d, hermitian=True)[np.ix_(data.at, data.at)]
    v = np.eye(len(data.at)) + effects / alpha**2
    x = np.column_stack([np.ones(len(data.at)), np.array(data.places)[list(data.at)]])
    inverse = np.linalg.inv(v)
    gram = x.T @ inverse @ x
    p = inverse - inverse @ x @ np.linalg.solve(gram, x.T @ inverse)
    y = np.array(data.values)
    logs = np.linalg.slogdet(v)[1] + np.linalg.slogdet(gram)[1]
    return logs, float(y @ p @ y)


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_abic_is_reml_up_to_a_constant(seed, equal):
    data = line(seed, equal=equal)
    freedom = len(data.at) - 2

    def reference(alpha):
        logs, residual = restricted(data, alpha)
        return logs + freedom * math.log(residual)

    gaps = [deviance([data], a) - reference(a) for a in (0.05, 0.3, 1.0, 5.0, 30.0)]
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-6)


def test_single_line_equals_the_published_abic():
    data, alpha = line(3), 0.7
    gram = data.design.T @ data.design + alpha**2 * data.penalty.T @ data.penalty
    f = np.linalg.solve(gram, data.design.T @ np.array(data.values))
    left = np.array(data.values) - data.design @ f
    residual = left @ left + alpha**2 * np.sum((data.penalty @ f) ** 2)
    n, m = len(data.places), len(data.at)
    abic = np.linalg.slogdet(gram)[1] - 2 * (n - 2) * math.log(alpha)
    abic += (m - 2) * math.log(residual)
    assert deviance([data], alpha) == pytest.approx(abic, abs=1e-9)


def test_pooled_reml_is_that_of_the_joint_model():
    lines = [line(s, equal=s % 2 == 0) for s in range(3)]

    def reference(alpha):
        parts = [restricted(data, alpha) for data in lines]
        freedom = sum(len(data.at) - 2 for data in lines)
        return sum(p[0] for p in parts) + freedom * math.log(sum(p[1] for p in parts))

    gaps = [deviance(lines, a) - reference(a) for a in (0.1, 1.0, 10.0)]
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_chosen_alpha_is_the_lowest_of_a_fine_scan(seed):
    lines = [line(10 * seed + k) for k in range(3)]
    best = deviance(lines, choose_alpha(lines))
    scan = [deviance(lines, a) for a in np.logspace(-5, 5, 401)]
    assert best <= min(scan) + 1e-6


def test_more_noise_asks_for_more_smoothing():
    quiet = [line(s, m=11, noise=0.02) for s in range(6)]
    loud = [line(s, m=11, noise=0.6) for s in range(6)]
    assert choose_alpha(loud) > 2.0 * choose_alpha(quiet)


def test_pooled_noise_recovers_the_truth():
    lines = [line(s, m=11, noise=0.2) for s in range(60)]
    estimate = pooled_noise(lines, choose_alpha(lines))
    assert estimate == pytest.approx(0.04, rel=0.25)


@given(st.integers(0, 500), st.floats(0.05, 20))
@settings(max_examples=40, deadline=None)
def test_mean_is_the_d_spline_on_its_marker_grid(seed, alpha):
    rng = np.random.default_rng(seed)
    n, m = 9, 5
    samples = rng.choice(n, m, replace=False).tolist()
    values = rng.standard_normal(m).tolist()
    markers = tuple(float(i) for i in range(3 * n + 2))
    data = LineData(markers, tuple(map(dspline.marker_of, samples)), tuple(values))
    mean = smooth(data, alpha, 1.0).mean
    expected = dspline.fit(n, samples, values, alpha=alpha).markers
    np.testing.assert_allclose(mean, expected, atol=1e-7)


@pytest.mark.parametrize("equal", [True, False])
def test_posterior_equals_a_dense_gaussian_process(equal):
    """Straight lines get a variance of 1e7 there, which stands for a flat prior."""
    data, alpha, s2 = line(1, equal=equal), 0.8, 0.09
    d, x = data.penalty, np.array(data.places)
    ramp = (x - x.mean()) / np.ptp(x)
    prior = s2 / alpha**2 * np.linalg.pinv(d.T @ d, hermitian=True)
    prior = prior + 1e7 * (1.0 + np.outer(ramp, ramp))
    at = list(data.at)
    gram = prior[np.ix_(at, at)] + s2 * np.eye(len(at))
    gain = np.linalg.solve(gram, prior[at]).T
    found = smooth(data, alpha, s2)
    np.testing.assert_allclose(found.mean, gain @ np.array(data.values), atol=1e-5)
    np.testing.assert_allclose(found.covariance, prior - gain @ prior[at], atol=1e-5)


def test_infinite_weight_gives_the_regression_line_and_its_variance():
    data, s2 = line(2, equal=False), 0.5
    x = np.array(data.places)
    design = np.column_stack([np.ones_like(x), x])
    rows = design[list(data.at)]
    inverse = np.linalg.inv(rows.T @ rows)
    found = smooth(data, 1e5, s2)
    expected = design @ inverse @ rows.T @ np.array(data.values)
    np.testing.assert_allclose(found.mean, expected, atol=1e-6)
    covariance = s2 * design @ inverse @ design.T
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-6)


def test_vanishing_weight_interpolates():
    data = line(4, m=6)
    found = smooth(data, 1e-5, 0.2)
    np.testing.assert_allclose(found.mean[list(data.at)], data.values, atol=1e-7)
    np.testing.assert_allclose(found.degrees_of_freedom[list(data.at)], 1.0, atol=1e-6)


@pytest.mark.parametrize(("m", "expected"), [(0.1, 10.96), (1.0, 8.9), (10.0, 3.8)])
def test_degrees_of_freedom_of_a_full_line(m, expected):
    """Values measured on the marker grid of an 11-point line."""
    at = tuple(dspline.marker_of(i) for i in range(11))
    data = LineData(tuple(map(float, range(35))), at, (0.0,) * 11)
    leverage = smooth(data, m, 1.0).degrees_of_freedom[list(at)]
    assert leverage.sum() == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("weight", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("step", [1.0, (0.5, 2.0, 1.0, 1.5, 0.5, 1.0, 2.0, 1.0)])
def test_fine_nodes_approach_the_cubic_smoothing_spline(step, weight):
    """scipy minimises sum (y - f)^2 + weight int f''^2 over natural cubic splines."""
    x = np.concatenate([[0.0], np.cumsum(np.broadcast_to(step, 8))])
    y = np.array([0.3, -0.2, 0.9, 1.4, 1.1, 0.2, -0.6, -0.1, 0.5])
    fine = 40
    nodes = np.arange(round(x[-1] * fine) + 1) / fine
    at = tuple(np.rint(x * fine).astype(int).tolist())
    data = LineData(tuple(nodes.tolist()), at, tuple(y.tolist()))
    found = smooth(data, math.sqrt(weight), 1.0).mean
    expected = make_smoothing_spline(x, y, lam=weight)(nodes)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_penalty_of_equal_steps_is_the_second_difference():
    np.testing.assert_allclose(penalty([0, 1, 2, 3])[0], [1.0, -2.0, 1.0, 0.0])


def test_penalty_knows_parabolas_on_unequal_steps():
    x = np.array([0.0, 0.3, 1.0, 2.5, 2.7])
    steps = (x[2:] - x[:-2]) / 2.0
    np.testing.assert_allclose(penalty(x) @ x**2, 2.0 * np.sqrt(steps), atol=1e-12)


def test_shift_and_scale_leave_alpha_alone():
    data = line(6, m=11, noise=0.02)
    moved = tuple(7.0 + 3.0 * v for v in data.values)
    other = LineData(data.places, data.at, moved)
    assert choose_alpha([other]) == pytest.approx(choose_alpha([data]), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0.0, 1.0), (0, 1), (0.0, 1.0)), "three or more"),
        (((0.0, 2.0, 1.0), (0, 1), (0.0, 1.0)), "ascending"),
        (((0.0, 1.0, 2.0), (1, 1), (0.0, 1.0)), "two or more nodes"),
        (((0.0, 1.0, 2.0), (0, 3), (0.0, 1.0)), r"0\.\.2"),
        (((0.0, 1.0, 2.0), (0, 1), (0.0,)), "one length"),
        (((0.0, 1.0, 2.0), (0, 1), (0.0, math.nan)), "finite"),
    ],
)
def test_bad_lines_are_refused(arguments, message):
    with pytest.raises(DSplineError, match=message):
        LineData(*arguments)


def test_two_observations_say_nothing_about_noise():
    data = LineData((0.0, 1.0, 2.0), (0, 2), (0.0, 1.0))
    with pytest.raises(DSplineError, match="more than two"):
        choose_alpha([data])
    with pytest.raises(DSplineError, match="more than two"):
        pooled_noise([data], 1.0)
    with pytest.raises(DSplineError, match="alpha must be"):
        smooth(data, 0.0, 1.0)
