"""The commands as a campaign calls them: files, exit codes, one line for an error."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from collinear.dbpn.__main__ import EXIT_BAD_INPUT, EXIT_STOPPED, main
from collinear.dbpn.device import peak_memory_mb
from collinear.dbpn.weights import WeightsError, load_weights
from collinear.quality.images import read_image, write_png
from collinear.quality.score import VALUES


@pytest.fixture
def request_file(tmp_path, tiny_mapping, folders, scoring):
    """Return a function (changes, params) -> a config file with these settings."""

    def write(changes=None, params=None, name="in.json", **more):
        settings = tiny_mapping({"data": folders, **(changes or {})})
        content = {"settings": settings, "scoring": scoring, "params": params or {}}
        content |= {"threads": 1, **more}
        (tmp_path / name).write_text(json.dumps(content))
        return str(tmp_path / name)

    return write


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a command with paths below the test's folder."""

    def call(command, config, out, *more):
        return main([command, "--config", config, "--out", str(tmp_path / out), *more])

    return call


@pytest.fixture
def pretrained(run, request_file, tmp_path):
    """A finished pretraining; returns its folder."""
    assert run("pretrain", request_file(), "pre", "--seed", "1") == 0
    return tmp_path / "pre"


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_check_prints_one_line(request_file, capsys):
    assert main(["check", "--config", request_file()]) == 0
    out = capsys.readouterr().out
    assert out == (
        "ok: scale 2, 2 training and 1 evaluation images, "
        "pretrain 6 iterations, finetune 6 iterations\n"
    )


def test_check_of_settings_alone_needs_no_images(request_file, capsys):
    config = request_file({"data": {"source": "folder", "train": "no/such/folder"}})
    assert main(["check", "--config", config, "--settings-only"]) == 0
    assert main(["check", "--config", config]) == EXIT_BAD_INPUT
    assert "data.train: no/such/folder is not a folder" in capsys.readouterr().err


def test_check_tries_every_value_of_every_axis(request_file, capsys):
    config = request_file(axes={"learning_rate": [1e-4], "w_style": [0.0, -1.0]})
    assert main(["check", "--config", config]) == EXIT_BAD_INPUT
    assert "params.w_style must be at least 0, but got -1.0" in capsys.readouterr().err
    config = request_file(axes={"w_stile": [0.0]})
    assert main(["check", "--config", config]) == EXIT_BAD_INPUT
    assert "params.w_stile; did you mean w_style?" in capsys.readouterr().err


def test_check_refuses_weights_of_another_architecture(
    request_file, pretrained, capsys
):
    config = request_file({"model": {"stages": 3}})
    init = ["--init", str(pretrained / "weights.pt")]
    assert main(["check", "--config", config, *init]) == EXIT_BAD_INPUT
    assert "weights.pt" in capsys.readouterr().err


