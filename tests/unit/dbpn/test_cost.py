"""The counted update is the trainer's; a profile predicts what it holds for."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from collinear.dbpn import profile
from collinear.dbpn.__main__ import main
from collinear.dbpn.config import as_json
from collinear.dbpn.cost import (
    UpdatePoint,
    data_mib,
    memory_counts,
    settings_at,
    update_counts,
)
from collinear.dbpn.predict import predict_stage, read_cost
from collinear.dbpn.profile import plan_points, run_profile
from collinear.dbpn.profile_point import measure_update
from collinear.dbpn.section import ConfigError
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer
from collinear.training.errors import TuningError

FULL = {"w_mse": 0.1, "w_perceptual": 0.1, "w_adversarial": 0.1, "w_style": 1.0}
FLOPS = ("generator_gflop", "features_gflop", "discriminator_gflop")


def real_flops(settings, stage, pairs):
    trainer = Trainer(Task(stage, settings, 1, pairs, "data"), torch.device("cpu"))
    trainer.update()
    with FlopCounterMode(display=False) as counter:
        trainer.update()
    return counter.get_total_flops()


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("pretrain", {}),
        ("finetune", FULL),
        ("finetune", {**FULL, "w_perceptual": 0.0, "w_style": 0.0}),
        ("finetune", {**FULL, "minibatch": 4, "accumulate": 2}),
    ],
)
def test_counted_operations_are_those_of_an_update(tiny, pairs, stage, changes):
    settings = tiny({"finetune": changes, "model": {"stages": 3}})
    counts = update_counts(settings, stage)
    found = sum(counts[name] for name in FLOPS) * 1e9
    assert found == pytest.approx(real_flops(settings, stage, pairs), rel=1e-9)


def test_terms_without_weight_count_nothing(tiny):
    plain = update_counts(tiny({"finetune": {**FULL, **_off("all")}}), "finetune")
    assert plain["features_gflop"] == plain["discriminator_gflop"] == 0
    without = update_counts(tiny({"finetune": {**FULL, **_off("vgg")}}), "finetune")
    assert without["features_gflop"] == 0
    assert without["discriminator_gflop"] > 0
    whole = update_counts(tiny({"finetune": FULL}), "finetune")
    assert whole["generator_gflop"] == plain["generator_gflop"]
    assert whole["discriminator_gflop"] == without["discriminator_gflop"]


def _off(which):
    vgg = {"w_perceptual": 0.0, "w_style": 0.0}
    return vgg if which == "vgg" else {**vgg, "w_adversarial": 0.0}


def test_work_grows_with_the_minibatch(tiny):
    """Twice the patches: twice the products, the same optimiser."""
    one, two = (
        update_counts(tiny({"finetune": {**FULL, "minibatch": n}}), "finetune")
        for n in (2, 4)
    )
    for name in FLOPS:
        assert two[name] == pytest.approx(2 * one[name])
    assert one["moved_gb"] < two["moved_gb"] < 2 * one["moved_gb"]


def test_memory_counts(tiny):
    small, large = (
        memory_counts(tiny({"finetune": {**FULL, "minibatch": n}}), "finetune")
        for n in (2, 8)
    )
    assert large["tensors_mib"] > 2 * small["tensors_mib"]
    assert large["weights_mib"] == small["weights_mib"]
    parts = memory_counts(
        tiny({"finetune": {**FULL, "minibatch": 4, "accumulate": 2}}), "finetune"
    )
    assert parts["tensors_mib"] < 0.5 * large["tensors_mib"]
    assert data_mib([(100, 100)], 4) == pytest.approx(30000 * (1 + 1 / 16) / 2**20)


def test_a_point_changes_what_it_names(tiny):
    settings = settings_at(tiny(), UpdatePoint(5, 12, 4, False, True))
    stage = settings.finetune
    assert (stage.minibatch, stage.patch, settings.model.stages) == (5, 12, 4)
    assert stage.w_perceptual == stage.w_style == 0
    assert stage.w_adversarial > 0


def test_the_plan_varies_everything(tiny):
    points = plan_points(tiny())
    assert len(points) == len(set(points)) >= 10
    for name in ("minibatch", "patch", "stages", "features", "adversarial"):
        assert len({getattr(point, name) for point in points}) > 1
    # Every network must be able to see the patches.
    assert all(point.patch >= 16 // tiny().scale for point in points)


def test_an_update_is_measured(tiny):
    found = measure_update(settings_at(tiny(), UpdatePoint(2, 8, 2)), 0.05)
    assert found["clock"] == "cpu"
    assert 0 < found["seconds"] < 5
    assert found["host_mib"] > 100
    assert found["device_mib"] is None


@pytest.fixture
def config(tiny_mapping, tmp_path, folders, scoring):
    path = tmp_path / "config.json"
    content = {"settings": tiny_mapping({"data": folders}), "scoring": scoring}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def measured(monkeypatch):
    """Stand-in measurements: 10 ms, and 100 ms a GFLOP of the generator, and so on."""
    asked = []

    def measure(config, point, subject, out, seconds):
        asked.append(point)
        from collinear.dbpn.request import read_request

        settings = settings_at(read_request(config), point)
        counts = update_counts(settings, "finetune")
        memory = memory_counts(settings, "finetune")
        gflop = sum(counts[name] for name in FLOPS)
        return {
            "clock": "cpu",
            "seconds": 0.01 + 0.1 * gflop,
            "host_mib": 300 + 1.5 * memory["tensors_mib"],
            "device_mib": None,
            "reason": None,
        }

    monkeypatch.setattr(profile, "measure_point", measure)
    return asked


def profiled(config, out, seconds=1.0):
    from collinear.dbpn.request import read_request

    return run_profile(config, read_request(config), out=out, seconds=seconds)


def test_a_profile_predicts_other_settings(config, measured, tmp_path, tiny):
    profiled(config, tmp_path / "cost")
    record = read_cost(tmp_path / "cost" / "cost.json")
    settings = tiny({"finetune": {**FULL, "minibatch": 3}})
    found = predict_stage(record, settings, "finetune", images=2, data_mib=5.0)
    gflop = sum(update_counts(settings, "finetune")[name] for name in FLOPS)
    assert found.update.value == pytest.approx(0.01 + 0.1 * gflop, rel=1e-3)
    assert found.seconds.value == pytest.approx(6 * found.update.value)
    tensors = memory_counts(settings, "finetune")["tensors_mib"]
    assert found.host_mib.value == pytest.approx(305 + 1.5 * tensors, rel=1e-3)


def test_a_finished_profile_is_not_measured_again(config, measured, tmp_path):
    first = profiled(config, tmp_path / "cost")
    count = len(measured)
    assert profiled(config, tmp_path / "cost") == json.loads(json.dumps(first))
    assert len(measured) == count


def test_a_profile_of_another_network_is_refused(
    config, measured, tmp_path, tiny_mapping
):
    profiled(config, tmp_path / "cost")
    content = json.loads(config.read_text())
    content["settings"]["model"]["base"] = 6
    config.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="holds for model"):
        profiled(config, tmp_path / "cost")


def test_a_gpu_has_a_host(config, measured, tmp_path, monkeypatch):
    """With memory of a device measured, the time is the longer of host and device."""
    on_cpu = profile.measure_point

    def measure(*arguments):
        found = on_cpu(*arguments)
        return {**found, "device_mib": 0.5 * found["host_mib"], "clock": "wall"}

    monkeypatch.setattr(profile, "measure_point", measure)
    record = profiled(config, tmp_path / "cost")
    assert record["seconds"]["host_name"] == "operations"
    assert record["device_mib"]["coefficients"][0] == pytest.approx(0.75)


def test_trials_have_a_cost_for_each_term_that_is_off(config, measured, tmp_path):
    """The weights that the file has as parameters; those of a campaign's space too."""
    content = json.loads(config.read_text())
    content["params"] = {"learning_rate": 0.1, "w_adversarial": 0.5, "w_style": 3.0}
    config.write_text(json.dumps(content))
    out = tmp_path / "cost"
    assert main(["profile", "--config", str(config), "--out", str(out)]) == 0
    stages = json.loads((out / "cost.json").read_text())["stages"]
    section = stages["finetune"]
    assert section["names"] == ["w_adversarial", "w_style"]
    cases = {tuple(case["zero"]): case for case in section["cases"]}
    assert len(cases) == 4
    whole, plain = cases[()], cases["w_adversarial", "w_style"]
    assert whole["seconds"][0] > cases[("w_adversarial",)]["seconds"][0]
    assert cases[("w_adversarial",)]["seconds"][0] > plain["seconds"][0]
    for case in cases.values():
        for value, low, high in (case["seconds"], case["memory_mib"]):
            assert 0 < low <= value <= high
    assert stages["pretrain"]["cases"][0]["seconds"][0] > 0


