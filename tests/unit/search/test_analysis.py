"""Explored lines as a report needs them."""

import pytest

from collinear.search import (
    S2017,
    S2018,
    Goal,
    History,
    Limit,
    Result,
    SearchSpace,
    Status,
    dspline,
    explored_lines,
)

SPACE = SearchSpace.from_values({"a": list(range(7)), "b": list(range(6))})
GOAL = Goal("y", (Limit("r", 5.0),))


def outcome(proposal):
    i, j = proposal.point
    if (i, j) == (3, 5):
        return Result(proposal.point, 1, Status.DIVERGED)
    return Result(proposal.point, 1, Status.DONE, {"y": (i - 2) ** 2 + j, "r": i + j})


def play(strategy):
    history = History()
    while batch := strategy.ask(history, 4):
        history = history.ask(batch).tell([outcome(p) for p in batch])
    return history


@pytest.fixture(scope="module")
def explored():
    strategy = S2018(SPACE, GOAL)
    return explored_lines(strategy, play(strategy))


def test_each_line_comes_once(explored):
    assert len({line.points for line in explored}) == len(explored) >= 2


def test_samples_tell_measured_from_fitted(explored):
    for line in explored:
        for sample in line.samples:
            i, j = line.points[sample.index]
            if (i, j) == (3, 5):
                assert sample.cost is None
                assert not sample.feasible
            else:
                assert sample.cost == (i - 2) ** 2 + j
                assert sample.feasible == (i + j <= 5)
                assert sample.feasible <= (sample.fitted == sample.cost)


def test_markers_are_the_spline_through_the_fitted_values(explored):
    for line in explored:
        places = [s.index for s in line.samples]
        fitted = [s.fitted for s in line.samples]
        spline = dspline.fit(len(line.points), places, fitted)
        assert line.markers == tuple(spline.markers)


def test_markers_are_smoothed_as_the_search_smoothed():
    plain, ignored = S2017(SPACE, GOAL), S2017(SPACE, GOAL, alpha=50.0)
    history = play(plain)
    assert play(ignored) == history
    assert explored_lines(ignored, history) == explored_lines(plain, history)


def test_positions_put_grid_indices_on_whole_numbers(explored):
    line = explored[0]
    assert line.positions[2::3][: len(line.points)] == tuple(range(len(line.points)))
    assert line.positions[0] == pytest.approx(-2 / 3)


def test_nothing_is_explored_before_the_first_trial():
    assert explored_lines(S2018(SPACE, GOAL), History()) == ()
