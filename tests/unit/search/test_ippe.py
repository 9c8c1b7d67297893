"""IPPE on one line: priorities, stop rule, failures."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collinear.search import dspline, ippe
from collinear.search.ippe import CURVATURE, MAXIMUM, MINIMUM, LineSearch


def run(cost, n=11, alpha=0.1, failed=()):
    """Searches one line sequentially; returns the order of indices and the state."""
    state, costs, visited, order = LineSearch(n, alpha), {}, set(), []
    state = ippe.advance(state, costs, visited)
    while not state.done:
        place = ippe.candidates(state, visited)[0].place
        order.append(place)
        visited.add(place)
        if place not in failed:
            costs[place] = cost(place)
        state = ippe.advance(state, costs, visited, [place])
    return order, state


def fitted(costs, n=11):
    return ippe.advance(LineSearch(n), costs, set(costs))


def test_trisection_comes_first_then_the_minimum_settles():
    order, state = run(lambda i: (i - 7.2) ** 2)
    assert order[:4] == [0, 10, 3, 6]
    assert min(order, key=lambda i: (i - 7.2) ** 2) == 7
    assert state.repeats >= ippe.REPEATS_TO_STOP
    assert len(order) < 11


def test_priorities_are_minimum_then_maximum_then_curvature():
    state = fitted({0: 2.0, 3: 0.1, 6: 0.0, 10: 5.0})
    reasons = [c.reason for c in ippe.candidates(state, {0, 3, 6, 10})]
    rank = {MINIMUM: 0, MAXIMUM: 1, CURVATURE: 2}
    assert [rank[r] for r in reasons] == sorted(rank[r] for r in reasons)
    assert reasons[0] == MINIMUM


def test_estimates_below_all_samples_come_lowest_first():
    costs = {0: 2.0, 3: 0.1, 6: 0.0, 10: 5.0}
    state = fitted(costs)
    estimates = state.spline.estimates
    below = [i for i in range(11) if i not in costs and estimates[i] < 0.0]
    found = [c.place for c in ippe.candidates(state, set(costs)) if c.reason == MINIMUM]
    assert found == sorted(below, key=lambda i: estimates[i])


def test_estimates_above_all_samples_come_highest_first():
    costs = {0: 0.0, 3: 3.0, 6: 2.9, 10: -1.0}
    found = ippe.candidates(fitted(costs), set(costs))
    above = [c.place for c in found if c.reason == MAXIMUM]
    assert above == [4, 5]


def test_mirrored_data_give_mirrored_priorities():
    costs = {0: 2.0, 3: 0.1, 6: 0.3, 9: 5.0}
    mirrored = {9 - i: cost for i, cost in costs.items()}
    plain = [c.place for c in ippe.candidates(fitted(costs, 10), set(costs))]
    turned = [c.place for c in ippe.candidates(fitted(mirrored, 10), set(mirrored))]
    assert [9 - i for i in turned] == plain


@pytest.mark.parametrize(("maximised", "expected"), [(False, [1, 5]), (True, [5, 1])])
def test_of_equal_estimates_the_objective_decides(maximised, expected):
    costs = {0: 1.0, 2: 0.0, 3: 1.0, 4: 0.0, 6: 1.0}
    state = fitted(costs, 7)
    estimates = np.array([9.0, -1.0, 9.0, 9.0, 9.0, -1.0, 9.0])
    spline = SimpleNamespace(estimates=estimates, curvatures=np.zeros(7))
    state = replace(state, spline=spline, done=False, maximised=maximised)
    assert [c.place for c in ippe.candidates(state, set(costs))] == expected


def test_batch_load_counts_once_and_samples_count_one_by_one():
    costs = {i: (i - 5.0) ** 2 for i in (0, 10, 3, 6)}
    state = fitted(costs)
    assert state.repeats == 1
    costs |= {5: 0.0, 4: 1.0}
    state = ippe.advance(state, costs, set(costs), [5, 4])
    assert state.repeats == 3
    assert state.done


def test_line_ends_when_it_is_fully_visited():
    order, state = run(lambda i: float(i % 2), n=5, alpha=0.0)
    assert state.done
    assert len(order) <= 5


def test_line_ends_after_thirty_samples():
    costs = {i: (-1.0) ** i for i in range(30)}
    state = ippe.advance(LineSearch(90), costs | {89: 0.0, 59: 0.0}, {*costs, 89, 59})
    assert state.done


@pytest.mark.parametrize("n", [1, 2, 3])
def test_short_lines_end(n):
    order, _ = run(float, n=n)
    assert sorted(order) == list(range(n))


def test_failed_trisection_points_are_released():
    order, state = run(lambda i: (i - 7.2) ** 2, failed=(0, 6))
    assert state.spline is not None
    assert 7 in order


@given(st.integers(1, 20), st.sets(st.integers(0, 19)))
def test_search_ends_whatever_fails(n, failed):
    order, _ = run(lambda i: float((7 * i) % 5), n=n, failed=failed)
    assert len(set(order)) == len(order)


def test_all_failed_line_visits_every_point_and_ends():
    order, state = run(float, n=6, failed=range(6))
    assert sorted(order) == list(range(6))
    assert state.spline is None


def test_a_moved_stand_in_refits_the_line():
    costs = {0: 2.0, 10: 9.0, 3: 0.1, 6: 0.0}
    state = fitted(costs)
    costs |= {10: 4.0, 5: 0.2}
    state = ippe.advance(state, costs, set(costs), [5])
    expected = dspline.fit(11, list(costs), list(costs.values()))
    assert state.spline.estimates == pytest.approx(expected.estimates, abs=1e-12)


def test_done_line_has_no_candidates():
    _, state = run(lambda i: (i - 7.2) ** 2)
    assert ippe.candidates(state, set()) == ()
    assert ippe.needed(state, set()) == 0
    assert ippe.advance(state, {}, set()) is state
