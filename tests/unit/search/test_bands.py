"""Bands of explored lines: pooled REML, and no curve where it would mean nothing."""

import numpy as np
import pytest

from collinear.search import (
    S2018,
    Anova,
    Goal,
    History,
    Result,
    SearchSpace,
    Status,
    explored_lines,
    line_bands,
    smooth_stretch,
)
from collinear.search.smoothing import LineData, choose_alpha, pooled_noise, smooth

GOAL = Goal("y")
LOG = [0.0, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]
ORDERED = SearchSpace.from_values({"a": list(range(9)), "b": list(range(7))})
ZERO = SearchSpace.from_values({"a": list(range(9)), "w": LOG})


def searched(space, cost, strategy=None, extra=()):
    strategy, history = strategy or S2018(space, GOAL), History()
    while batch := strategy.ask(history, 8):
        history = history.ask(batch).tell(
            [Result(p.point, 1, Status.DONE, {"y": cost(p.point)}) for p in batch]
        )
        if len(history.results) > 50:
            break
    if extra:
        history = history.tell(list(extra))
    return explored_lines(strategy, history)


def bowl(point):
    noise = np.random.default_rng([9, *point]).normal(0, 0.3)
    return float(truth(point) + noise)


def truth(point):
    return 0.1 * (point[0] - 5.2) ** 2 + 0.05 * (point[1] - 3.0) ** 2


def test_bands_are_the_posterior_under_one_weight_and_noise():
    lines = searched(ORDERED, bowl)
    data = []
    for line in lines:
        n = len(line.points)
        at = tuple(3 * s.index for s in line.samples)
        places = tuple(j / 3 for j in range(3 * (n - 1) + 1))
        data.append(LineData(places, at, tuple(s.cost for s in line.samples)))
    # No cost of this search is an outlier.
    alpha = choose_alpha(data)
    noise = pooled_noise(data, alpha)
    for line, entry, (band, *others) in zip(
        lines, data, line_bands(lines, ORDERED), strict=True
    ):
        expected = smooth(entry, alpha, noise)
        assert band.positions == entry.places
        assert band.mean == pytest.approx(expected.mean.tolist(), abs=1e-9)
        assert band.sd == pytest.approx(expected.sd.tolist(), abs=1e-9)
        assert not others
        assert len(line.points) == len(band.positions) // 3 + 1


def test_a_band_is_narrow_at_samples_and_wide_between_and_beyond():
    (band,), *_ = line_bands(searched(ORDERED, bowl), ORDERED)
    assert min(band.sd) > 0
    assert max(band.sd) > min(band.sd)


def test_band_covers_the_truth():
    """About 95 % of the places of many noisy searches lie within two deviations."""
    inside = total = 0
    for seed in range(20):

        def cost(p, seed=seed):
            noise = np.random.default_rng([seed, *p]).normal(0, 0.3)
            return float(truth(p) + noise)

        lines = searched(ORDERED, cost)
        for line, found in zip(lines, line_bands(lines, ORDERED), strict=True):
            for band in found:
                for i, p in enumerate(line.points):
                    inside += abs(band.mean[3 * i] - truth(p)) < 2 * band.sd[3 * i]
                    total += 1
    assert 0.80 < inside / total <= 1.0


def test_zero_of_a_logarithmic_axis_stands_apart():
    """The loss that is switched off is a world of its own; the curve must not bend."""

    def cost(point):
        return 50.0 if point[1] == 0 else bowl(point)

    lines = searched(ZERO, cost)
    along = [line for line in lines if line.direction[1]]
    assert along
    for line, found in zip(lines, line_bands(lines, ZERO), strict=True):
        stretch = smooth_stretch(line, ZERO)
        apart = [i for i, p in enumerate(line.points) if p[1] == 0]
        if line.direction[1]:
            assert not set(apart) & set(stretch)
            assert len(stretch) + len(apart) == len(line.points)
        for band in found:
            if len(band.positions) > 1:
                assert min(band.positions) == stretch[0]
                assert max(band.positions) == stretch[-1]
                assert max(band.mean) < 45.0


