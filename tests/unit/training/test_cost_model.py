"""Counts are those of the real step; fitted costs predict with honest intervals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from collinear.training.cost_model import CostModel, fit_cost
from collinear.training.counting import count_step
from collinear.training.errors import TuningError


def linear_step(n=4, inputs=8, outputs=16):
    def build():
        layer = nn.Linear(inputs, outputs, bias=False)
        given = torch.empty(n, inputs)
        return lambda: layer(given).sum().backward()

    return build


def test_counts_of_a_matrix_product():
    """Forward 2 n i o; backward the same for the weights (the input needs none)."""
    found = count_step(linear_step())
    assert found.flops == 2 * (2 * 4 * 8 * 16)
    assert found.operations > 2
    # Output and gradient of the weights are alive at once, at least.
    assert found.peak >= 4 * (8 * 16)


def test_no_number_is_computed():
    """A step that no memory could hold is counted."""
    found = count_step(linear_step(n=2**20, inputs=2**20, outputs=2**20))
    assert found.flops == 4 * 2**60
    assert found.peak > 2**40


def test_memory_is_that_of_what_lives():
    def build():
        given = torch.empty(256, 1024)

        def step():
            maps = given
            for _ in range(10):
                maps = maps * 2.0  # the one before is freed
            return None

        return step

    assert count_step(build).peak == 2 * 4 * 256 * 1024


def test_saved_tensors_count_until_the_backward():
    def peak(depth):
        def build():
            weight = torch.empty(256, 256, requires_grad=True)

            def step():
                maps = weight
                for _ in range(depth):
                    maps = maps.sin()
                maps.sum().backward()

            return step

        return count_step(build).peak

    # A sine keeps its input: one more map for each.
    assert peak(20) - peak(10) == 10 * 4 * 256 * 256


NAMES = ("gflop", "moved", "updates")
TRUE = (0.02, 0.5, 0.01)


def rows_and_costs(count, noise, seed):
    draw = np.random.default_rng(seed)
    x = np.stack([draw.uniform(0.1, 10, count), draw.uniform(0, 1, count)], 1)
    rows = [dict(zip(NAMES, (*row, 1.0), strict=True)) for row in x.tolist()]
    costs = [sum(r[n] * c for n, c in zip(NAMES, TRUE, strict=True)) for r in rows]
    return rows, [cost * (1 + noise * draw.standard_normal()) for cost in costs]


def test_the_coefficients_are_found_again():
    rows, costs = rows_and_costs(12, 0.0, 1)
    model = fit_cost(rows, costs)
    assert model.coefficients == pytest.approx(TRUE, rel=1e-6)
    assert model.deviation < 1e-9


def test_intervals_hold_what_they_promise():
    inside = []
    for seed in range(150):
        model = fit_cost(*rows_and_costs(14, 0.08, seed))
        for row, cost in zip(*rows_and_costs(5, 0.08, 1000 + seed), strict=True):
            found = model.predict(row)
            assert 0 < found.low < found.value < found.high
            inside.append(found.low <= cost <= found.high)
    assert 0.92 <= np.mean(inside) <= 0.98


def test_intervals_widen_away_from_the_profile():
    model = fit_cost(*rows_and_costs(14, 0.05, 3))
    near = model.predict({"gflop": 5.0, "moved": 0.5, "updates": 1.0})
    far = model.predict({"gflop": 0.0, "moved": 50.0, "updates": 1.0})
    assert near.beyond == ()
    assert far.beyond == ("moved",)
    assert far.high / far.value > near.high / near.value


def test_a_term_that_was_never_measured_is_refused():
    rows, costs = rows_and_costs(8, 0.01, 4)
    rows = [{**row, "discriminator": 0.0} for row in rows]
    model = fit_cost(rows, costs)
    known = model.predict({**rows[0], "discriminator": 0.0})
    assert known.value == pytest.approx(costs[0], rel=0.1)
    with pytest.raises(TuningError, match="a cost with discriminator cannot be"):
        model.predict({**rows[0], "discriminator": 1.0})


def test_a_model_survives_json():
    model = fit_cost(*rows_and_costs(9, 0.02, 5))
    again = CostModel.from_json(json.loads(json.dumps(model.as_json())))
    assert again == model


def gpu(count, noise, seed):
    """A device behind a host: max(20 us an operation, device), both bounds met."""
    draw = np.random.default_rng(seed)
    rows, costs = [], []
    for _ in range(count):
        operations = float(draw.integers(500, 4000))
        gflop = float(np.exp(draw.uniform(np.log(0.5), np.log(50))))
        rows.append({"gflop": gflop, "updates": 1.0, "operations": operations})
        true = max(20e-6 * operations, 0.002 + 0.004 * gflop)
        costs.append(true * (1 + noise * draw.standard_normal()))
    return rows, costs


def test_a_host_that_binds_is_told_from_the_device():
    model = fit_cost(*gpu(20, 0.0, 2), host="operations")
    assert model.names == ("gflop", "updates")
    assert model.host == pytest.approx(20e-6)
    assert model.coefficients == pytest.approx((0.004, 0.002))
    again = CostModel.from_json(json.loads(json.dumps(model.as_json())))
    small = {"gflop": 0.5, "updates": 1.0, "operations": 3000.0}
    assert again.predict(small).value == pytest.approx(0.06)
    assert again.predict({**small, "gflop": 40.0}).value == pytest.approx(0.162)


@pytest.mark.parametrize("seed", range(6))
def test_noisy_devices_behind_a_host_are_predicted(seed):
    model = fit_cost(*gpu(16, 0.05, seed), host="operations")
    rows, costs = gpu(40, 0.0, 100 + seed)
    errors = [
        abs(model.predict(row).value / cost - 1)
        for row, cost in zip(rows, costs, strict=True)
    ]
    assert np.median(errors) < 0.06


def test_a_device_that_no_host_binds_has_no_host():
    rows, costs = rows_and_costs(12, 0.0, 1)
    rows = [{**row, "operations": 1000.0} for row in rows]
    model = fit_cost(rows, costs, host="operations")
    assert model.coefficients == pytest.approx(TRUE, rel=1e-6)
    assert model.predict(rows[3]).value == pytest.approx(costs[3])


def test_bad_profiles_are_refused():
    rows, costs = rows_and_costs(3, 0.0, 6)
    with pytest.raises(TuningError, match="needs 4 measurements or more, but got 3"):
        fit_cost(rows, costs)
    with pytest.raises(TuningError, match="but got 0"):
        fit_cost([], [])
    rows, costs = rows_and_costs(6, 0.0, 6)
    with pytest.raises(TuningError, match="must be above 0"):
        fit_cost(rows, [*costs[:5], float("nan")])


ROWS = [{"g": float(g), "ops": 10.0 + g} for g in range(1, 7)]
TIMES = [2.0 * row["g"] + 0.1 * (at % 2) for at, row in enumerate(ROWS)]


def changed(at, **counts):
    return [row | counts if at == index else row for index, row in enumerate(ROWS)]


def without(row, name):
    return {key: value for key, value in row.items() if key != name}


@pytest.mark.parametrize(
    ("rows", "costs", "host", "said"),
    [
        ([{"ops": 1.0}] * 3, [1, 2, 3], "ops", "beside that of the host, 'ops', but"),
        ([{}] * 3, [1, 2, 3], "", "needs a count, but got none; add one"),
        (ROWS, TIMES, "op", "but got 'op', and the rows have g, ops"),
        (changed(2, ops=float("nan")), TIMES, "ops", "row 3 has ops nan"),
        (changed(2, ops=0.0), TIMES, "ops", "above 0 in each row, but is 0 in row 3"),
        (changed(2, ops=-1.0), TIMES, "ops", "row 3 has ops -1.0"),
        (changed(2, g=float("inf")), TIMES, "ops", "row 3 has g inf"),
        (changed(2, g="many"), TIMES, "ops", "row 3 has g 'many'"),
        (changed(2, more=1.0), TIMES, "", "counts g, ops, but row 3 has g, ops, more"),
        ([*ROWS[:5], without(ROWS[5], "g")], TIMES, "", "but row 6 has ops; give 0"),
        ([*ROWS[:5], without(ROWS[5], "ops")], TIMES, "ops", "but row 6 has g; give 0"),
        (ROWS, TIMES[:4], "", "but got 6 rows and 4 costs"),
        (ROWS, [*TIMES[:5], None], "", "costs must be above 0"),
    ],
)
def test_a_profile_of_other_counts_or_costs_is_refused(rows, costs, host, said):
    with pytest.raises(TuningError, match=said):
        fit_cost(rows, costs, host)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"g": float("nan")}, {}, "a prediction has g nan"),
        ({"g": -3.0}, {}, "a prediction has g -3.0"),
        ({"ops": float("nan")}, {}, "a prediction has ops nan"),
        ({"ops": -1.0}, {}, "a prediction has ops -1.0"),
        ({}, {"level": 95}, "level must be between 0 and 1, but got 95"),
        ({}, {"level": float("nan")}, "level must be between 0 and 1, but got nan"),
        ({}, {"reach": 0.0}, "reach must be above 0, but got 0.0"),
    ],
)
def test_a_prediction_for_what_cannot_be_is_refused(change, options, said):
    model = fit_cost(*gpu(20, 0.02, 2), host="operations")
    model = replace(model, names=("g", "updates"), host_name="ops")
    counts = {"g": 5.0, "updates": 1.0, "ops": 900.0}
    assert model.predict(counts).low > 0
    with pytest.raises(TuningError, match=said):
        model.predict(counts | change, **options)
    for name in counts:
        with pytest.raises(TuningError, match=f"prediction needs the count '{name}'"):
            model.predict(without(counts, name))


@pytest.mark.parametrize(
    "change",
    [
        {"deviation": float("nan")},
        {"freedom": 0},
        {"names": ["a"]},
        {"spread": [[1.0, float("inf")], [0.0, 1.0]]},
        {"spread": [[1.0]]},
        {"coefficients": [1.0, "x"]},
    ],
)
def test_a_record_that_gives_no_number_is_refused(change):
    record = fit_cost(*rows_and_costs(20, 0.01, 1)).as_json()
    assert CostModel.from_json(record).as_json() == record
    with pytest.raises((ValueError, TypeError)):
        CostModel.from_json(record | change)
