"""The minibatch stays; how it is cut into parts is chosen."""

from __future__ import annotations

import json

import pytest
import torch

from collinear.dbpn import profile
from collinear.dbpn.__main__ import main
from collinear.dbpn.cost import UpdatePoint, memory_counts, settings_at
from collinear.dbpn.section import ConfigError
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer
from collinear.dbpn.tune_minibatch import (
    choose_accumulation,
    memory_fits,
    resizable,
    run_tuning,
)
from collinear.training.cost_model import fit_cost
from collinear.training.doubling import model_of
from collinear.training.measurement import Measurement
from collinear.training.probe import ProbeOptions, probe
from collinear.training.tune import Tuned
from collinear.training.usage import UsageSampler

PLAIN = {"w_perceptual": 0.1, "w_style": 0.1, "w_adversarial": 0.0, "minibatch": 8}


def tuned(seconds):
    found = tuple(Measurement(size, s) for size, s in seconds.items())
    return Tuned(2, "", found, model_of(found))


def test_probing_leaves_a_training_as_it_was(tiny, pairs):
    task = Task("finetune", tiny(), 5, pairs, "data")
    tried, plain = (Trainer(task, torch.device("cpu")) for _ in range(2))
    for trainer in (tried, plain):
        trainer.update()
    step, keep = resizable(tried)
    probe(step, 5, keep=keep, options=ProbeOptions(warm_up=1, least=1, most=1))
    tried.task = task
    assert tried.step == 1
    tried.update()
    plain.update()
    ours, theirs = tried.generator.state_dict(), plain.generator.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_whole_minibatch_where_it_fits(tiny):
    found = tuned({1: 1.0, 2: 1.5, 4: 2.5, 8: 4.5})
    part, why = choose_accumulation(tiny({"finetune": PLAIN}), found)
    assert (part, why) == (8, "whole: it fits and no part is faster")


def test_parts_where_memory_ends(tiny):
    found = tuned({1: 1.0, 2: 1.5, 4: 2.5, 8: None})
    part, why = choose_accumulation(tiny({"finetune": PLAIN}), found)
    assert (part, why) == (4, "in 2 parts, because of memory")
    part, _ = choose_accumulation(
        tiny({"finetune": PLAIN}), found, fits=lambda size: size <= 2
    )
    assert part == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"w_adversarial": 0.1}, "the discriminator normalises over a part"),
        ({"gram": "minibatch"}, "gram: minibatch needs all of them"),
    ],
)
def test_what_looks_at_the_whole_is_not_cut(tiny, changes, words):
    settings = tiny({"finetune": {**PLAIN, **changes}})
    part, why = choose_accumulation(settings, tuned({4: 1.0, 8: 1.5}))
    assert part == 8
    assert words in why
    with pytest.raises(ConfigError, match=f"another training .{words}"):
        choose_accumulation(settings, tuned({4: 1.0, 8: None}))


def test_the_command_writes_and_resumes(
    tiny_mapping, tmp_path, folders, scoring, capsys
):
    config = tmp_path / "config.json"
    mapping = tiny_mapping({"data": folders, "finetune": PLAIN})
    config.write_text(json.dumps({"settings": mapping, "scoring": scoring}))
    out = tmp_path / "tuned"
    arguments = ["tune-minibatch", "--config", str(config), "--out", str(out)]
    arguments += ["--largest", "4"]
    assert main(arguments) == 0
    record = json.loads((out / "batch.json").read_text())
    assert record["minibatch"] == 8
    assert record["accumulate"] * record["part"] == 8
    sizes = json.loads((out / "sizes.json").read_text())
    assert [m["size"] for m in sizes["measurements"]][:2] == [1, 2]
    assert main(arguments) == 0
    assert json.loads((out / "sizes.json").read_text()) == sizes
    assert "fastest a patch" in capsys.readouterr().out
    assert main([*arguments, "--memory-mib", "100"]) == 2
    assert "--cost and --memory-mib go together" in capsys.readouterr().err
    assert main([*arguments, "--start", "0"]) == 2
    assert "the start size must be a whole number" in capsys.readouterr().err
    assert main([*arguments, "--rule", "gpu-usage", "--out", str(tmp_path / "u")]) == 2
    assert "the start size must not be above the largest" in capsys.readouterr().err


