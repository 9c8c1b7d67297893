"""Training: it learns, it resumes bit by bit, and it tells when it has diverged."""

from __future__ import annotations

import math

import pytest
import torch

from collinear.dbpn.loop import train
from collinear.dbpn.results import curve_text
from collinear.dbpn.state import StateError, load_state, save_state
from collinear.dbpn.task import Task, identity_of
from collinear.dbpn.trainer import Trainer

CPU = torch.device("cpu")


@pytest.fixture
def build(tiny, pairs):
    """Return a function (changes, stage) -> a new trainer of toy size."""

    def make(changes=None, stage="finetune", seed=5):
        return Trainer(Task(stage, tiny(changes), seed, pairs, "data"), CPU)

    return make


def finish(trainer):
    assert train(trainer, save=lambda _: None, should_stop=lambda: False)
    return trainer


def stop_after(trainer, steps, path):
    """Train some updates, stop as on a signal, and save."""
    identity = {"name": "test"}
    over = train(
        trainer,
        save=lambda t: save_state(path, identity, t.state()),
        should_stop=lambda: trainer.step == steps,
    )
    assert not over
    return load_state(path, identity)


def equal_states(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            equal_states(one[key], other[key]) for key in one if key != "seconds"
        )
    if isinstance(one, list | tuple):
        return all(equal_states(a, b) for a, b in zip(one, other, strict=True))
    return one == other


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_stop_and_resume_equal_a_run_in_one_go(build, tmp_path, stage):
    whole = finish(build(stage=stage))
    state = stop_after(build(stage=stage), 4, tmp_path / "state.pt")
    resumed = build(stage=stage)
    resumed.restore(state)
    assert resumed.step == 4
    finish(resumed)
    assert equal_states(whole.state(), resumed.state())
    assert curve_text(whole) == curve_text(resumed)


def test_same_seed_same_numbers_other_seed_other_numbers(build):
    first, again, other = (finish(build(seed=seed)).state() for seed in (1, 1, 2))
    assert equal_states(first, again)
    assert not equal_states(first["g"], other["g"])


def test_pretraining_learns(build):
    changes = {"pretrain": {"iterations": 150, "learning_rate": 3e-3, "decay_at": []}}
    trainer = finish(build(changes, "pretrain"))
    rmse = [row[-1] for row in trainer.curve]
    assert sum(rmse[-10:]) < 0.9 * sum(rmse[:10])


def test_pretraining_builds_neither_discriminator_nor_features(build):
    trainer = build(stage="pretrain")
    assert (trainer.discriminator, trainer.features) == (None, None)


def test_zero_weights_build_nothing(build):
    trainer = build({"finetune": {"w_adversarial": 0}})
    assert trainer.discriminator is None
    assert trainer.features is not None
    trainer = build({"finetune": {"w_perceptual": 0, "w_style": 0}})
    assert trainer.discriminator is not None
    assert trainer.features is None


def test_generator_step_leaves_the_discriminator_alone(build):
    trainer = build({"finetune": {"iterations": 1}})
    before = [p.clone() for p in trainer.discriminator.parameters()]
    trainer.update()
    after = list(trainer.discriminator.parameters())
    # Changed by its own step, and no gradient of the generator's step on top.
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not any(p.requires_grad for p in after)


def test_learning_rate_falls_at_its_marks(build):
    changes = {"pretrain": {"iterations": 8, "decay_at": [0.25, 0.5]}}
    trainer = build(changes, "pretrain")
    rates = []
    for step in range(8):
        trainer.step = step
        rates.append(trainer.learning_rate)
    assert rates == pytest.approx([1e-3] * 2 + [1e-4] * 2 + [1e-5] * 4)


def test_average_is_kept_when_asked_for(build):
    trainer = finish(build())
    assert trainer.result is trainer.average
    assert not equal_states(
        trainer.average.state_dict(), trainer.generator.state_dict()
    )
    trainer = build({"finetune": {"ema": 0}})
    assert trainer.result is trainer.generator


def test_average_follows_its_formula(build):
    trainer = build({"finetune": {"iterations": 1, "ema": 0.75}})
    before = trainer.generator.output.weight.detach().clone()
    trainer.update()
    expected = 0.75 * before + 0.25 * trainer.generator.output.weight
    assert torch.allclose(trainer.average.output.weight, expected, atol=1e-9)


