"""Reading the settings of a D-DBPN training strictly: each error names its key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collinear.dbpn.config import (
    AUGMENTATIONS,
    COMPILE,
    LOSSES,
    NORMALISATIONS,
    SCALES,
    STAGES,
    TAPS,
    DiscriminatorSettings,
    FeatureSettings,
    ModelSettings,
    ScoringSettings,
    Settings,
    StageSettings,
    StptSettings,
)
from collinear.dbpn.read_data import read_data, read_path
from collinear.dbpn.section import ConfigError, Section
from collinear.dbpn.stpt import plan_of
from collinear.training.errors import TuningError

TRIAL_PARAMS = (
    "learning_rate",
    "w_mse",
    "w_perceptual",
    "w_adversarial",
    "w_style",
    "epochs",
    "iterations",
    "minibatch",
    "patch",
    "decay_factor",
    "ema",
)
"""Keys of `finetune` that a trial may set."""
MODEL_PARAMS = ("stages", "base", "feat")
"""Keys of `model` that a trial may set; then its pretraining must too."""

POLICIES = ("decay", "stpt")
_DENSE_HEAD_STRIDE = 16
_WEIGHTS = ("w_mse", "w_perceptual", "w_adversarial", "w_style")


def load_settings(
    mapping: object,
    params: Mapping[str, Any] | None = None,
    threads: int = 1,
    scoring: object = None,
) -> Settings:
    """Check a mapping of settings and return them typed.

    Args:
        mapping: The settings, as YAML or JSON gives them.
        params: Values of a trial; they replace keys of `finetune` and `model`.
        threads: Threads of the numerics, part of what makes a training reproducible.
        scoring: What changes scores and no training: `evaluation`, `ma_model`,
            `foreign_ma_model`, `cache`.

    Returns:
        The settings.

    Raises:
        ConfigError: A key is missing, unknown or out of its range, or two keys do not
            fit; the message names the key.
    """
    top = Section(mapping)
    scale = top.choice("scale", SCALES)
    score = Section({} if scoring is None else scoring, "scoring")
    settings = Settings(
        scale=int(scale),
        model=_read_model(_with_model_params(top.section("model"), params or {})),
        data=read_data(top.section("data"), score),
        pretrain=_read_pretrain(top.section("pretrain")),
        finetune=_read_finetune(_with_params(top.section("finetune"), params or {})),
        features=_read_features(top.section("features")),
        scoring=_read_scoring(score),
        device=top.choice("device", ("auto", "cpu", "cuda"), "auto"),
        precision=top.choice("precision", ("fp32", "bf16"), "fp32"),
        channels_last=top.flag("channels_last", False),
        compile=top.choice("compile", COMPILE, "none"),
        max_rmse=_read_abort(top.section("abort")),
        save_every=top.integer("save_every", 500),
        threads=Section({"threads": threads}).integer("threads"),
    )
    top.finish()
    for name in STAGES:
        _check_stage(name, settings.stage(name), settings)
    return settings


def _read_model(section: Section) -> ModelSettings:
    default = ModelSettings()
    variant = section.choice("variant", ("dense", "iterative"), default.variant)
    if variant == "dense" and section.has("chain"):
        raise ConfigError(f"{section.name('chain')} is for variant iterative only")
    model = ModelSettings(
        variant=variant,
        stages=section.integer("stages", default.stages, least=2),
        base=section.integer("base", default.base),
        feat=section.integer("feat", default.feat),
        residual=section.flag("residual", default.residual),
        chain=section.integer("chain", default.chain, least=2),
        normalisation=section.choice("normalisation", NORMALISATIONS, "imagenet"),
    )
    section.finish()
    return model


def _read_scoring(section: Section) -> ScoringSettings:
    scoring = ScoringSettings(
        ma_model=read_path(section, "ma_model"),
        foreign_ma_model=section.flag("foreign_ma_model", False),
        cache=read_path(section, "cache"),
    )
    section.finish()
    return scoring


def read_length(section: Section) -> tuple[float | None, int | None]:
    """Read `epochs` or `iterations`; the other one is None.

    Raises:
        ConfigError: Both or neither is given, or it is no positive number.
    """
    epochs, iterations = section.has("epochs"), section.has("iterations")
    if epochs == iterations:
        raise ConfigError(
            f"{section.path} needs either epochs or iterations, "
            f"but got {'both' if epochs else 'neither'}"
        )
    if epochs:
        return section.number("epochs", above=0), None
    return None, section.integer("iterations")


def _read_pretrain(section: Section) -> StageSettings:
    epochs, iterations = read_length(section)
    rate = section.number("learning_rate", 1e-4, above=0)
    stage = StageSettings(
        stpt=_read_stpt(section, rate),
        epochs=epochs,
        iterations=iterations,
        minibatch=section.integer("minibatch", 8),
        patch=section.integer("patch", 40),
        learning_rate=rate,
        w_mse=section.number("w_mse", 1.0, above=0),
        decay_at=section.numbers("decay_at", (0.5,)),
        decay_factor=section.number("decay_factor", 0.1, above=0),
        ema=section.number("ema", 0.0, least=0, below=1),
        zero_start=section.flag("zero_start", True),
        **_read_shared(section),
    )
    section.finish()
    return stage


def _check_bounded(name: str, rate: float, stpt: StptSettings) -> None:
    if not stpt.least <= rate <= stpt.most:
        raise ConfigError(
            f"{name} must lie within stpt.least and stpt.most, {stpt.least:g} and "
            f"{stpt.most:g}, but got {rate:g}"
        )


def _read_stpt(stage: Section, rate: float) -> StptSettings | None:
    policy = stage.choice("learning_rate_policy", POLICIES, POLICIES[0])
    given, section = stage.has("stpt"), stage.section("stpt")
    if policy != "stpt":
        if given:
            raise ConfigError(
                f"{section.path} is only for {stage.name('learning_rate_policy')}: "
                f"stpt, but that is {policy}"
            )
        return None
    if stage.has("decay_at"):
        raise ConfigError(
            f"{stage.name('decay_at')} is not for learning_rate_policy: stpt, which "
            "finds the learning rate itself; leave it out"
        )
    default = StptSettings()
    found = StptSettings(
        every=section.integer("every", default.every),
        alpha=section.integer("alpha", default.alpha),
        candidates=section.choice(
            "candidates", ("mix", "narrow", "middle", "wide"), default.candidates
        ),
        warm_up=section.integer("warm_up", default.warm_up, least=0),
        warm_up_rate=section.number("warm_up_rate", default.warm_up_rate, above=0),
        least=section.number("least", default.least, above=0),
        most=section.number("most", default.most, above=0),
    )
    section.finish()
    try:
        plan_of(found, found.every)
    except TuningError as error:
        raise ConfigError(f"{section.path}: {error}") from error
    _check_bounded(stage.name("learning_rate"), rate, found)
    if found.warm_up:
        _check_bounded(section.name("warm_up_rate"), found.warm_up_rate, found)
    return found


def _read_finetune(section: Section) -> StageSettings:
    epochs, iterations = read_length(section)
    discriminator = section.section("discriminator")
    stage = StageSettings(
        epochs=epochs,
        iterations=iterations,
        minibatch=section.integer("minibatch", 8),
        patch=section.integer("patch", 40),
        learning_rate=section.number("learning_rate", 1e-4, above=0),
        w_mse=section.number("w_mse", 0.01, least=0),
        w_perceptual=section.number("w_perceptual", 0.1, least=0),
        w_adversarial=section.number("w_adversarial", 0.001, least=0),
        w_style=section.number("w_style", 10.0, least=0),
        decay_at=section.numbers("decay_at", (0.5,)),
        decay_factor=section.number("decay_factor", 0.1, above=0),
        ema=section.number("ema", 0.0, least=0, below=1),
        gram=section.choice("gram", ("image", "minibatch"), "image"),
        **_read_shared(section),
        discriminator=DiscriminatorSettings(
            base=discriminator.integer("base", 64),
            head=discriminator.choice("head", ("dense", "gap"), "dense"),
        ),
    )
    discriminator.finish()
    section.finish()
    return stage


def _read_shared(section: Section) -> dict[str, Any]:
    return {
        "loss": section.choice("loss", LOSSES, "mse"),
        "accumulate": section.integer("accumulate", 1),
        "augment": section.choice("augment", tuple(AUGMENTATIONS), "square"),
    }


def _with_params(section: Section, params: Mapping[str, Any]) -> Section:
    """Return the section `finetune` with the values of a trial in their places."""
    given = Section(params, "params")
    for key in (*TRIAL_PARAMS, *MODEL_PARAMS):
        given.take(key)
    given.finish()
    params = {k: v for k, v in params.items() if k not in MODEL_PARAMS}
    merged = dict(section.values)
    if "epochs" in params or "iterations" in params:
        merged.pop("epochs", None)
        merged.pop("iterations", None)
    return Section({**merged, **params}, section.path, overridden=params)


def _with_model_params(section: Section, params: Mapping[str, Any]) -> Section:
    """Return the section `model` with the values of a trial in their places."""
    chosen = {key: params[key] for key in MODEL_PARAMS if key in params}
    return Section({**section.values, **chosen}, section.path, overridden=chosen)


def _read_features(section: Section) -> FeatureSettings:
    default = FeatureSettings()
    kind = section.choice("kind", ("random_vgg19", "vgg19"), default.kind)
    file = section.take("file")
    if (kind == "vgg19") != isinstance(file, str | Path):
        rule = "is needed with" if kind == "vgg19" else "is only for"
        raise ConfigError(
            f"{section.name('file')} {rule} {section.name('kind')}: vgg19, "
            f"but got {file!r}"
        )
    features = FeatureSettings(
        kind=kind,
        file=Path(file) if file is not None else None,
        width_divisor=section.choice(
            "width_divisor", (1, 2, 4, 8, 16, 32) if kind != "vgg19" else (1,), 1
        ),
        taps=_read_taps(section, default.taps),
        normalize_taps=section.flag("normalize_taps", default.normalize_taps),
        seed=section.integer("seed", default.seed, least=0, below=2**63),
    )
    section.finish()
    return features


def _read_taps(section: Section, default: Sequence[str]) -> tuple[str, ...]:
    taps = section.strict_list("taps", default)
    known = [tap for tap in TAPS if tap in taps]
    if not taps or known != taps:
        raise ConfigError(
            f"{section.name('taps')} must be some of {', '.join(TAPS)} in this order, "
            f"but got {taps!r}"
        )
    return tuple(taps)


def _read_abort(section: Section) -> float | None:
    limit = section.number("max_rmse", above=0) if section.has("max_rmse") else None
    section.finish()
    return limit


def _check_stage(name: str, stage: StageSettings, settings: Settings) -> None:
    """Check what two keys of a stage mean together."""
    if all(getattr(stage, weight) == 0 for weight in _WEIGHTS):
        raise ConfigError(f"{name}: {', '.join(_WEIGHTS)} must not all be 0")
    if stage.minibatch % stage.accumulate:
        raise ConfigError(
            f"{name}.minibatch must be a multiple of {name}.accumulate, but got "
            f"{stage.minibatch} and {stage.accumulate}"
        )
    if stage.accumulate > 1 and stage.gram == "minibatch":
        raise ConfigError(
            f"{name}.gram: minibatch needs the whole minibatch at once, but "
            f"{name}.accumulate is {stage.accumulate}; use gram: image, or "
            "accumulate: 1"
        )
    size = stage.patch * settings.scale
    found = f"{name}.patch {stage.patch} times scale {settings.scale} gives {size}"
    dense = stage.discriminator.head == "dense"
    if stage.w_adversarial > 0 and dense and size % _DENSE_HEAD_STRIDE:
        raise ConfigError(
            f"{found} pixels, which must be a multiple of {_DENSE_HEAD_STRIDE} for "
            f"{name}.discriminator.head: dense; change the patch, or use head: gap"
        )
    if stage.w_adversarial > 0 and size < _DENSE_HEAD_STRIDE:
        raise ConfigError(
            f"{found} pixels, but the discriminator needs {_DENSE_HEAD_STRIDE}"
        )
    part = stage.minibatch // stage.accumulate
    if part < least_part(settings, stage):
        raise ConfigError(
            f"{found} pixels, of which the discriminator makes one value, but it "
            f"normalises over two or more; raise {name}.minibatch / accumulate, "
            f"{part} here, or the patch"
        )
    deepest = settings.features.taps[-1]
    least = 2 ** (TAPS.index(deepest) + 1)
    if stage.uses_features and size < least:
        raise ConfigError(
            f"{found} pixels, but {deepest} of features.taps needs {least}; "
            "leave out the deepest taps, or enlarge the patch"
        )


def least_part(settings: Settings, stage: StageSettings) -> int:
    """The fewest patches that an update of a stage can be computed with.

    The discriminator normalises over patches and places, which needs two values.
    """
    size = stage.patch * settings.scale
    places = math.ceil(size / _DENSE_HEAD_STRIDE) ** 2
    return 2 if stage.w_adversarial > 0 and places == 1 else 1
