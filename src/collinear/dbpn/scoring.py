"""Scores of a network's images: which model and records they use, and what is missing.

No torch here, so that a configuration can be checked quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collinear.dbpn.config import ScoringSettings
from collinear.dbpn.section import ConfigError
from collinear.quality.fetch_model import DOWNLOADED
from collinear.quality.forest import MaModel
from collinear.quality.images import RgbImage
from collinear.quality.ma_model import SOURCE, check_model, load_model
from collinear.quality.records import RecordCache
from collinear.quality.score import VALUES, SetScore, score_set

_BASIC = ("niqe", "rmse")
_IMAGES_A_JOB = 4
"""Below, starting a process costs more than it brings."""


def check_wanted(scoring: ScoringSettings, wanted: Sequence[Any]) -> None:
    """Check that a campaign can decide by these values.

    Raises:
        ConfigError: Ma's model is needed but not named, or `ma` would be minimised.
    """
    if "ma" in wanted:
        raise ConfigError(
            "ma: higher is better, so it can be neither objective nor limit, which are "
            "minimised and bounded from above; choose perceptual_index or niqe"
        )
    if "perceptual_index" in wanted and scoring.ma_model is None:
        raise ConfigError(
            "perceptual_index needs Ma's model, but application.scoring.ma_model is "
            f"not given; set it to {DOWNLOADED}, where the workflow downloads it from "
            f"{SOURCE} (or where you put model.mat), or choose objective: niqe"
        )


def check_model_file(scoring: ScoringSettings) -> None:
    """Check the file of Ma's model; the one that the workflow downloads may be missing.

    Raises:
        ConfigError: It is missing.
        ModelError: It is another file.
    """
    path = scoring.ma_model
    if path is None or (path == DOWNLOADED and not path.exists()):
        return
    if not path.is_file():
        raise ConfigError(
            f"scoring.ma_model: {path} is not there; put model.mat of {SOURCE} there, "
            f"or name {DOWNLOADED}, where the workflow downloads it, or choose "
            "objective: niqe"
        )
    check_model(path, foreign=scoring.foreign_ma_model)


def load_ma_model(scoring: ScoringSettings) -> MaModel | None:
    """Return Ma's model, when the settings name it.

    Raises:
        ModelError: It is missing or another file.
    """
    if scoring.ma_model is None:
        return None
    foreign = scoring.foreign_ma_model
    return load_model(scoring.ma_model, foreign=foreign, keep=scoring.cache)


def score_images(
    images: Sequence[tuple[str, RgbImage, RgbImage]],
    scoring: ScoringSettings,
    model: MaModel | None,
    threads: int,
) -> SetScore:
    """Score (name, result, original) images; all of `VALUES` are in the result.

    Ma's features cost most of the time. Without a model they are measured only when
    they are kept for a model that comes later.
    """
    cache = RecordCache(scoring.cache) if scoring.cache else None
    goals = VALUES if model or cache else _BASIC
    jobs = max(1, min(threads, len(images) // _IMAGES_A_JOB))
    return score_set(images, goals, model=model, cache=cache, jobs=jobs)


def score_record(score: SetScore, model: MaModel | None) -> dict[str, Any]:
    """Return status, reason, values and warnings of a score as JSON types."""
    needed = VALUES if model else _BASIC
    complete = all(score.values[name] is not None for name in needed)
    return {
        "status": "done" if complete else "diverged",
        "reason": None if complete else score.reason,
        "values": {**dict.fromkeys(VALUES), **score.values},
        "ma_model": model.identity if model else None,
        "warnings": list(score.warnings),
    }