def test_divergence_is_told_with_its_iteration(build):
    changes = {"pretrain": {"learning_rate": 1e30}}
    trainer = finish(build(changes, "pretrain"))
    iteration, reason = trainer.trouble()
    assert 1 < iteration < 6
    assert reason == f"the loss is not finite at iteration {iteration}"
    assert trainer.step == iteration
    assert not math.isfinite(trainer.curve[-1][3])


def test_weights_that_break_in_the_last_update_are_told(build):
    changes = {"pretrain": {"iterations": 1, "learning_rate": 1e39}}
    trainer = finish(build(changes, "pretrain"))
    assert trainer.trouble() == (1, "the weights are not finite at iteration 1")


def test_limit_on_the_rmse_stops_a_training(build):
    trainer = finish(build({"abort": {"max_rmse": 0.5}}))
    iteration, reason = trainer.trouble()
    assert iteration == 1
    assert "above abort.max_rmse 0.5" in reason


def test_state_of_another_training_is_refused(tiny, tmp_path):
    settings, path = tiny(), tmp_path / "state.pt"
    identity = identity_of("pretrain", settings, 1, "data", None)
    save_state(path, identity, {"step": 0})
    assert load_state(path, identity) == {"step": 0}
    wider = tiny({"model": {"base": 8}})
    others = {
        "seed is 1": identity_of("pretrain", settings, 2, "data", None),
        "data is 'data'": identity_of("pretrain", settings, 1, "new", None),
        "architecture is .*'base': 4": identity_of("pretrain", wider, 1, "data", None),
        "stage is 'pretrain'": identity_of("finetune", settings, 1, "data", None),
    }
    for message, other in others.items():
        with pytest.raises(StateError, match=message):
            load_state(path, other)


@pytest.mark.parametrize(
    "changes", [{"pretrain": {"learning_rate": 2e-3}}, {"pretrain": {"minibatch": 3}}]
)
def test_each_number_of_a_stage_is_in_its_identity(tiny, changes):
    one, other = (
        identity_of("pretrain", settings, 1, "data", None)
        for settings in (tiny(), tiny(changes))
    )
    assert one["config"] != other["config"]


def test_damaged_state_is_refused(tmp_path):
    (tmp_path / "state.pt").write_bytes(b"nothing")
    with pytest.raises(StateError, match=r"state\.pt"):
        load_state(tmp_path / "state.pt", {})


def test_bf16_trains(build):
    trainer = finish(build({"precision": "bf16"}))
    assert trainer.trouble() is None


def test_adam_is_torchs_own(build):
    """Only wrappers are left out, so numbers and saved states are the same."""
    ours = build({"pretrain": {"decay_at": []}}, "pretrain")
    theirs = build({"pretrain": {"decay_at": []}}, "pretrain")
    theirs._optimizer = torch.optim.Adam(
        theirs.generator.parameters(), lr=1e-3, fused=True
    )
    for trainer in (ours, theirs):
        for _ in range(3):
            trainer.update()
    assert equal_states(ours.state(), theirs.state())


@pytest.mark.parametrize(
    "changes",
    [
        {"channels_last": True},
        {"precision": "bf16"},
        {"finetune": {"accumulate": 2, "minibatch": 4, "augment": "mirrored"}},
        {"model": {"normalisation": "none"}, "finetune": {"loss": "l1"}},
    ],
    ids=["channels_last", "bf16", "parts", "authors"],
)
def test_every_lever_resumes_bit_by_bit(build, tmp_path, changes):
    whole = finish(build(changes))
    state = stop_after(build(changes), 3, tmp_path / "state.pt")
    resumed = build(changes)
    resumed.restore(state)
    finish(resumed)
    assert equal_states(whole.state(), resumed.state())


def test_a_network_for_plain_images_learns_too(build):
    changes = {
        "model": {"normalisation": "none"},
        "pretrain": {"iterations": 60, "learning_rate": 3e-3, "loss": "l1"},
    }
    trainer = finish(build(changes, "pretrain"))
    rmse = [row[-1] for row in trainer.curve]
    assert sum(rmse[-10:]) < 0.95 * sum(rmse[:10])


def test_a_residual_network_may_start_as_the_authors_does(build):
    starts = [
        build({"pretrain": {"zero_start": flag}}, "pretrain").generator.output.weight
        for flag in (True, False)
    ]
    assert not starts[0].any()
    assert float(starts[1].detach().std()) > 0.01
