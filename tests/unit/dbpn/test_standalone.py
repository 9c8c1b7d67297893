"""Use without a campaign: YAML files, progress, scalars."""

from __future__ import annotations

import io
import json
import logging
import sys
from dataclasses import replace
from types import ModuleType

import pytest
import yaml

from collinear.dbpn import commands
from collinear.dbpn.__main__ import EXIT_BAD_INPUT, main
from collinear.dbpn.progress import Progress
from collinear.dbpn.request import read_request
from collinear.dbpn.section import ConfigError


@pytest.fixture
def config(tmp_path, tiny_mapping, folders, scoring):
    """A campaign's file with the settings of toy size."""
    application = {"settings": tiny_mapping({"data": folders}), "scoring": scoring}
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump({"campaign": "x", "application": application}))
    return path


def test_the_three_commands_work_from_a_campaigns_file(config, tmp_path, folders):
    common = ["--config", str(config)]
    pre, fine = tmp_path / "pre", tmp_path / "fine"
    assert main(["pretrain", *common, "--out", str(pre)]) == 0
    init = ["--init", str(pre / "weights.pt")]
    more = ["--param", "learning_rate=2e-3", "--param", "iterations=4"]
    assert main(["finetune", *common, *init, "--out", str(fine), *more]) == 0
    found = json.loads((fine / "metrics.json").read_text())
    assert found["iterations"] == 4
    assert found["identity"]["settings"]["stage"]["learning_rate"] == 2e-3
    weights = ["--init", str(fine / "weights.pt"), "--image", folders["train"]]
    assert main(["upscale", *common, *weights, "--out", str(tmp_path / "large")]) == 0
    assert len(list((tmp_path / "large").iterdir())) == 2


def test_plain_yaml_is_a_request_too(tmp_path, tiny_mapping):
    path = tmp_path / "in.yaml"
    path.write_text(yaml.safe_dump({"settings": tiny_mapping(), "threads": 2}))
    assert read_request(path).threads == 2
    assert read_request(path, {"w_style": 3}).finetune.w_style == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("application: {scoring: {}}", "settings is needed"),
        ("application: 3", "settings is needed"),
        ("", "settings must be a mapping"),
        (
            "settings: {scale: 4, pretrain: {learning_rate: 1e-4}}",
            "write 1.0e-6|epochs",
        ),
    ],
)
def test_bad_yaml_is_refused_with_its_file(tmp_path, text, message):
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"my\.yaml.*({message})"):
        read_request(tmp_path / "my.yaml")


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("w_style", "--param must be NAME=NUMBER, but got 'w_style'"),
        ("w_style=much", "--param must be NAME=NUMBER"),
        ("w_styl=1", "unknown key params.w_styl; did you mean w_style"),
    ],
)
def test_bad_values_of_param_are_refused(config, capsys, param, message):
    assert main(["check", "--config", str(config), "--param", param]) == EXIT_BAD_INPUT
    assert message in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar():
    stream = Terminal()
    with Progress("train", 4, stream=stream) as progress:
        for done in range(1, 5):
            progress.update(done, "RMSE 3")
    last = stream.getvalue().split("\r")[-1]
    assert "train [########################] 4/4" in last
    assert last.endswith("0:00:00 left  RMSE 3\n")


def test_a_log_gets_a_line_at_each_tenth(caplog):
    with (
        caplog.at_level(logging.INFO),
        Progress("x", 50, 20, io.StringIO()) as progress,
    ):
        for done in range(21, 51):
            progress.update(done)
    assert len(caplog.records) == 6
    assert "25/50" in caplog.messages[0]


def test_the_curve_is_there_while_a_training_runs(config, tmp_path, monkeypatch):
    rows = []

    def train(*args, save, **more):
        return original(*args, save=lambda t: (save(t), rows.append(read())), **more)

    def read():
        return (tmp_path / "pre" / "curve.tsv").read_text().count("\n")

    original = commands.train
    monkeypatch.setattr(commands, "train", train)
    settings = replace(read_request(config), save_every=2)
    commands.run_stage("pretrain", settings, seed=1, out=tmp_path / "pre")
    assert rows == [3, 5, 7]


def test_a_curve_of_absolute_errors_says_so(config, tmp_path):
    content = yaml.safe_load(config.read_text())
    content["application"]["settings"]["pretrain"]["loss"] = "l1"
    config.write_text(yaml.safe_dump(content))
    arguments = ["--config", str(config), "--out", str(tmp_path / "pre")]
    assert main(["pretrain", *arguments]) == 0
    header = (tmp_path / "pre" / "curve.tsv").read_text().splitlines()[0]
    assert header.startswith("iteration\tepoch\tlearning_rate\tloss\tl1\t")


def test_scalars_without_their_package_are_refused(
    config, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    arguments = ["--config", str(config), "--out", str(tmp_path / "pre")]
    more = ["--tensorboard", str(tmp_path / "tb")]
    assert main(["pretrain", *arguments, *more]) == EXIT_BAD_INPUT
    assert "needs the package tensorboard, which is not installed" in (
        capsys.readouterr().err
    )


def test_scalars_follow_the_curve(config, tmp_path, monkeypatch):
    found = []

    class Writer:
        def __init__(self, folder):
            found.append(folder)

        def add_scalar(self, name, value, step):
            found.append((name, step))

        def close(self):
            found.append("closed")

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    arguments = ["--config", str(config), "--out", str(tmp_path / "pre")]
    assert main(["pretrain", *arguments, "--tensorboard", "tb"]) == 0
    assert found[0] == "tb"
    assert found[-1] == "closed"
    rmse = [step for name, step in found[1:-1] if name == "pretrain/rmse"]
    assert rmse == [1, 2, 3, 4, 5, 6]
    assert ("pretrain/style", 1) not in found