def test_utilisation_needs_a_gpu(tiny, tmp_path, folders, scoring):
    settings = tiny({"data": folders, "finetune": PLAIN}, scoring=scoring)
    with pytest.raises(ConfigError, match="--rule gpu-usage needs a GPU"):
        run_tuning(settings, out=tmp_path / "x", rule="gpu-usage")


def test_a_busy_gpu_is_not_profiled(monkeypatch):
    class Busy:
        def __init__(self, uuid):
            assert uuid == "GPU-7"

        def read(self):
            return 88.0

    class Properties:
        uuid = "GPU-7"

    monkeypatch.setattr(profile, "NvmlCounter", Busy)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda _: Properties, raising=False
    )
    monkeypatch.setattr("collinear.training.usage.PERIOD", 0.01)
    monkeypatch.setattr(UsageSampler.__init__, "__defaults__", (0.01,))
    with pytest.raises(ValueError, match="must be idle before it is measured"):
        profile.quiet_device(torch.device("cuda"))


def test_predicted_memory_limits_a_part(tiny, tmp_path, folders, scoring):
    """The upper end of 300 MiB and 2 MiB a MiB of tensors, for parts of eight."""
    settings = tiny({"data": folders, "finetune": PLAIN}, scoring=scoring)
    rows = []
    for size in (1, 2, 3, 4, 6, 8):
        point = UpdatePoint(size, 8, 2, features=True)
        rows.append(memory_counts(settings_at(settings, point), "finetune"))
    needs = [300 + 2 * row["tensors_mib"] for row in rows]
    model = fit_cost(rows, needs).as_json()
    record = {
        "version": 1,
        "subject": profile.subject_of(settings, torch.device("cpu")),
        "clock": "cpu",
        "points": [],
        "seconds": model,
        "host_mib": model,
        "device_mib": None,
    }
    path = tmp_path / "cost.json"
    path.write_text(json.dumps(record))
    fits = memory_fits(settings, torch.device("cpu"), path, needs[3] + 0.5)
    assert [size for size in (1, 2, 4, 8) if fits(size)] == [1, 2, 4]
    found = tuned({1: 1.0, 2: 1.5, 4: 2.5, 8: 4.5})
    assert choose_accumulation(settings, found, fits)[0] == 4
    with pytest.raises(ConfigError, match="not even one item"):
        run_tuning(settings, out=tmp_path / "tuned", cost=path, memory_mib=1.0)
    assert not list((tmp_path / "tuned").glob("sizes*"))  # nothing was measured


def test_limits_that_say_nothing_are_refused(tiny, tmp_path, folders, scoring):
    settings = tiny({"data": folders, "finetune": PLAIN}, scoring=scoring)
    with pytest.raises(ValueError, match="largest"):
        run_tuning(settings, out=tmp_path / "x", largest=0)
    limit = {"cost": tmp_path / "cost.json", "memory_mib": float("nan")}
    with pytest.raises(ConfigError, match="--memory-mib must be above 0, but got nan"):
        run_tuning(settings, out=tmp_path / "x", **limit)
    found = tuned({1: 1.0, 2: 1.5})
    with pytest.raises(ConfigError, match=r"not even one item of finetune.minibatch"):
        choose_accumulation(settings, found, fits=lambda _: False)


def test_a_discriminator_of_one_place_is_tried_with_two(
    tiny, tmp_path, folders, scoring
):
    settings = tiny({"data": folders, "features": {"taps": ["pool1"]}}, scoring=scoring)
    found = run_tuning(settings, out=tmp_path / "x", largest=4)
    sizes = json.loads((tmp_path / "x" / "sizes.json").read_text())["measurements"]
    assert [m["size"] for m in sizes][:2] == [2, 4]
    assert found["part"] == 2
    with pytest.raises(ConfigError, match="--start must be at least 2"):
        run_tuning(settings, out=tmp_path / "y", start=1)
