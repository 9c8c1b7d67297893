"""How long to fine-tune: the rule, the command, and going on after a stop."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import torch

from collinear.dbpn.__main__ import EXIT_BAD_INPUT, main
from collinear.dbpn.length import MARKS, propose, run_length, settle
from collinear.dbpn.request import read_request
from collinear.dbpn.state import StateError

EPOCHS = list(range(1, 25))


def test_a_value_settles_where_it_comes_to_stay():
    values = [10.0 * 0.6**e + 1 for e in EPOCHS]
    found = settle(EPOCHS, values)
    assert found.epoch == 13  # 10 * 0.6^13 is below 2 % of 1
    assert found.level == pytest.approx(1, abs=1e-3)


def test_noise_widens_the_band():
    draw = np.random.default_rng(0)
    values = [5 + 3 * 0.5**e + 0.3 * draw.standard_normal() for e in EPOCHS]
    found = settle(EPOCHS, values)
    assert found.band > 0.3
    assert found.epoch <= 6


def test_a_value_that_still_falls_has_not_settled():
    assert settle(EPOCHS, [30.0 - e for e in EPOCHS]).epoch is None


def test_a_value_that_leaves_and_comes_back_counts_from_its_return():
    values = [1.0] * 24
    values[5] = 3.0
    assert settle(EPOCHS, values).epoch == 1
    values[10] = values[11] = 3.0
    assert settle(EPOCHS, values).epoch == 13


def test_a_value_that_never_moved_is_settled_at_once():
    assert settle(EPOCHS, [0.0] * 24).epoch == 1


def test_the_slowest_value_decides():
    rows = [
        {"iteration": 10.0 * e, "epoch": float(e), "mse": 1 + 9 * 0.3**e, "niqe": 1.0}
        for e in EPOCHS
    ]
    length, found = propose(rows)
    assert (length, found["niqe"].epoch) == (found["mse"].epoch, 1)
    rows = [row | {"niqe": 40 - row["epoch"]} for row in rows]
    assert propose(rows)[0] is None


@pytest.fixture
def config(tmp_path, tiny_mapping, folders, scoring):
    settings = tiny_mapping({"data": folders})
    path = tmp_path / "in.json"
    path.write_text(json.dumps({"settings": settings, "scoring": scoring}))
    assert (
        main(["pretrain", "--config", str(path), "--out", str(tmp_path / "pre")]) == 0
    )
    return path


def length(config, out, *more, longest="24"):
    init = str(config.parent / "pre" / "weights.pt")
    arguments = ["--config", str(config), "--init", init, "--out", str(out)]
    return main(["finetune-length", *arguments, "--longest", longest, *more])


def test_the_command_writes_table_figure_and_proposal(config, tmp_path):
    out = tmp_path / "length"
    assert length(config, out, "--param", "learning_rate=1e-5") == 0
    found = json.loads((out / "length.json").read_text())
    lines = (out / "length.tsv").read_text().splitlines()
    assert len(lines) == 1 + MARKS
    assert lines[0].split("\t")[:2] == ["iteration", "epoch"]
    assert {"mse", "style", "rmse", "niqe"} <= set(found["settled"])
    assert found["identity"]["settings"]["stage"]["decay_at"] == []
    assert (out / "length.png").read_bytes().startswith(b"\x89PNG")
    assert not (out / "state.pt").exists()
    assert "median of three marks never leaves the band" in found["rule"]


def test_a_stopped_search_goes_on_with_the_same_marks(config, tmp_path):
    settings = read_request(config)
    init = tmp_path / "pre" / "weights.pt"
    tables = []
    for name, stops in {"whole": [], "stopped": [7]}.items():
        arguments = {"epochs": 24, "seed": 1, "out": tmp_path / name, "init": init}
        for count in stops:
            asked = iter([False] * (count - 1) + [True])
            stop = functools.partial(next, asked)
            assert not run_length(settings, **arguments, should_stop=stop)
        assert run_length(settings, **arguments)
        tables.append((tmp_path / name / "length.tsv").read_text())
    assert tables[0] == tables[1]


def test_a_diverged_setting_gets_no_proposal(config, tmp_path):
    out = tmp_path / "length"
    assert length(config, out, "--param", "learning_rate=1e30") == 0
    found = json.loads((out / "length.json").read_text())
    assert found["proposed_epochs"] is None
    assert "not finite" in found["reason"]


@pytest.mark.parametrize(
    ("longest", "message"),
    [("0", "--longest must be above 0"), ("3", "--longest must give at least 24")],
)
def test_lengths_that_say_nothing_are_refused(
    config, tmp_path, capsys, longest, message
):
    out = tmp_path / "length"
    assert length(config, out, longest=longest) == EXIT_BAD_INPUT
    assert message in capsys.readouterr().err


def test_a_finished_search_is_not_repeated_nor_replaced(config, tmp_path, capsys):
    out = tmp_path / "length"
    assert length(config, out) == 0
    before = (out / "length.json").read_bytes()
    written = (out / "length.tsv").stat().st_mtime_ns
    assert length(config, out) == 0
    assert (out / "length.tsv").stat().st_mtime_ns == written
    assert length(config, out, "--param", "learning_rate=1e-2") == EXIT_BAD_INPUT
    assert "belongs to another training" in capsys.readouterr().err
    assert (out / "length.json").read_bytes() == before
    (out / "metrics.json").write_text("{}")
    assert length(config, out) == EXIT_BAD_INPUT
    assert "holds a training; use another folder" in capsys.readouterr().err


def test_marks_are_part_of_the_state(config, tmp_path):
    """So a table that is lost or cut costs nothing, and no digit."""
    settings = read_request(config)
    records = []
    for name, spoil in {
        "whole": None,
        "lost": "",
        "cut": "iteration\tx\n1",
    }.items():
        out = tmp_path / name
        arguments = {"epochs": 24, "seed": 1, "out": out}
        arguments["init"] = tmp_path / "pre" / "weights.pt"
        if spoil is not None:
            asked = iter([False] * 6 + [True])
            stop = functools.partial(next, asked)
            assert not run_length(settings, **arguments, should_stop=stop)
            (out / "length.tsv").write_text(spoil)
        assert run_length(settings, **arguments)
        records.append((out / "length.json").read_text())
    assert records[0] == records[1] == records[2]


def test_states_of_before_have_their_marks_in_the_table(config, tmp_path):
    out, init = tmp_path / "old", tmp_path / "pre" / "weights.pt"
    arguments = {"epochs": 24, "seed": 1, "out": out, "init": init}
    asked = iter([False] * 6 + [True])
    settings = read_request(config)
    assert not run_length(settings, **arguments, should_stop=lambda: next(asked))
    state = torch.load(out / "state.pt", weights_only=True)
    del state["content"]["length"]
    torch.save(state, out / "state.pt")
    table = (out / "length.tsv").read_bytes()
    (out / "length.tsv").unlink()
    with pytest.raises(StateError, match="is the state of a plain fine-tune"):
        run_length(settings, **arguments)
    (out / "length.tsv").write_bytes(table)
    assert run_length(settings, **arguments)
    assert len((out / "length.tsv").read_text().splitlines()) == 1 + MARKS
