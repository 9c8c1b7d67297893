"""What an update of D-DBPN costs: counted on fake tensors, measured in a process.

The counts are split by network, because a VGG with 512 maps runs at another speed than
a generator with 64. Terms with weight 0 run nothing, so they count nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from collinear.dbpn.config import FeatureSettings, Settings, StageSettings
from collinear.dbpn.discriminator import Discriminator
from collinear.dbpn.features import FeatureNetwork, feature_layers
from collinear.dbpn.losses import discriminator_error, generator_terms, weighted_sum
from collinear.dbpn.model import DBPN
from collinear.training.counting import StepCounts, count_step

_FLOAT = 4
_COPIES = 4
"""Of each trained number: its value, its gradient, and two means of Adam."""
_ADAM_MOVES, _AVERAGE_MOVES = 7, 3
"""Numbers read and written for each: value, two means (both ways) and gradient."""


HOST = "operations"
"""Count that bounds the time from the host's side, on a GPU."""


@dataclass(frozen=True)
class UpdatePoint:
    """What an update's cost depends on, as far as a profile varies it.

    Attributes:
        minibatch: Patches.
        patch: Side of a low resolution patch.
        stages: T of the generator.
        features: Whether the perceptual and the style term run.
        adversarial: Whether the discriminator runs.
    """

    minibatch: int
    patch: int
    stages: int
    features: bool = False
    adversarial: bool = False

    @property
    def name(self) -> str:
        """A name for files: `b4_p16_t2_fa`."""
        terms = "f" * self.features + "a" * self.adversarial
        return f"b{self.minibatch}_p{self.patch}_t{self.stages}_{terms or 'm'}"


def settings_at(settings: Settings, point: UpdatePoint) -> Settings:
    """Return settings whose fine-tuning is at a point; other keys stay.

    A weight that is to be above 0 and is not becomes 1: no cost depends on its value.
    """
    stage = settings.finetune
    on, off = (lambda value: value or 1.0), (lambda value: 0.0)
    feature, adversarial = (
        on if wanted else off for wanted in (point.features, point.adversarial)
    )
    stage = dataclasses.replace(
        stage,
        epochs=None,
        iterations=10**9,
        minibatch=point.minibatch,
        patch=point.patch,
        accumulate=1,
        w_mse=stage.w_mse or 1.0,
        w_perceptual=feature(stage.w_perceptual),
        w_style=feature(stage.w_style),
        w_adversarial=adversarial(stage.w_adversarial),
    )
    model = dataclasses.replace(settings.model, stages=point.stages)
    return dataclasses.replace(settings, model=model, finetune=stage)


def update_counts(settings: Settings, stage_name: str) -> dict[str, float]:
    """Return the counts of one update, by network; `fit_cost` wants such rows.

    Args:
        settings: The configuration.
        stage_name: "pretrain" or "finetune".

    Returns:
        GFLOP of the generator, the features and the discriminator, gigabytes moved,
        1 for the update itself, and the number of operations that the host starts.
    """
    stage = settings.stage(stage_name)
    whole = _count(settings, stage)
    trained, _ = _parameters(settings, stage)
    averaged = _generator_size(settings) if stage.ema > 0 else 0
    stepped = (trained * _ADAM_MOVES + averaged * _AVERAGE_MOVES) * _FLOAT
    plain = _count(settings, _without(stage, features=True, adversarial=True))
    found = {
        "generator_gflop": plain.flops / 1e9,
        "features_gflop": 0.0,
        "discriminator_gflop": 0.0,
        "moved_gb": (whole.moved + stepped) / 1e9,
        "updates": 1.0,
        HOST: float(whole.operations),
    }
    if stage.w_adversarial > 0:
        without = _count(settings, _without(stage, adversarial=True))
        found["discriminator_gflop"] = (whole.flops - without.flops) / 1e9
        whole = without
    if stage.uses_features:
        found["features_gflop"] = (whole.flops - plain.flops) / 1e9
    return found


def memory_counts(settings: Settings, stage_name: str) -> dict[str, float]:
    """Return what the memory of an update is made of, in MiB.

    Returns:
        The largest sum of tensors that an update makes, the weights with gradients and
        optimiser, and 1 for the process itself.
    """
    stage = settings.stage(stage_name)
    counts = _count(settings, stage)
    trained, kept = _parameters(settings, stage)
    held = trained * _COPIES + kept
    return {
        "tensors_mib": counts.peak / 2**20,
        "weights_mib": held * _FLOAT / 2**20,
        "processes": 1.0,
    }