def test_zero_level_has_the_mean_of_its_own_trials():
    cross = [(4, j) for j in range(7)] + [(i, 3) for i in range(9) if i != 4]
    told = [Result(p, 1, Status.DONE, {"y": truth(p)}) for p in cross if p != (4, 3)]
    told.append(Result((4, 3), 1, Status.DONE, {"y": -0.1}))  # the incumbent
    told += [Result((4, 0), s, Status.DONE, {"y": truth((4, 0)) + 3}) for s in (2, 3)]
    lines = explored_lines(Anova(ZERO, GOAL), History().tell(told))
    found = line_bands(lines, ZERO)
    bands = {x.direction: band for x, band in zip(lines, found, strict=True)}
    curve, level = bands[(0, 1)]
    assert level.positions == (0.0,)
    assert level.mean[0] == pytest.approx(truth((4, 0)) + 2.0)
    assert level.sd[0] > 0
    assert min(curve.positions) == 1.0
    assert len(bands[(1, 0)]) == 1


def test_a_zero_on_a_linear_axis_is_a_value_like_any_other():
    lines = searched(ORDERED, bowl)
    assert all(len(smooth_stretch(x, ORDERED)) == len(x.points) for x in lines)


@pytest.mark.parametrize(
    ("values", "apart"),
    [
        ([0.0, 0.1, 10.0], True),
        ([0.0, 0.01, 0.05, 0.1, 0.5, 1.0], True),
        ([0.0, 0.5, 1.0, 2.0, 4.0], True),
        ([0.0, 1.0, 2.0], False),
        ([0.0, 1.0, 2.0, 3.0, 4.0], False),
        ([0.0, 0.1, 0.2, 0.3], False),
        ([0.0, 5.0], False),
        ([1.0, 10.0, 100.0], False),
    ],
)
def test_a_zero_that_switches_off_is_told_from_a_linear_list(values, apart):
    space = SearchSpace.from_values({"a": [1, 2], "w": values})
    told = History().tell([Result((0, 1), 1, Status.DONE, {"y": 1.0})])
    lines = explored_lines(Anova(space, GOAL), told)
    line = next(x for x in lines if x.direction[1])
    assert smooth_stretch(line, space) == range(int(apart), len(values))


def test_no_curve_across_categories():
    strategy = Anova(ORDERED, GOAL, categorical=("b",))
    lines = searched(ORDERED, bowl, strategy)
    bands = line_bands(lines, ORDERED, ("b",))
    found = {x.direction: band for x, band in zip(lines, bands, strict=True)}
    assert found[(0, 1)] == ()
    assert len(found[(1, 0)]) == 1


def test_wrecked_trainings_are_no_noise():
    lines = searched(ORDERED, bowl)
    wrecked = searched(ORDERED, lambda p: 1e6 if p[0] == 0 else bowl(p))
    for found in line_bands(wrecked, ORDERED):
        for band in found:
            assert max(band.sd) < 1e3
    assert lines


def test_repeated_trials_narrow_the_band():
    once = searched(ORDERED, bowl)
    point = once[0].points[once[0].samples[0].index]
    mean = once[0].samples[0].cost
    again = [Result(point, s, Status.DONE, {"y": mean}) for s in range(2, 12)]
    more = searched(ORDERED, bowl, extra=again)
    at = 3 * once[0].samples[0].index
    assert len(more[0].samples[0].runs) == 11
    (first,), (second,) = line_bands(once, ORDERED)[0], line_bands(more, ORDERED)[0]
    assert second.sd[at] < first.sd[at]


def test_too_few_trials_have_no_band():
    lines = explored_lines(
        S2018(ORDERED, GOAL),
        History().tell([Result((4, 3), 1, Status.DONE, {"y": 1.0})]),
    )
    assert all(found == () for found in line_bands(lines, ORDERED))
    assert line_bands((), ORDERED) == ()
