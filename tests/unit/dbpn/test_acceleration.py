"""Levers: each is a key, keeps the mathematics, and says why when it is not used."""

from __future__ import annotations

import logging

import pytest
import torch

from collinear.dbpn.acceleration import usable
from collinear.dbpn.data import ImagePair
from collinear.dbpn.task import Task, identity_of
from collinear.dbpn.trainer import Trainer

CPU = torch.device("cpu")
KEYS = {
    "channels_last": True,
    "compile": "default",
    "precision": "bf16",
}


@pytest.fixture
def build(tiny, pairs):
    """Return a function (changes, stage) -> a new trainer of toy size."""

    def make(changes=None, stage="finetune"):
        return Trainer(Task(stage, tiny(changes), 5, pairs, "data"), CPU)

    return make


def weights_after(trainer, steps):
    for _ in range(steps):
        trainer.update()
    return torch.cat([p.detach().flatten() for p in trainer.generator.parameters()])


def test_channels_last_changes_rounding_only(build):
    plain, turned = (
        weights_after(build({"channels_last": flag}), 2) for flag in (False, True)
    )
    assert torch.allclose(plain, turned, atol=1e-4)
    assert build({"channels_last": True}).generator.output.weight.is_contiguous(
        memory_format=torch.channels_last
    )


@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_parts_of_a_minibatch_equal_the_whole(build, loss):
    """Without a discriminator nothing mixes the images of a minibatch."""
    stage = {"minibatch": 4, "w_adversarial": 0, "loss": loss, "ema": 0}
    whole = build({"finetune": stage})
    parts = build({"finetune": stage | {"accumulate": 4}})
    whole.update()
    parts.update()
    for ours, theirs in zip(
        whole.generator.parameters(), parts.generator.parameters(), strict=True
    ):
        scale = float(ours.grad.abs().max())
        assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5 * scale)
    rows = [[v for v in t.curve[0] if v is not None] for t in (whole, parts)]
    assert rows[0] == pytest.approx(rows[1], rel=1e-5)


def test_parts_train_the_discriminator_before_the_generator(build):
    """Its layers before any normalisation see the same images in parts as at once."""
    stage = {"minibatch": 4, "ema": 0}
    whole = build({"finetune": stage})
    parts = build({"finetune": stage | {"accumulate": 2}})
    whole.update()
    parts.update()
    assert parts.discriminator.convolutions[3].num_batches_tracked == 6
    assert whole.discriminator.convolutions[3].num_batches_tracked == 3
    assert len(parts.curve) == 1


@pytest.mark.parametrize("key", KEYS)
def test_levers_are_part_of_a_training_and_their_defaults_are_not(tiny, key):
    before = identity_of("finetune", tiny(), 1, "data", None)
    after = identity_of("finetune", tiny({key: KEYS[key]}), 1, "data", None)
    assert before["config"] != after["config"]


def test_digests_of_trainings_from_before_are_kept(tiny):
    """Keys that came later are left out of the digest where they have their default."""
    found = identity_of("finetune", tiny(), 1, "data", None)
    assert found["config"] == (
        "32784bf33036a250e9c3d2af16d27235958259ec75118c17bd41188217723e7a"
    )


def test_graphs_without_a_gpu_fall_back_with_the_reason(tiny, caplog, monkeypatch):
    monkeypatch.setattr("collinear.dbpn.acceleration._why_not_compiled", lambda _: None)
    with caplog.at_level(logging.WARNING):
        assert usable(tiny({"compile": "graphs"}), CPU).compile == "default"
    assert "compile: graphs needs a GPU" in caplog.text


def test_a_compiler_that_fails_is_left_out_with_its_message(tiny, caplog, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no C++ compiler found\nmore")

    monkeypatch.setattr(torch, "compile", broken)
    with caplog.at_level(logging.WARNING):
        assert usable(tiny({"compile": "default"}), CPU).compile == "none"
    assert "compile does not work here (no C++ compiler found): none" in caplog.text


def test_bf16_that_the_hardware_lacks_becomes_fp32(tiny, caplog, monkeypatch):
    monkeypatch.setattr("collinear.dbpn.acceleration._has_bf16", lambda _: False)
    assert usable(tiny({"precision": "bf16"}), CPU).precision == "fp32"
    assert "precision bf16 is not supported by this cpu: using fp32" in caplog.text


def test_compiled_networks_keep_the_names_of_their_weights(build, monkeypatch):
    asked = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **more: asked.append((self, more))
    )
    trainer = build({"compile": "default"})
    assert [network for network, _ in asked] == [
        trainer.generator,
        trainer.discriminator,
        trainer.features,
    ]
    assert asked[0][1] == {"mode": "default", "dynamic": False}
    assert "output.weight" in trainer.state()["g"]


def test_a_single_image_may_be_cut_into_parts(tiny, pairs):
    settings = tiny({"pretrain": {"minibatch": 2, "accumulate": 2}})
    one = [ImagePair("one", pairs[0].gt, pairs[0].lq)]
    trainer = Trainer(Task("pretrain", settings, 1, one, "data"), CPU)
    trainer.update()
    assert trainer.curve[0][0] == 1
