"""The settings of a D-DBPN training, typed; `read_settings` fills them.

Symbols of the paper in our names: w1 = w_mse, w2 = w_perceptual, w3 = w_adversarial,
w4 = w_style (M. Haris, G. Shakhnarovich, N. Ukita, "Deep Back-Projection Networks for
Single Image Super-resolution", 2019, section on perceptually oriented results).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GEOMETRY = {2: (6, 2, 2), 4: (8, 4, 2), 8: (12, 8, 2)}
"""Kernel, stride and padding of the projections by scale (Haris et al., CVPR 2018,
section 5.1)."""
SCALES = tuple(GEOMETRY)
STAGES = ("pretrain", "finetune")
NORMALISATIONS = ("imagenet", "none")
"""What networks see: mean and deviation of ImageNet taken off, or plain 0..1."""
COMPILE = ("none", "default", "graphs")
STORES = ("auto", "ram", "map", "device")
LOSSES = ("mse", "l1")
AUGMENTATIONS = {"square": tuple(range(8)), "mirrored": (0, 2, 4, 6), "none": (0,)}
"""Orientations of a patch: all symmetries of the square; the authors' four (mirrors and
half turns); or as it is."""
TAPS = ("pool1", "pool2", "pool3", "pool4", "pool5")
"""Places in VGG19 where features are taken; pool k halves the image k times."""


def _later(default: Any) -> Any:
    """A key that is younger than the first digests.

    At its default it is left out of JSON, so trainings from before keep their identity.
    """
    return field(default=default, metadata={"later": True})


@dataclass(frozen=True)
class ModelSettings:
    """Shape of the generator (see `collinear.dbpn.model.DBPN`).

    `normalisation` is what its numbers mean: one of `NORMALISATIONS`.
    """

    variant: str = "dense"
    stages: int = 7
    base: int = 64
    feat: int = 256
    residual: bool = True
    chain: int = 7
    normalisation: str = _later("imagenet")


@dataclass(frozen=True)
class DataSettings:
    """Where images come from; see `collinear.dbpn.data`.

    Attributes:
        source: "builtin" (photographs of installed packages) or "folder".
        train: A folder of originals or several, or names of builtin photographs; None:
            the default.
        evaluation: The images that are scored: folders of originals, or names of
            builtin photographs; None: the default of `source` builtin.
        cache: Folder where decoded training images are kept between runs.
        store: Where they are during a training: "ram", "map" (mapped from `cache`),
            "device" (the GPU's memory), or "auto": the GPU if they fit, else mapped
            with a cache and in memory without. No number depends on it.
        train_lq: Folders of low resolution images; none: made from the originals.
        template: Their names, `{}` standing for the original's; None: `{}` or
            `{}x` and the scale, whichever is there.
        evaluation_lq: As `train_lq`, of the images that are scored.
        evaluation_template: As `template`.
    """

    source: str = "builtin"
    train: Path | tuple[str | Path, ...] | None = None
    evaluation: Path | tuple[str | Path, ...] | None = None
    cache: Path | None = None
    store: str = "auto"
    train_lq: tuple[Path, ...] = ()
    template: str | None = None
    evaluation_lq: tuple[Path, ...] = ()
    evaluation_template: str | None = None


@dataclass(frozen=True)
class ScoringSettings:
    """How images are scored; no training depends on it.

    Attributes:
        ma_model: Ma's model; None: no perceptual index.
        foreign_ma_model: Whether a model that is not the published one is accepted.
        cache: Folder where measurements are kept between runs.
    """

    ma_model: Path | None = None
    foreign_ma_model: bool = False
    cache: Path | None = None


@dataclass(frozen=True)
class DiscriminatorSettings:
    """Shape of the discriminator: width, and a "dense" or a pooled "gap" head."""

    base: int = 64
    head: str = "dense"


@dataclass(frozen=True)
class StptSettings:
    """Learning rates that are tried (`collinear.training.stpt`).

    Attributes:
        every: Updates between two searches, the document's epoch.
        alpha: Updates of each candidate.
        candidates: "mix", "narrow", "middle" or "wide".
        warm_up: Searches that are left out at the start.
        warm_up_rate: Learning rate until then.
        least: Lower bound of the learning rate.
        most: Upper bound.
    """

    every: int = 100
    alpha: int = 8
    candidates: str = "mix"
    warm_up: int = 0
    warm_up_rate: float = 1e-5
    least: float = 1e-6
    most: float = 1e-3


@dataclass(frozen=True)
class StageSettings:
    """One stage of training.

    Attributes:
        epochs: Passes over the training images, one patch of each; or
        iterations: Number of updates.
        minibatch: Patches an update.
        patch: Side of a low resolution patch in pixels.
        learning_rate: Of Adam, for the generator and the discriminator.
        w_mse: Weight of the squared error on normalised images.
        w_perceptual: Weight of the squared error of features.
        w_adversarial: Weight of the discriminator's judgement.
        w_style: Weight of the squared error of the features' Gram matrices.
        decay_at: Shares of the stage, after each of which the learning rate is
        decay_factor: multiplied by this.
        ema: Decay of the moving average of the generator; 0 switches it off.
        discriminator: Its shape.
        loss: "mse" or "l1": what the pixel term with weight `w_mse` is.
        gram: "image", one Gram matrix an image, or "minibatch", one for all of them as
            in the authors' program.
        accumulate: Parts that a minibatch is cut into to save memory; their gradients
            are added before an update.
        augment: One of `AUGMENTATIONS`.
        stpt: How learning rates are tried in place of `decay_at`; None: they are not.
        zero_start: Whether a fresh residual network starts as bicubic enlargement, with
            zeros in its last layer.
    """

    epochs: float | None
    iterations: int | None
    minibatch: int
    patch: int
    learning_rate: float
    w_mse: float
    w_perceptual: float = 0.0
    w_adversarial: float = 0.0
    w_style: float = 0.0
    decay_at: tuple[float, ...] = ()
    decay_factor: float = 0.1
    ema: float = 0.0
    discriminator: DiscriminatorSettings = field(default_factory=DiscriminatorSettings)
    loss: str = _later("mse")
    gram: str = _later("image")
    accumulate: int = _later(1)
    augment: str = _later("square")
    zero_start: bool = _later(True)
    stpt: StptSettings | None = field(default=None, metadata={"later": True})

    @property
    def uses_features(self) -> bool:
        """Whether a term needs the feature network."""
        return self.w_perceptual > 0 or self.w_style > 0

    def count_iterations(self, images: int) -> int:
        """Return the number of updates with this many training images."""
        if self.iterations is not None:
            return self.iterations
        assert self.epochs is not None
        return math.ceil(self.epochs * images / self.minibatch)


@dataclass(frozen=True)
class FeatureSettings:
    """The feature network of the perceptual and the style term."""

    kind: str = "random_vgg19"
    file: Path | None = None
    width_divisor: int = 1
    taps: tuple[str, ...] = ("pool2", "pool3", "pool4", "pool5")
    normalize_taps: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Settings:
    """Everything that a training or a scoring needs, beside its seed."""

    scale: int
    model: ModelSettings
    data: DataSettings
    pretrain: StageSettings
    finetune: StageSettings
    features: FeatureSettings
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    device: str = "auto"
    precision: str = "fp32"
    channels_last: bool = False
    compile: str = "none"
    max_rmse: float | None = None
    save_every: int = 500
    threads: int = 1

    def stage(self, name: str) -> StageSettings:
        """Return the settings of "pretrain" or "finetune"."""
        return self.pretrain if name == "pretrain" else self.finetune


def warnings_of(settings: Settings) -> list[str]:
    """Return what is legal in the settings, but rarely meant."""
    found = []
    stage = settings.finetune
    if stage.w_mse == 0 and stage.w_adversarial > 0:
        found.append(
            "finetune.w_mse is 0 with finetune.w_adversarial above 0: nothing holds "
            "the image to the original"
        )
    if stage.w_adversarial > 0 and stage.minibatch < 2:
        found.append(
            "finetune.minibatch is 1: the discriminator normalises over one image"
        )
    if stage.w_adversarial > 0 and stage.accumulate > 1:
        found.append(
            f"finetune.accumulate is {stage.accumulate}: the discriminator normalises "
            "over a part of the minibatch, so the training is another one than with "
            "accumulate: 1"
        )
    return found


def _left_out(item: dataclasses.Field[Any], value: Any) -> bool:
    return bool(item.metadata.get("later")) and value == item.default


def as_json(value: Any) -> Any:
    """Return dataclasses, tuples and paths as JSON types, for digests and files."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: as_json(getattr(value, item.name))
            for item in dataclasses.fields(value)
            if not _left_out(item, getattr(value, item.name))
        }
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value
