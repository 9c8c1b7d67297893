"""The document's rules lead to every size that it gives."""

from __future__ import annotations

import math

import numpy as np
import pytest

from collinear.training.errors import TuningError
from collinear.training.measurement import Measurement
from collinear.training.rules import (
    EpochTimeMinimize,
    GpuUsageMaximize,
    StepState,
    next_step,
)
from collinear.training.tune import tune

ROWS = range(4)


def clock_for(row, improvement=None):
    """Return seconds of a step by size, from improvements of an epoch."""
    points = improvement or row["improvement"]
    sizes = [int(size) for size in points]
    items, start = row["items"], row["start"]

    def seconds(size):
        better = np.interp(size, sizes, list(points.values()))
        epoch = 1000 * (1 - better)
        return epoch / math.ceil(items / size)

    assert seconds(start) > 0
    return seconds


@pytest.mark.parametrize("index", ROWS)
def test_gpu_usage_meets_table_3(document, used, index):
    row = document["gpu_usage"][index]
    first, last = row["usage"]

    def usage(size):
        if size >= row["threshold"]:
            return 100.0
        return first + (last - first) * min(1, (size - 32) / (row["size"] - 32))

    found = tune(GpuUsageMaximize(), used(usage), row["start"])
    assert found.size == row["size"]
    assert len(found.measurements) == row["changes"] + 1
    assert "size changed by at most 5" in found.reason


def test_the_way_of_pattern_1(document, used):
    """It is at 59, the 6th change, that the text sees 100 % for the first time."""
    found = tune(GpuUsageMaximize(), used(lambda size: 100 if size >= 55 else 80), 32)
    sizes = [each.size for each in found.measurements]
    assert sizes == [32, 34, 37, 41, 46, 52, 59, 58, 56, 53, 54]


@pytest.mark.parametrize("index", ROWS)
def test_epoch_time_meets_table_5(document, stand_in, index):
    row = document["epoch_time"][index]
    device = stand_in(clock_for(row))
    rule = EpochTimeMinimize(items=row["items"])
    found = tune(rule, device.measure, row["start"])
    assert found.size == row["size"]
    assert len(found.measurements) == row["changes"] + 1
    seconds = {m.size: rule.epoch_seconds(m) for m in found.measurements}
    gains = {size: 1 - s / seconds[row["start"]] for size, s in seconds.items()}
    assert set(row["sizes"]) <= set(gains)
    assert gains[row["size"]] == pytest.approx(row["final"], abs=1e-9)
    for size, quoted in row["quoted"].items():
        assert gains[int(size)] == pytest.approx(quoted, abs=1e-9)


def test_pattern_2_would_end_early_without_its_dip(document, stand_in):
    """Its quoted 57.00 and 60.31 % with gains that only grow end at 146 after 15."""
    row = document["epoch_time"][1]
    quoted = {"32": 0, "52": 0.38, "76": 0.57, "196": 0.6031}
    device = stand_in(clock_for(row, quoted))
    found = tune(EpochTimeMinimize(items=row["items"]), device.measure, row["start"])
    assert (found.size, len(found.measurements)) == (146, 16)


def test_sizes_of_growth():
    state, sizes = StepState(32), [32]
    for _ in range(20):
        step = next_step(state.step, up=True)
        state = StepState(state.size + step, step=step)
        sizes.append(state.size)
    assert sizes[:12] == [32, 34, 37, 41, 46, 52, 59, 67, 76, 86, 96, 106]
    assert sizes[-1] == 196


@pytest.mark.parametrize(
    ("step", "up", "following"),
    [
        (1, True, 2),
        (9, True, 10),
        (10, True, 10),
        (10, False, -1),
        (-1, False, -2),
        (-10, False, -10),
        (-4, True, 1),
    ],
)
def test_a_kept_direction_grows_and_another_begins_anew(step, up, following):
    assert next_step(step, up=up) == following


def test_the_errata_turn_the_direction_round(used):
    """A device that is not used enough gets more work (list 2, line 15, corrected)."""
    rule = GpuUsageMaximize()
    up = rule.advance(rule.start(32), used(lambda _: 98.9)(32))
    down = rule.advance(rule.start(32), used(lambda _: 99.0)(32))
    assert (up.size, down.size) == (34, 31)


def test_sizes_stay_positive(used):
    found = tune(GpuUsageMaximize(), used(lambda _: 100.0), 3)
    assert all(m.size >= 1 for m in found.measurements)
    assert found.size == 1


def test_the_largest_size_is_not_passed(stand_in):
    device = stand_in(lambda size: 1.0)
    found = tune(EpochTimeMinimize(items=10**6, largest=50), device.measure, 32)
    assert [m.size for m in found.measurements] == [32, 34, 37, 41, 46, 50]
    assert found.size == 50
    assert "largest size allowed" in found.reason


def test_memory_ends_a_search_at_the_last_size_that_ran(stand_in):
    device = stand_in(lambda size: 1.0, memory=60)
    found = tune(EpochTimeMinimize(items=10**6), device.measure, 32)
    assert found.size == 59
    assert found.reason == "out of memory at size 67"
    assert found.measurements[-1].seconds is None


def test_a_search_ends_after_100_changes(used):
    """A target between two sizes that a step of ten never meets twice."""
    count = iter(range(1000))
    found = tune(
        GpuUsageMaximize(), used(lambda _: 50.0 if next(count) < 200 else 100.0), 32
    )
    assert len(found.measurements) == 101
    assert "100 changes" in found.reason


@pytest.mark.parametrize("size", [0, -3, 2.5, True])
def test_start_sizes_must_be_positive(size):
    for rule in (GpuUsageMaximize(), EpochTimeMinimize(items=10)):
        with pytest.raises(TuningError, match="start size must be a whole number"):
            rule.start(size)


def test_bad_starts_and_missing_numbers_are_named(stand_in):
    with pytest.raises(TuningError, match="got 32 and 16"):
        EpochTimeMinimize(items=10, largest=16).start(32)
    with pytest.raises(TuningError, match="items must be a whole number"):
        EpochTimeMinimize(items=0)
    rule = GpuUsageMaximize()
    with pytest.raises(TuningError, match="no device counter"):
        rule.advance(rule.start(8), Measurement(8, 1.0))
    small = stand_in(lambda size: 1.0, memory=4)
    with pytest.raises(TuningError, match="8, the start size, cannot be run"):
        tune(rule, small.measure, 8)
