"""Ma's model in the application: asked for when needed, checked, used, recorded."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.io import savemat

from collinear.dbpn.__main__ import EXIT_BAD_INPUT, main
from collinear.quality.fetch_model import DOWNLOADED


def tree_tables(size):
    """Return a forest of one tree with one split."""
    column = np.zeros((3, 1))
    left, right, feature = (column.astype(np.int32) for _ in range(3))
    left[0], right[0], feature[0] = 2, 3, 1
    return {
        "lDau": left,
        "rDau": right,
        "nrnodes": 3.0,
        "upper": column + 0.3,
        "avnode": column + 6,
        "mbest": feature,
        "ndtree": np.array([[3]], np.int32),
        "ntree": 1.0,
        "importance": np.zeros((size, 1)),
        "coef": np.zeros((2, 1)),
    }


@pytest.fixture
def model(tmp_path):
    """A stand-in of Ma's model that gives every image the score 6."""
    forests = np.empty((3, 1), dtype=object)
    forests[:, 0] = [tree_tables(size) for size in (18, 45, 75)]
    linear = np.array([[0.0], [0.5], [0.25], [0.25]])
    path = tmp_path / "stand_in.mat"
    content = {"model": {"rf": forests, "linear": linear}}
    savemat(path, content, do_compression=True)
    return path


@pytest.fixture
def request_file(tmp_path, tiny_mapping, folders, scoring):
    """Return a function (scoring, more) -> a config file."""

    def write(changes=None, **more):
        content = {"settings": tiny_mapping({"data": folders}), "threads": 1, **more}
        content["scoring"] = {**scoring, **(changes or {})}
        (tmp_path / "in.json").write_text(json.dumps(content))
        return str(tmp_path / "in.json")

    return write


def check(config, capsys):
    """Return exit code and message of the check of settings."""
    code = main(["check", "--config", config, "--settings-only"])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("wanted", [["perceptual_index"], ["niqe", "perceptual_index"]])
def test_the_index_without_a_model_is_refused_with_the_way_out(
    request_file, capsys, wanted
):
    code, message = check(request_file(wanted=wanted), capsys)
    assert code == EXIT_BAD_INPUT
    assert "application.scoring.ma_model is not given" in message
    assert "chaoma99/sr-metric" in message
    assert "choose objective: niqe" in message


def test_other_values_need_no_model(request_file, capsys):
    assert check(request_file(wanted=["niqe", "rmse"]), capsys) == (0, "")


def test_ma_is_not_minimised(request_file, capsys):
    code, message = check(request_file(wanted=["ma"]), capsys)
    assert code == EXIT_BAD_INPUT
    assert "higher is better" in message


def test_a_missing_model_is_refused_unless_it_will_be_downloaded(
    request_file, tmp_path, capsys, monkeypatch
):
    code, message = check(request_file({"ma_model": "none.mat"}), capsys)
    assert code == EXIT_BAD_INPUT
    assert "scoring.ma_model: none.mat is not there" in message
    monkeypatch.chdir(tmp_path)
    wanted = ["perceptual_index"]
    config = request_file({"ma_model": str(DOWNLOADED)}, wanted=wanted)
    assert check(config, capsys) == (0, "")


def test_another_file_is_refused(request_file, model, capsys):
    code, message = check(request_file({"ma_model": str(model)}), capsys)
    assert code == EXIT_BAD_INPUT
    assert "must be the published model.mat" in message
    changes = {"ma_model": str(model), "foreign_ma_model": True}
    assert check(request_file(changes), capsys) == (0, "")


@pytest.mark.parametrize(
    "changes", [{"ma_model": 3}, {"cache": []}, {"foreign_ma_model": "yes"}]
)
def test_wrong_types_are_refused(request_file, capsys, changes):
    code, message = check(request_file(changes), capsys)
    assert code == EXIT_BAD_INPUT
    assert f"scoring.{next(iter(changes))} must be" in message


def test_scores_have_the_index_with_a_model(request_file, model, tmp_path):
    weights = str(tmp_path / "pre" / "weights.pt")
    out = ["--out", str(tmp_path / "pre"), "--seed", "1"]
    assert main(["pretrain", "--config", request_file(), *out]) == 0

    def score(name, changes):
        out = str(tmp_path / name)
        config = request_file(changes)
        command = ["score", "--config", config, "--init", weights, "--out", out]
        assert main(command) == 0
        return json.loads((tmp_path / name / "score.json").read_text())

    without = score("without", {"cache": str(tmp_path / "cache")})
    changes = {"ma_model": str(model), "foreign_ma_model": True}
    found = score("with", {**changes, "cache": str(tmp_path / "cache")})
    assert without["status"] == found["status"] == "done"
    assert without["ma_model"] is None
    assert without["values"]["perceptual_index"] is None
    assert found["values"] == {
        **without["values"],
        "ma": 6.0,
        "perceptual_index": (without["values"]["niqe"] + 4) / 2,
    }
    assert set(found["ma_model"]) == {"blob", "digest"}
