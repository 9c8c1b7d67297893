"""The d-spline against dense least squares and its two limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collinear.search import dspline
from collinear.search.dspline import DSplineError

values = st.floats(-10, 10, allow_nan=False)


@st.composite
def problems(draw):
    """A line, data at two or more of its indices (repeats too), weights, alpha."""
    n = draw(st.integers(2, 16))
    distinct = draw(
        st.lists(st.integers(0, n - 1), min_size=2, max_size=n, unique=True)
    )
    repeats = draw(st.lists(st.sampled_from(distinct), max_size=4))
    samples = distinct + repeats
    y = draw(st.lists(values, min_size=len(samples), max_size=len(samples)))
    w = draw(st.lists(st.floats(0.3, 3), min_size=len(samples), max_size=len(samples)))
    return n, samples, y, w, draw(st.floats(0.05, 20))


def dense(n_samples, samples, y, weights, alpha):
    """The same objective as one dense least-squares problem."""
    n = 3 * n_samples + 2
    rows = np.zeros((len(samples), n))
    rows[np.arange(len(samples)), 2 + 3 * np.array(samples)] = weights
    penalty = alpha * np.diff(np.eye(n), n=2, axis=0)
    matrix = np.vstack([rows, penalty])
    target = np.concatenate([np.multiply(weights, y), np.zeros(n - 2)])
    f = np.linalg.lstsq(matrix, target, rcond=None)[0]
    return f, float(np.sum((matrix @ f - target) ** 2))


@given(problems())
@settings(max_examples=150, deadline=None)
def test_fit_and_residual_equal_dense_least_squares(problem):
    n, samples, y, w, alpha = problem
    spline = dspline.fit(n, samples, y, alpha=alpha, weights=w)
    f, residual = dense(*problem)
    np.testing.assert_allclose(spline.markers, f, rtol=0, atol=2e-7)
    assert spline.residual == pytest.approx(residual, abs=1e-7)


@given(problems(), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_order_of_data_does_not_matter(problem, chance):
    n, samples, y, _, alpha = problem
    data = list(zip(samples, y, strict=True))
    chance.shuffle(data)
    shuffled = dspline.fit(n, *zip(*data, strict=True), alpha=alpha)
    straight = dspline.fit(n, samples, y, alpha=alpha)
    np.testing.assert_allclose(shuffled.markers, straight.markers, atol=1e-8)


@given(problems(), st.floats(0.1, 10), values)
@settings(max_examples=50, deadline=None)
def test_fit_follows_shift_and_scale_of_the_data(problem, scale, shift):
    n, samples, y, _, alpha = problem
    plain = dspline.fit(n, samples, y, alpha=alpha).markers
    moved = [scale * v + shift for v in y]
    rescaled = dspline.fit(n, samples, moved, alpha=alpha).markers
    np.testing.assert_allclose(rescaled, scale * plain + shift, atol=1e-6)


def test_fit_follows_reversal_of_the_line():
    samples, y = [0, 3, 6, 10], [0.3, -1.0, 0.2, 2.0]
    plain = dspline.fit(11, samples, y).estimates
    mirrored = dspline.fit(11, [10 - i for i in samples], y).estimates
    np.testing.assert_allclose(mirrored, plain[::-1], atol=1e-12)


def test_no_smoothing_interpolates():
    samples, y = [0, 10, 3, 6], [0.034, 1.36, 1.225, -0.51]
    spline = dspline.fit(11, samples, y, alpha=0.0)
    assert spline.alpha == dspline.SMALLEST_ALPHA
    np.testing.assert_allclose(spline.estimates[samples], y, rtol=0, atol=1e-12)
    assert spline.residual == pytest.approx(0.0, abs=1e-12)


def test_infinite_smoothing_gives_the_straight_line():
    samples, y = [0, 10, 3, 6], [0.034, 1.36, 1.225, -0.51]
    spline = dspline.fit(11, samples, y, alpha=1e7)
    line = np.polyval(np.polyfit(samples, y, 1), np.arange(11))
    np.testing.assert_allclose(spline.estimates, line, rtol=0, atol=1e-9)


def test_ends_continue_linearly():
    f = dspline.fit(5, [1, 2, 3], [1.0, -1.0, 2.0]).markers
    assert f[1] - f[0] == pytest.approx(f[2] - f[1])
    assert f[-1] - f[-2] == pytest.approx(f[-2] - f[-3])


def test_repeated_observation_acts_through_the_mean():
    twice = dspline.fit(6, [0, 3, 3, 5], [0.0, 1.0, 2.0, 0.5])
    once = dspline.fit(6, [0, 3, 5], [0.0, 1.5, 0.5], weights=[1, math.sqrt(2), 1])
    np.testing.assert_allclose(twice.markers, once.markers, atol=1e-12)


def test_add_leaves_the_old_spline_alone():
    old = dspline.fit(5, [0, 4], [0.0, 1.0])
    before = old.markers.copy()
    old.add(2, 9.0)
    np.testing.assert_array_equal(old.markers, before)
    assert old.samples == (0, 4)


def test_markers_map_to_the_nearest_grid_index():
    assert [dspline.sample_of(m, 2) for m in range(8)] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert all(dspline.sample_of(dspline.marker_of(i), 9) == i for i in range(9))


def test_minimum_may_lie_between_and_beyond_the_samples():
    assert dspline.fit(11, [0, 3, 6, 10], [1.0, 0.0, 0.1, 1.0]).minimum == 4
    assert dspline.fit(11, [4, 6], [1.0, 0.0]).minimum == 10


def test_curvature_is_the_second_difference_at_the_samples():
    spline = dspline.fit(4, [0, 1, 3], [1.0, 0.0, 1.0])
    f = spline.markers
    expected = [abs(f[m - 1] - 2 * f[m] + f[m + 1]) for m in (2, 5, 8, 11)]
    np.testing.assert_allclose(spline.curvatures, expected)


@pytest.mark.parametrize("samples", [[], [3], [3, 3, 3]])
def test_fewer_than_two_distinct_data_have_no_curve(samples):
    spline = dspline.fit(5, samples, [1.0] * len(samples))
    assert not spline.determined
    with pytest.raises(DSplineError, match="two or more grid indices"):
        _ = spline.markers


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(DSplineError, match="finite values only"):
        dspline.fit(5, [0, 1], [1.0, bad])
    with pytest.raises(DSplineError, match="weight must be finite"):
        dspline.fit(5, [0, 1], [1.0, 2.0], weights=[1.0, bad])
    with pytest.raises(DSplineError, match="alpha must be finite"):
        dspline.empty(5, bad)


@pytest.mark.parametrize("sample", [-1, 5])
def test_indices_off_the_line_are_refused(sample):
    with pytest.raises(DSplineError, match=r"0\.\.4"):
        dspline.fit(5, [sample], [1.0])


def test_lengths_must_agree():
    with pytest.raises(DSplineError, match="one length"):
        dspline.fit(5, [0, 1], [1.0])


def test_a_line_needs_a_point():
    with pytest.raises(DSplineError, match="n_samples=0"):
        dspline.empty(0)