def test_the_command_line(config, measured, tmp_path, capsys):
    out = str(tmp_path / "cost")
    assert main(["profile", "--config", str(config), "--out", out]) == 0
    cost = f"{out}/cost.json"
    assert main(["predict", "--config", str(config), "--cost", cost]) == 0
    shown = capsys.readouterr().out
    assert "pretrain: 6 updates of" in shown
    assert "finetune: 6 updates of" in shown
    assert " CPU seconds" in shown
    bad = ["profile", "--config", str(config), "--out", out, "--seconds", "0"]
    assert main(bad) == 2
    assert "--seconds must be above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [("{}", "is not a cost model"), ("[", "is not a cost model"), (None, "be read")],
)
def test_bad_files_are_named(tmp_path, text, words):
    path = tmp_path / "cost.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_cost(path)


def test_another_version_is_refused(config, measured, tmp_path):
    profiled(config, tmp_path / "cost")
    path = tmp_path / "cost" / "cost.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))
    with pytest.raises(ConfigError, match="has version 99"):
        read_cost(path)


def test_a_term_missing_in_the_profile_is_named(
    config, measured, tmp_path, tiny, monkeypatch
):
    points = [point for point in plan_points(tiny()) if not point.adversarial]
    points += [UpdatePoint(3, 8, 4), UpdatePoint(5, 8, 2, features=True)]
    monkeypatch.setattr(profile, "plan_points", lambda _: points)
    with pytest.raises(TuningError, match="cost with discriminator_gflop cannot be"):
        profiled(config, tmp_path / "cost")


