"""A small part of the search benchmark: the simulation keeps its own rules."""

import json
import os
import pickle
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "search"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import landscapes
    import methods
    import simulation

    yield landscapes, methods, simulation
    own = {path.stem for path in FOLDER.glob("*.py")}
    for name in own & set(sys.modules):
        sys.modules.pop(name)


@pytest.mark.parametrize(("kind", "slots"), [("sync", 20), ("async", 10)])
@pytest.mark.parametrize("method", ["anova-finals", "random"])
def test_run_spends_its_budget(bench, method, kind, slots):
    landscapes, methods, simulation = bench
    row = simulation.simulate(
        methods.by_name(method),
        landscapes.get("smooth", 0),
        seed=1,
        mode=simulation.Mode(kind, slots),
        budget=60,
    )
    assert row["n"] == 60
    assert row["reg50"] >= 0.0
    assert np.isnan(row["reg100"])  # nothing is claimed beyond the budget
    assert row["fills"] == row["duplicates"] == 0
    assert row["wall"] > 2.0


def test_anova_beats_random_on_a_smooth_basin(bench):
    landscapes, methods, simulation = bench
    rows = [
        simulation.simulate(
            methods.by_name(method),
            landscapes.get("moved_smooth", 3),
            seed=3,
            mode=simulation.Mode("sync", 20),
            budget=100,
        )
        for method in ("anova", "random")
    ]
    assert rows[0]["reg100"] < 0.2 * rows[1]["reg100"]


def test_told_hyperparameters_are_those_of_the_landscape_and_change_the_search(bench):
    landscapes, methods, simulation = bench
    import ceiling

    landscape = landscapes.get("moved_valley_noise", 3)
    points, values = ceiling.sample(landscape)
    assert points.shape == (len(values), 4)
    assert 300 < len(values) <= 400
    true = landscape.true[np.ravel_multi_index(tuple(points.T), landscape.shape)]
    assert np.std(values - true) == pytest.approx(landscape.noise, rel=0.2)
    makers = {
        "told": partial(ceiling.InformedStrategy, landscape=("moved_valley_noise", 3)),
        "learnt": methods.by_name("anova"),
    }
    rows = {
        name: simulation.simulate(
            make, landscape, seed=3, mode=simulation.Mode("sync", 20), budget=60
        )
        for name, make in makers.items()
    }
    assert rows["told"]["n"] == rows["learnt"]["n"] == 60
    assert rows["told"]["reg50"] != rows["learnt"]["reg50"]


def test_same_point_and_repeat_have_the_same_luck(bench):
    landscape = bench[0].get("valley_noise", 0)
    again = [landscape.observe(7, 0, 5) for _ in range(2)]
    assert again[0] == again[1] != landscape.observe(7, 1, 5)


def test_moved_optimum_follows_the_seed(bench):
    landscapes = bench[0]
    places = {int(np.argmin(landscapes.get("moved_smooth", s).true)) for s in range(6)}
    assert len(places) > 3
    assert landscapes.get("smooth", 0).regrets.min() == 0.0


@pytest.mark.parametrize("name", ["rough_kernel", "rough_network", "rough_ridge"])
def test_a_rough_landscape_is_another_one_for_each_seed(bench, name):
    landscapes, _, _ = bench
    first, other = (landscapes.get(name, seed).true for seed in (0, 1))
    landscapes._rough.cache_clear()
    again = landscapes.get(name, 0).true
    np.testing.assert_array_equal(first, again)
    assert np.nanargmin(first) != np.nanargmin(other)
    regrets = landscapes.get(name, 1).regrets
    assert np.sum(regrets == 0.0) == 1
    assert np.mean(np.isfinite(regrets)) > 0.6


@pytest.mark.parametrize("group", ["MOVED", "ROUGH", "WIDE", "MANY"])
def test_every_seed_has_another_optimum_and_the_same_one_again(bench, group):
    landscapes = bench[0]
    for name in getattr(landscapes, group):
        first, second = (landscapes.get(name, seed) for seed in (0, 1))
        assert np.nanargmin(first.true) != np.nanargmin(second.true)
        landscapes._many.cache_clear()
        again = landscapes.get(name, 0).true
        np.testing.assert_array_equal(first.true, again)


@pytest.mark.parametrize("name", ["many_basin", "many_funnel", "many_ridge"])
def test_a_large_grid_is_hard_to_hit_and_can_be_won(bench, name):
    regrets = bench[0].get(name, 2).regrets
    assert len(regrets) == 7**6
    assert regrets.min() == 0.0
    assert np.mean(regrets <= 0.01) < 1e-3
    diverged = np.mean(~np.isfinite(regrets))
    assert diverged == pytest.approx(0.25 if name == "many_funnel" else 0.0, abs=0.01)


def test_published_tables_are_read_as_plain_numbers(tmp_path, bench):
    import published

    axes = [{"name": "a", "values": [1, 2, 3]}, {"name": "b", "values": [5, 6]}]
    records = {
        f"{i}{j}": {"val_acc": [0.1 * i, 0.1 * j]} for i in range(3) for j in range(2)
    }
    path = tmp_path / "small.pkl"
    path.write_bytes(pickle.dumps(records))
    values = published._values(path, axes, lambda r: r["val_acc"])
    assert values.shape == (6, 2)  # C order: the last axis runs fastest
    np.testing.assert_allclose(values[3], [0.1, 0.1])
    np.testing.assert_allclose(values[4], [0.2, 0.0])
    path.write_bytes(pickle.dumps({"00": Path("x")}))
    with pytest.raises(pickle.UnpicklingError, match="plain numbers only"):
        published._values(path, axes, lambda r: r["val_acc"])


def test_a_table_is_found_in_the_first_folder_that_has_it(tmp_path, bench, monkeypatch):
    landscapes = bench[0]
    name = landscapes.PUBLISHED[0]
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
    folders = os.pathsep.join(str(tmp_path / f) for f in ("first", "second"))
    monkeypatch.setenv("COLLINEAR_TABLES", folders)
    with pytest.raises(SystemExit, match=f"no {name}.json in .*second"):
        landscapes.get(name, 0)
    axis = {"name": "a", "values": ["x", "y", "z"], "kind": "categorical"}
    about = {"parameters": [axis]}
    (tmp_path / "second" / f"{name}.json").write_text(json.dumps(about))
    values = np.array([[3.0, 1.0], [4.0, np.nan], [np.nan, np.nan]])
    np.savez(tmp_path / "second" / f"{name}.npz", values=values)
    found = landscapes.get(name, 0)
    assert found.parameters[0].categorical
    np.testing.assert_array_equal(found.true, [2.0, 4.0, np.nan])
