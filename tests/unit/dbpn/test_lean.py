"""The lean update: the gradients of the plain one, with fewer passes."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

import pytest
import torch

from collinear.dbpn.losses import adversarial_error, discriminator_error
from collinear.dbpn.reference import reference_state
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer

ROOT = Path(__file__).parents[3]
PLAIN = runpy.run_path(str(ROOT / "benchmarks/dbpn/plain.py"))
WEIGHTS = {"w_mse": 0.5, "w_perceptual": 0.3, "w_adversarial": 0.2, "w_style": 2.0}
CHANGES = {
    "model": {"residual": False, "stages": 3},
    "finetune": {**WEIGHTS, "gram": "minibatch", "iterations": 50, "minibatch": 3},
    "features": {"taps": ["pool2", "pool3"], "normalize_taps": False},
}


@pytest.fixture
def trainer(tiny, pairs):
    return Trainer(
        Task("finetune", tiny(CHANGES), 5, pairs, "data"), torch.device("cpu")
    )


@pytest.fixture
def plain(trainer):
    """The authors' update on copies of the trainer's networks."""
    generator = PLAIN["PlainDBPN"](2, 3, 4, 8)
    generator.load_state_dict(reference_state(trainer.generator.state_dict(), ""))
    discriminator = PLAIN["PlainDiscriminator"](16, 2)
    copy_in_order(trainer.discriminator, discriminator)
    features = PLAIN["PlainFeatures"](16, taps=(9, 18))
    copy_in_order(trainer.features.layers, features)
    return PLAIN["PlainTraining"](
        generator, discriminator, features, tuple(WEIGHTS.values()), 1e-3
    )


def copy_in_order(source, target):
    values = source.state_dict().values()
    own = target.state_dict()
    target.load_state_dict(dict(zip(own, values, strict=True)))


def test_both_updates_have_the_same_gradients(trainer, plain):
    """Generator forward once or twice, detached or not, logits or probabilities."""
    lq, gt = trainer._minibatch()
    trainer.update()
    plain.update(lq, gt)
    ours = trainer.generator.state_dict()
    grads = {name: p.grad for name, p in trainer.generator.named_parameters()}
    theirs = {name: p.grad for name, p in plain.generator.named_parameters()}
    assert ours.keys() == grads.keys()
    for name, gradient in reference_state(grads, "").items():
        level = float(gradient.abs().max())
        assert torch.allclose(gradient, theirs[name], rtol=1e-3, atol=1e-3 * level), (
            name
        )
    ours, theirs = (
        first_gradients(optimizer, network)
        for optimizer, network in (
            (trainer._optimizer_d, trainer.discriminator),
            (plain.adam_d, plain.discriminator),
        )
    )
    # A bias before a normalisation has no gradient but rounding.
    assert torch.allclose(ours, theirs, atol=1e-4 * float(ours.abs().max()))


def first_gradients(optimizer, network):
    """Return the gradients of the first update, which Adam remembers as its mean."""
    means = [optimizer.state[p]["exp_avg"] for p in network.parameters()]
    return torch.cat([mean.flatten() for mean in means])


def count_passes(trainer):
    """Count forward passes and note whose outputs carry a gradient."""
    found = Counter()

    def hook(name):
        def note(_module, _inputs, output):
            first = output[0] if isinstance(output, list) else output
            found[name, first.requires_grad] += 1

        return note

    for name in ("generator", "discriminator", "features"):
        network = getattr(trainer, name)
        if network is not None:
            network.register_forward_hook(hook(name))
    trainer.update()
    return found


def test_an_update_runs_each_network_as_often_as_needed(trainer):
    found = count_passes(trainer)
    assert found == {
        ("generator", True): 1,
        ("discriminator", True): 3,
        ("features", True): 1,
        ("features", False): 1,
    }
    assert all(p.grad is None for p in trainer.features.parameters())


def test_pretraining_runs_the_generator_alone(tiny, pairs):
    task = Task("pretrain", tiny(CHANGES), 5, pairs, "data")
    assert count_passes(Trainer(task, torch.device("cpu"))) == {("generator", True): 1}


def test_the_generator_step_adds_no_gradient_to_the_discriminator(trainer):
    """Its gradients are those of its own step, of detached images."""
    seen = []
    original = trainer._update_discriminator

    def note(pairs):
        loss = original(pairs)
        seen.extend(p.grad.clone() for p in trainer.discriminator.parameters())
        return loss

    trainer._update_discriminator = note
    trainer.update()
    after = [p.grad for p in trainer.discriminator.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(seen, after, strict=True))


def test_losses_of_logits_are_in_single_precision():
    logits = torch.tensor([3.0, -90.0]).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        fooled = adversarial_error(logits)
        told = discriminator_error(logits, logits)
    assert fooled.dtype == told.dtype == torch.float32
    assert fooled == pytest.approx((0.04859 + 90) / 2, rel=1e-4)
