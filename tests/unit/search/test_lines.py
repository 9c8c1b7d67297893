"""Neighbours, directions, lines and the trisection order."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collinear.search import lines
from collinear.search.lines import LineError

shapes = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple)


@st.composite
def places(draw):
    shape = draw(shapes)
    return shape, tuple(draw(st.integers(0, n - 1)) for n in shape)


def test_offsets_count_axes_then_subsets_then_signs():
    assert lines.offsets(2) == (
        *((1, 0), (-1, 0), (0, 1), (0, -1)),
        *((1, 1), (-1, 1), (1, -1), (-1, -1)),
    )
    sets = list(dict.fromkeys(tuple(map(abs, step)) for step in lines.offsets(3)))
    assert sets[3:6] == [(1, 1, 0), (1, 0, 1), (0, 1, 1)]


def test_first_offsets_are_a_part_of_all():
    for n_axes in (1, 2, 4, 5):
        every = lines.offsets(n_axes)
        assert len(every) == 3**n_axes - 1 == lines.count_offsets(n_axes, n_axes)
        for most in range(1, n_axes + 1):
            first = lines.offsets(n_axes, most)
            assert first == tuple(s for s in every if lines.count_changed(s) <= most)
            assert len(first) == lines.count_offsets(n_axes, most)


def test_many_axes_have_too_many_neighbours_but_not_along_two():
    assert len(lines.lines_through((0,) * 20, (2,) * 20, 2)) == 20 + 190
    with pytest.raises(lines.LineError, match=r"3,486,784,400 .* 20 of 20 axes"):
        lines.lines_through((0,) * 20, (2,) * 20, 20)


@pytest.mark.parametrize(("d", "by_axes"), [(1, [1]), (2, [2, 2]), (4, [4, 12, 16, 8])])
def test_number_of_directions(d, by_axes):
    found = [lines.count_changed(s) for s in lines.directions((3,) * d)]
    assert [found.count(k + 1) for k in range(d)] == by_axes
    assert sum(by_axes) == (3**d - 1) // 2


def test_axis_with_one_value_has_no_direction():
    assert all(step[1] == 0 for step in lines.directions((3, 1, 3)))


@given(places())
def test_neighbours_are_at_chebyshev_distance_one(place):
    shape, point = place
    found = lines.neighbours(point, shape)
    assert len(set(found)) == len(found)
    expected = math.prod(
        sum(0 <= i + s < n for s in (-1, 0, 1))
        for i, n in zip(point, shape, strict=True)
    )
    assert len(found) == expected - 1


def test_direction_is_reduced_and_starts_positive():
    assert lines.direction_between((4, 1, 0), (0, 7, 0)) == (2, -3, 0)
    assert lines.direction_between((0, 2), (0, 0)) == (0, 1)


def test_direction_needs_two_points():
    with pytest.raises(LineError, match="two distinct points"):
        lines.direction_between((1, 1), (1, 1))


@given(places())
def test_lines_through_a_base_are_complete(place):
    shape, base = place
    for line in lines.lines_through(base, shape, len(shape)):
        assert base in line.points
        assert len(line) >= 2
        for before, after in pairwise(line.points):
            assert lines.direction_between(before, after) == line.direction
        ends = (line.points[0], line.points[-1])
        steps = (-1, 1)
        for end, sign in zip(ends, steps, strict=True):
            beyond = [i + sign * s for i, s in zip(end, line.direction, strict=True)]
            assert not all(0 <= i < n for i, n in zip(beyond, shape, strict=True))


@given(places())
def test_every_neighbour_lies_on_one_line(place):
    shape, base = place
    found = lines.lines_through(base, shape, len(shape))
    for point in lines.neighbours(base, shape):
        assert sum(point in line.points for line in found) == 1


def test_lines_are_limited_by_changed_axes():
    found = lines.lines_through((2, 2, 2), (5, 5, 5), 2)
    assert [line.n_axes for line in found] == [1] * 3 + [2] * 6


def test_line_knows_the_places_of_its_points():
    line = lines.line_through((3, 1), (1, -1), (5, 4))
    assert line.points == ((1, 3), (2, 2), (3, 1), (4, 0))
    assert line.index[(3, 1)] == 2


@pytest.mark.parametrize(("base", "step"), [((5, 0), (1, 0)), ((0, 0), (0, 0))])
def test_impossible_lines_are_refused(base, step):
    with pytest.raises(LineError, match="a line needs"):
        lines.line_through(base, step, (5, 5))


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, (0,)),
        (2, (0, 1)),
        (3, (0, 2, 1)),
        (4, (0, 3, 1, 2)),
        (11, (0, 10, 3, 6)),
        (16, (0, 15, 5, 10)),
    ],
)
def test_trisection_set(n, expected):
    assert lines.trisection_set(n) == expected


@pytest.mark.parametrize("n", range(1, 40))
def test_trisection_order_begins_with_the_set(n):
    order = lines.trisection_order(n)
    kept = tuple(dict.fromkeys(order))
    assert kept[: len(lines.trisection_set(n))] == lines.trisection_set(n)
    assert set(order) <= set(range(n))


def test_trisection_order_keeps_the_repeats_of_the_original():
    """Its segments of two steps all yield index 1."""
    assert lines.trisection_order(7) == (0, 6, 2, 4, 1, 1, 1)
    assert lines.trisection_order(8) == (0, 7, 2, 4, 1, 1, 5, 6)