def data_mib(images: Sequence[tuple[int, int]], scale: int) -> float:
    """Return the memory of 8-bit images and their low resolution copies in MiB."""
    return sum(w * h * 3 * (1 + scale**-2) for w, h in images) / 2**20


def _without(
    stage: StageSettings, *, features: bool = False, adversarial: bool = False
) -> StageSettings:
    stage = dataclasses.replace(stage, w_mse=stage.w_mse or 1.0)
    if features:
        stage = dataclasses.replace(stage, w_perceptual=0.0, w_style=0.0)
    return dataclasses.replace(stage, w_adversarial=0.0) if adversarial else stage


_counted: dict[str, StepCounts] = {}


def _count(settings: Settings, stage: StageSettings) -> StepCounts:
    # Weights change no count, but whether they are above 0 does.
    on = {
        name: float(getattr(stage, name) > 0)
        for name in ("w_mse", "w_perceptual", "w_adversarial", "w_style")
    }
    shape = dataclasses.replace(
        stage, learning_rate=1.0, epochs=None, iterations=1, decay_at=()
    )
    shape = dataclasses.replace(shape, **on)  # type: ignore[arg-type]
    key = repr((settings.scale, settings.model, settings.features, shape))
    key += settings.precision
    if key not in _counted:
        _counted[key] = count_step(lambda: _FakeUpdate(settings, shape).run)
    return _counted[key]


class _FakeUpdate:
    """An update on tensors without numbers: `trainer.Trainer.update`, its work only."""

    def __init__(self, settings: Settings, stage: StageSettings) -> None:
        self._stage = stage
        self._bf16 = settings.precision == "bf16"
        side, n = stage.patch, stage.minibatch
        self._lq = torch.empty(n, 3, side, side)
        self._gt = torch.empty(n, 3, settings.scale * side, settings.scale * side)
        self._generator = DBPN(settings.scale, settings.model)
        self._discriminator = _discriminator(settings, stage)
        self._features = (
            _features(settings.features, settings.model.normalisation)
            if stage.uses_features
            else None
        )

    def run(self) -> None:
        parts = self._stage.accumulate
        pairs = list(zip(self._lq.chunk(parts), self._gt.chunk(parts), strict=True))
        if parts == 1:
            sr = self._generate(self._lq)
            self._teach([(sr.detach(), self._gt)])
            self._learn(sr, self._gt)
            return
        self._teach(self._generated(pairs))
        for lq, gt in pairs:
            self._learn(self._generate(lq), gt)

    def _generate(self, lq: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            return self._generator(lq)

    def _generated(
        self, pairs: list[tuple[Tensor, Tensor]]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if self._discriminator is None:
            return
        for lq, gt in pairs:
            with torch.no_grad():
                sr = self._generate(lq)
            yield sr, gt

    def _teach(self, pairs: Any) -> None:
        if self._discriminator is None:
            return
        self._discriminator.requires_grad_(True)
        for sr, gt in pairs:
            with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
                network = self._discriminator
                loss = discriminator_error(network(gt), network(sr))
            loss.backward()
        self._discriminator.requires_grad_(False)

    def _learn(self, sr: Tensor, gt: Tensor) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            terms = generator_terms(
                sr,
                gt,
                self._stage,
                features=self._features,
                discriminator=self._discriminator,
            )
        weighted_sum(terms, self._stage).backward()


def _discriminator(settings: Settings, stage: StageSettings) -> Discriminator | None:
    if stage.w_adversarial == 0:
        return None
    return Discriminator(stage.discriminator, stage.patch * settings.scale)


def _features(settings: FeatureSettings, normalisation: str) -> FeatureNetwork:
    layers = feature_layers(settings.width_divisor)
    return FeatureNetwork(layers, settings.taps, "counted", normalisation)


def _parameters(settings: Settings, stage: StageSettings) -> tuple[int, int]:
    """Return numbers that are trained, and numbers that are only kept."""
    generator = _generator_size(settings)
    with torch.device("meta"):
        discriminator = _discriminator(settings, stage)
        features = (
            _size(feature_layers(settings.features.width_divisor))
            if stage.uses_features
            else 0
        )
    trained = generator + (_size(discriminator) if discriminator else 0)
    return trained, features + (generator if stage.ema > 0 else 0)


def _generator_size(settings: Settings) -> int:
    with torch.device("meta"):
        return _size(DBPN(settings.scale, settings.model))


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
