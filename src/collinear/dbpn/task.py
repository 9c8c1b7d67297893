"""What a training is: all that decides its numbers, and its identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from collinear.dbpn.config import Settings, StageSettings, as_json
from collinear.dbpn.data import ImagePair
from collinear.dbpn.features import feature_identity
from collinear.dbpn.files import digest_of
from collinear.dbpn.weights import Weights, architecture


@dataclass(frozen=True)
class Task:
    """One training: all that decides its numbers.

    Attributes:
        stage: "pretrain" or "finetune".
        settings: The configuration.
        seed: Seed of initial weights and patches.
        images: Training images.
        data_digest: Digest of the images.
        init: Weights to start from; None draws them.
    """

    stage: str
    settings: Settings
    seed: int
    images: Sequence[ImagePair]
    data_digest: str
    init: Weights | None = None

    @property
    def stage_settings(self) -> StageSettings:
        """Settings of the stage."""
        return self.settings.stage(self.stage)

    @property
    def iterations(self) -> int:
        """Number of updates."""
        return self.stage_settings.count_iterations(len(self.images))


def identity_of(
    stage: str, settings: Settings, seed: int, data_digest: str, init: Weights | None
) -> dict[str, Any]:
    """Return what makes two trainings the same one, as plain JSON values.

    "settings" is there for messages: it is what the digest "config" is made of.
    """
    chosen = settings.stage(stage)
    features = settings.features if chosen.uses_features else None
    recipe = {
        "stage": as_json(chosen),
        "features": as_json(features),
        "precision": settings.precision,
        "threads": settings.threads,
        "max_rmse": settings.max_rmse,
    }
    for name in ("channels_last", "compile"):
        # Younger than the first digests: at its default a key is left out.
        if getattr(settings, name) != getattr(Settings, name):
            recipe[name] = getattr(settings, name)
    return {
        "stage": stage,
        "seed": seed,
        "architecture": architecture(settings.scale, settings.model),
        "config": digest_of(recipe),
        "settings": recipe,
        "data": data_digest,
        "features": feature_identity(features) if features else None,
        "init": init.digest if init else None,
    }