def test_check_loads_no_torch(request_file):
    code = (
        "import sys; from collinear.dbpn.__main__ import main; "
        f"main(['check', '--config', {request_file()!r}]); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_training_and_scoring_do_not_load_the_compiler(request_file, tmp_path):
    """Importing it takes two seconds of CPU time, more than a short training."""
    code = (
        "import sys; from collinear.dbpn.__main__ import main; "
        f"config = ['--config', {request_file()!r}]; out = {str(tmp_path)!r}; "
        "init = ['--init', out + '/pre/weights.pt']; "
        "main(['pretrain', *config, '--out', out + '/pre']); "
        "main(['finetune', *config, *init, '--out', out + '/fine']); "
        "main(['score', *config, *init, '--out', out + '/score']); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert (tmp_path / "score" / "score.json").exists()


def test_pretraining_writes_its_files(pretrained):
    found = metrics(pretrained)
    names = {path.name for path in pretrained.iterdir()}
    assert names == {"weights.pt", "curve.tsv", "metrics.json"}
    assert (found["status"], found["reason"], found["stage"]) == (
        "done",
        None,
        "pretrain",
    )
    assert (found["iterations"], found["epochs"]) == (6, 6.0)
    assert found["weights"] == "weights.pt"
    assert found["digests"]["weights"] == load_weights(pretrained / "weights.pt").digest
    rows = (pretrained / "curve.tsv").read_text().splitlines()
    assert len(rows) == 7
    assert rows[0].startswith("iteration\tepoch\tlearning_rate\tloss\tmse")


def test_peak_memory_is_that_of_this_process(pretrained):
    """Not that of the process that started it, as getrusage would tell."""
    block = bytearray(300 * 2**20)
    code = (
        "from collinear.dbpn.device import peak_memory_mb as peak; import torch; "
        "block = torch.ones(20 * 2**18); print(peak(torch.device('cpu')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    own = peak_memory_mb(torch.device("cpu"))
    assert 100 < float(done.stdout) < own
    assert own > len(block) / 2**20
    assert metrics(pretrained)["peak_memory_mb"] > 100


def test_finished_training_returns_at_once(pretrained, run, request_file):
    before = (pretrained / "metrics.json").stat().st_mtime_ns
    assert run("pretrain", request_file(), "pre", "--seed", "1") == 0
    assert (pretrained / "metrics.json").stat().st_mtime_ns == before


def test_finetuning_and_scoring(pretrained, run, request_file, tmp_path):
    init = ["--init", str(pretrained / "weights.pt")]
    config = request_file(params={"learning_rate": 2e-3, "w_style": 1.0})
    assert run("finetune", config, "fine", "--seed", "1", *init) == 0
    found = metrics(tmp_path / "fine")
    assert found["digests"]["features"] == (
        "random_vgg19(width/16, seed 0, taps pool1-pool2)"
    )
    weights = str(tmp_path / "fine" / "weights.pt")
    assert run("score", config, "score", "--init", weights) == 0
    score = json.loads((tmp_path / "score" / "score.json").read_text())
    assert (score["status"], score["scorer"]) == ("done", "perceptual-index pirm-1")
    assert score["values"]["rmse"] > 0
    assert score["digests"]["weights"] == found["digests"]["weights"]
    sr = read_image(tmp_path / "score" / "images" / "evaluation0.png")
    assert sr.shape == (104, 200, 3)
    assert score["images"][0]["name"] == "evaluation0"


def test_cache_changes_no_number(pretrained, run, request_file, tmp_path, folders):
    config = request_file({"data": {**folders, "cache": str(tmp_path / "cache")}})
    for name in ("makes", "reads"):
        assert run("pretrain", config, name, "--seed", "1") == 0
        found = metrics(tmp_path / name)["digests"]
        assert found == metrics(pretrained)["digests"]


def test_pretraining_goes_on_from_given_weights(
    pretrained, run, request_file, tmp_path
):
    init = ["--init", str(pretrained / "weights.pt")]
    assert run("pretrain", request_file(), "more", "--seed", "2", *init) == 0
    identity = metrics(tmp_path / "more")["identity"]
    assert identity["init"] == metrics(pretrained)["digests"]["weights"]


def test_diverged_training_is_a_result(run, request_file, tmp_path):
    config = request_file({"pretrain": {"learning_rate": 1e30}})
    assert run("pretrain", config, "bad", "--seed", "1") == 0
    found = metrics(tmp_path / "bad")
    assert (found["status"], found["weights"]) == ("diverged", None)
    assert f"not finite at iteration {found['iterations']}" in found["reason"]
    assert not (tmp_path / "bad" / "weights.pt").exists()


def test_weights_that_are_not_numbers_score_null(
    pretrained, run, request_file, tmp_path
):
    path = pretrained / "weights.pt"
    content = torch.load(path, weights_only=True)
    content["generator"]["output.bias"][0] = float("nan")
    torch.save(content, path)
    assert run("score", request_file(), "score", "--init", str(path)) == 0
    score = json.loads((tmp_path / "score" / "score.json").read_text())
    assert score["status"] == "diverged"
    assert score["values"] == dict.fromkeys(VALUES)
    assert "NaN or infinite" in score["reason"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGXCPU])
def test_signal_saves_and_the_same_command_goes_on(run, request_file, tmp_path, number):
    """The results equal those of a training that was never stopped, byte for byte."""
    config = request_file({"pretrain": {"iterations": 300}})
    out = tmp_path / "stopped"
    command = [sys.executable, "-m", "collinear.dbpn", "pretrain", "--config", config]
    command += ["--out", str(out), "--seed", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    process.stderr.readline()  # the plan, logged just before the first update
    time.sleep(0.3)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == EXIT_STOPPED
    assert (out / "state.pt").exists()
    assert not (out / "metrics.json").exists()
    assert run("pretrain", config, "stopped", "--seed", "1") == 0
    assert run("pretrain", config, "whole", "--seed", "1") == 0
    for name in ("weights.pt", "curve.tsv"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (out / "state.pt").exists()


def test_upscale_enlarges_any_image(pretrained, folders, tmp_path):
    image = os.path.join(folders["train"], "train0.png")
    out = tmp_path / "large.png"
    weights = str(pretrained / "weights.pt")
    assert (
        main(["upscale", "--init", weights, "--image", image, "--out", str(out)]) == 0
    )
    assert read_image(out).shape == (80, 96, 3)


def test_illustrate_draws_a_figure(pretrained, run, request_file, tmp_path):
    named = ["--weights", f"pretrained={pretrained / 'weights.pt'}"]
    assert run("illustrate", request_file(), "figure.png", *named) == 0
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def one_line(capsys):
    text = capsys.readouterr().err
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in text
    return lines[0]


@pytest.mark.parametrize(
    ("command", "more", "message"),
    [
        ("finetune", ["--seed", "1"], "finetune needs --init"),
        ("finetune", ["--seed", "1", "--init", "none.pt"], "none.pt: no such file"),
        ("score", ["--init", "none.pt"], "none.pt: no such file"),
        ("finetune", ["--init", "none.pt", "--stop", "s.json"], "--stop s.json"),
        ("illustrate", ["--weights", "a"], "--weights must be NAME=FILE"),
        ("illustrate", ["--weights", "a=b"], "must end in .png or .pdf"),
    ],
)
def test_bad_calls_are_told_in_one_line(
    run, request_file, capsys, command, more, message
):
    assert run(command, request_file(), "out", *more) == EXIT_BAD_INPUT
    assert message in one_line(capsys)


def test_bad_settings_are_told_in_one_line(request_file, capsys):
    config = request_file({"scale": 3})
    assert main(["check", "--config", config]) == EXIT_BAD_INPUT
    assert "in.json: scale must be one of 2, 4, 8, but got 3" in one_line(capsys)


def test_folder_that_cannot_be_written_is_named(run, request_file, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert run("pretrain", request_file(), "file/out", "--seed", "1") == EXIT_BAD_INPUT
    assert "file/out: cannot be written" in one_line(capsys)


def test_other_architecture_is_refused_with_both_names(
    pretrained, run, request_file, capsys
):
    config = request_file({"model": {"base": 6}})
    init = ["--init", str(pretrained / "weights.pt")]
    assert run("finetune", config, "x", "--seed", "1", *init) == EXIT_BAD_INPUT
    line = one_line(capsys)
    assert "base 4" in line
    assert "base 6" in line


def test_other_training_in_the_folder_is_refused(pretrained, run, request_file, capsys):
    config = request_file({"pretrain": {"learning_rate": 5e-4}})
    assert run("pretrain", config, "pre", "--seed", "2") == EXIT_BAD_INPUT
    line = one_line(capsys)
    assert "seed is 1, but this training has 2" in line
    assert "config is" in line


def test_files_that_hold_no_weights_are_refused(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"PK nothing")
    with pytest.raises(WeightsError, match="is not a file of weights"):
        load_weights(tmp_path / "w.pt")
    torch.save({"format": "other"}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="but got 'other'"):
        load_weights(tmp_path / "w.pt")


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": {"scale": 2, "colour": 3}},
        {"architecture": None},
        {"architecture": {"scale": 3}},
        {"generator": [1]},
        {"generator": {"a": 1}},
        {"metadata": 3},
    ],
)
def test_damaged_weights_are_named(pretrained, tmp_path, change):
    content = torch.load(pretrained / "weights.pt", weights_only=True)
    torch.save({**content, **change}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"w\.pt: is damaged, or of another version"):
        load_weights(tmp_path / "w.pt")
    del content["architecture"]
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"w\.pt: is damaged, or of another version"):
        load_weights(tmp_path / "w.pt")


def test_nobody_is_advised_to_load_without_protection(tmp_path):
    path = tmp_path / "w.pt"
    path.write_text('{"a": 1}')
    with pytest.raises(WeightsError) as caught:
        load_weights(path)
    assert "weights_only" not in str(caught.value)


def test_upscale_never_overwrites_what_it_reads(pretrained, folders, tmp_path, capsys):
    init = ["upscale", "--init", str(pretrained / "weights.pt")]
    source = tmp_path / "source"
    shutil.copytree(folders["train"], source)
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    image = str(source / "train0.png")
    for more in (
        ["--image", str(source), "--out", str(source)],
        ["--image", image, "--out", image],
    ):
        assert main([*init, *more]) == EXIT_BAD_INPUT
        assert "would be written over the original" in one_line(capsys)
    assert before == {path.name: path.read_bytes() for path in source.iterdir()}
    (source / "train0.jpg").write_bytes(b"of the same name")
    out = tmp_path / "large"
    assert main([*init, "--image", str(source), "--out", str(out)]) == EXIT_BAD_INPUT
    assert "would both be written to" in one_line(capsys)
    assert not out.exists()


def test_a_finished_training_is_whole_and_says_how_it_ended(
    pretrained, run, request_file, capsys, caplog
):
    record = metrics(pretrained) | {"status": "stopped", "reason": "hopeless"}
    (pretrained / "metrics.json").write_text(json.dumps(record))
    caplog.set_level("INFO")
    assert run("pretrain", request_file(), "pre", "--seed", "1") == 0
    assert "already, which stopped: hopeless" in caplog.text + capsys.readouterr().err
    (pretrained / "weights.pt").unlink()
    assert run("pretrain", request_file(), "pre", "--seed", "1") == EXIT_BAD_INPUT
    assert "names weights.pt, which is missing" in one_line(capsys)
    (pretrained / "metrics.json").write_text('{"identity": []}')
    assert run("pretrain", request_file(), "pre", "--seed", "1") == EXIT_BAD_INPUT
    assert "is not the record of a training" in one_line(capsys)


def test_check_refuses_other_images_than_those_of_earlier_results(
    run, request_file, pretrained, tmp_path, capsys
):
    trained = json.loads((pretrained / "metrics.json").read_text())["digests"]
    weights = ["--init", str(pretrained / "weights.pt")]
    assert run("score", request_file(), "score", *weights, "--seed", "1") == 0
    scored = json.loads((tmp_path / "score/score.json").read_text())["digests"]
    config = request_file(recorded={"training": trained, "scoring": scored})
    assert main(["check", "--config", config]) == 0
    shutil.copy(tmp_path / "train/train0.png", tmp_path / "train/kept.png")
    os.replace(tmp_path / "train/kept.png", tmp_path / "train/renamed.png")
    (tmp_path / "train/train0.png").unlink()
    capsys.readouterr()
    assert main(["check", "--config", config]) == EXIT_BAD_INPUT
    assert "the training images are not those of the" in capsys.readouterr().err
    config = request_file(recorded={"training": {}, "scoring": scored})
    assert main(["check", "--config", config]) == 0
    image = read_image(tmp_path / "evaluation/evaluation0.png").copy()
    image[0, 0] ^= 1
    write_png(tmp_path / "evaluation/evaluation0.png", image)
    capsys.readouterr()
    assert main(["check", "--config", config]) == EXIT_BAD_INPUT
    assert "not those that the earlier trials were scored on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["w_style=1", "w_style=2"], "'w_style=2' gives a value twice"),
        (["=1"], "'=1' names nothing"),
    ],
)
def test_a_parameter_is_given_once_and_by_name(
    request_file, tmp_path, capsys, more, said
):
    options = [word for text in more for word in ("--param", text)]
    options += ["--cost", str(tmp_path / "cost.json"), "--config", request_file()]
    assert main(["predict", *options]) == EXIT_BAD_INPUT
    assert said in capsys.readouterr().err