def test_too_few_settings_that_run(config, tmp_path, monkeypatch):
    nothing = {"seconds": None, "reason": "out of memory"}
    monkeypatch.setattr(profile, "measure_point", lambda *_: nothing)
    with pytest.raises(ConfigError, match="only 0 of"):
        profiled(config, tmp_path / "cost")


@pytest.mark.slow
def test_one_setting_is_measured_in_its_own_process(config, tmp_path):
    point = UpdatePoint(2, 8, 2)
    (tmp_path / "points").mkdir()
    subject = {"any": "thing"}
    found = profile.measure_point(config, point, subject, tmp_path, 0.1)
    assert found["seconds"] > 0
    path = tmp_path / "points" / f"{point.name}.json"
    path.write_text(json.dumps({**found, "seconds": math.pi}))
    again = profile.measure_point(config, point, subject, tmp_path, 0.1)
    assert again["seconds"] == math.pi, "a measurement on file is not repeated"
    for damaged in ('{"subject"', "[]", '{"subject": "any"}'):
        path.write_text(damaged)
        again = profile.measure_point(config, point, subject, tmp_path, 0.1)
        assert again == json.loads(path.read_text())
        assert again["seconds"] > 0
    with pytest.raises(ConfigError, match="profiling b2_p8_t2_m failed"):
        profile.measure_point(tmp_path / "no.json", point, {"other": 1}, tmp_path, 0.1)


def test_the_subject_holds_no_stages(tiny):
    cpu = torch.device("cpu")
    three, four = (
        profile.subject_of(tiny({"model": {"stages": n}}), cpu) for n in (3, 4)
    )
    assert three == four
    assert as_json(tiny().model).keys() - three["model"].keys() == {"stages"}
