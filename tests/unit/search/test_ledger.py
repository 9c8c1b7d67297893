"""Bounded stand-ins for trials without an honest cost."""

import math

import pytest

from collinear.search import Goal, Limit, Result, SearchSpace, Status
from collinear.search.ledger import CENSORED, FEASIBLE, INFEASIBLE, UNKNOWN, Ledger

GOAL = Goal("y", (Limit("r", 10.0),))
SPACE = SearchSpace.from_values({"a": list(range(20))})


def done(i, y, r=1.0, seed=1):
    return Result((i,), seed, Status.DONE, {"y": y, "r": r})


def ledger(*results, goal=GOAL):
    book = Ledger(SPACE, goal)
    book.tell(results)
    return book


def test_feasible_cost_is_the_measured_one():
    book = ledger(done(0, 2.5))
    assert book.cost((0,)) == 2.5
    assert book.rank((0,)) == (FEASIBLE, 2.5)


@pytest.mark.parametrize("status", [Status.DIVERGED, Status.STOPPED])
def test_diverged_gets_median_plus_three_margins(status):
    lost = Result((9,), 1, status, {"y": 0.0})
    book = ledger(done(0, 1.0), done(1, 2.0), done(2, 7.0), lost)
    assert book.cost((9,)) == 2.0 + 3 * (2.0 - 1.0)
    assert book.rank((9,))[0] == CENSORED
    assert book.raw_cost((9,)) is None


@pytest.mark.parametrize("y", [math.nan, math.inf, -math.inf, 1e200, None])
def test_done_without_a_usable_number_counts_as_diverged(y):
    book = ledger(done(0, 1.0), done(1, 3.0), done(9, y))
    assert book.cost((9,)) == 2.0 + 3 * 1.0
    assert book.rank((9,))[0] == CENSORED


def test_failed_is_visited_and_has_no_cost():
    book = ledger(Result((4,), 1, Status.FAILED))
    assert (4,) in book.visited
    assert book.cost((4,)) is None
    assert book.rank((4,)) == (UNKNOWN, math.inf)


def test_infeasible_pays_four_times_the_excess():
    book = ledger(done(0, 2.0), done(1, 9.0), done(2, 1.0, r=10.5))
    assert book.cost((2,)) == 1.0 + 4.0 * 0.5  # r has no spread: nothing is rescaled


def test_penalty_is_free_of_units():
    small = [(2.0, 1.0), (2.5, 4.0), (3.5, 8.0), (2.2, 11.0)]
    unit = 1000.0
    goal = Goal("y", (Limit("r", 10.0 * unit),))
    plain = ledger(*(done(i, y, r) for i, (y, r) in enumerate(small)))
    scaled = ledger(
        *(done(i, y, r * unit) for i, (y, r) in enumerate(small)), goal=goal
    )
    assert scaled.cost((3,)) == pytest.approx(plain.cost((3,)))


def test_infeasible_is_clipped_to_the_worst_feasible_plus_margin():
    book = ledger(done(0, 1.0), done(1, 2.0), done(2, 3.0), done(3, 2.0, r=1e6))
    assert book.cost((3,)) == 3.0 + (2.0 - 1.0)


@pytest.mark.parametrize("r", [None, math.nan, math.inf])
def test_unknown_limit_value_is_bounded(r):
    book = ledger(done(0, 1.0), done(1, 2.0), done(2, 3.0), done(3, 1.5, r=r))
    assert book.rank((3,))[0] == INFEASIBLE
    assert math.isfinite(book.cost((3,)))
    assert book.cost((3,)) > 2.0


def test_no_stand_in_beats_a_feasible_trial():
    results = [done(0, 5.0), done(1, 1.0, r=11.0), Result((2,), 1, Status.DIVERGED)]
    book = ledger(*results)
    assert book.best([(2,), (1,), (0,), (7,)]) == (0,)


def test_stand_ins_are_finite_when_nothing_is():
    book = ledger(*(Result((i,), 1, Status.DIVERGED) for i in range(3)))
    assert book.cost((0,)) == 0.0


@pytest.mark.parametrize(("scale", "shift"), [(2.0, 0.0), (1.0, 16.0), (8.0, -4.0)])
def test_stand_ins_follow_shift_and_scale(scale, shift):
    data = [(1.0, 1.0), (2.0, 3.0), (3.5, 7.0), (1.5, 11.0), (1.25, 12.0)]

    def book(a, b):
        results = [done(i, a * y + b, r) for i, (y, r) in enumerate(data)]
        return ledger(*results, Result((9,), 1, Status.DIVERGED))

    for i in (3, 4, 9):
        expected = scale * book(1.0, 0.0).cost((i,)) + shift
        assert book(scale, shift).cost((i,)) == pytest.approx(expected)


def test_seeds_of_a_point_are_averaged_and_repeats_ignored():
    book = ledger(done(0, 1.0), done(0, 2.0, seed=2), done(0, 9.0, seed=2))
    assert book.cost((0,)) == 1.5


def test_points_off_the_grid_are_ignored():
    book = Ledger(SPACE, GOAL)
    assert book.tell([done(25, 1.0), done(3, 1.0)]) == ((3,),)
    assert book.visited == {(3,)}
