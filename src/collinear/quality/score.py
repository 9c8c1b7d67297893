"""The scores of a set of super-resolved images against their originals.

The rules are those of the PIRM 2018 challenge (Y. Blau, R. Mechrez, R. Timofte,
T. Michaeli, L. Zelnik-Manor, "The 2018 PIRM Challenge on Perceptual Image
Super-Resolution", ECCV Workshops 2018): luma as MATLAB rounds it, 4 pixels shaved from
each border, RMSE from the mean MSE of the set, and the perceptual index
(mean NIQE + 10 - mean Ma) / 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from collinear.quality.forest import MaModel
from collinear.quality.measure import (
    Record,
    ScoreError,
    check_size,
    measure,
    scored_luma,
    sr_luma,
)
from collinear.quality.pool import work_through
from collinear.quality.records import VERSION, RecordCache
from collinear.quality.rmse import set_rmse

__all__ = [
    "SCORER",
    "VALUES",
    "ImageScore",
    "ScoreError",
    "SetScore",
    "check_size",
    "combine",
    "perceptual_index",
    "score_image",
    "score_set",
]

SCORER = f"perceptual-index {VERSION}"
"""Names the definition; it belongs to every score and to what is kept of it."""
VALUES = ("niqe", "rmse", "ma", "perceptual_index")
"""The values that can be asked for; lower is better, but for `ma`."""
NO_MODEL = "Ma's model was not given"
FLAT_LIMIT = 0.01
"""Share of constant windows above which NIQE is not reliable."""

_Pair = tuple[str, NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True)
class ImageScore:
    """The scores of one image.

    Attributes:
        name: Name of the image.
        y_sum: Sum of its shaved luma; equal images have equal sums.
        mse: Mean squared difference of luma to the original, grey levels squared.
        niqe: Naturalness; None when it has no value.
        flat_share: Share of constant 7 x 7 windows; above 0.01 NIQE is not reliable.
        reason: Why niqe, or Ma's features, have no value; None otherwise.
        ma: Ma's score, higher is better; None without a model or features.
    """

    name: str
    y_sum: int
    mse: float
    niqe: float | None
    flat_share: float
    reason: str | None = None
    ma: float | None = None

    @property
    def perceptual_index(self) -> float | None:
        """The index of this image alone; None when a part of it is missing."""
        if self.niqe is None or self.ma is None:
            return None
        return perceptual_index(self.niqe, self.ma)


@dataclass(frozen=True)
class SetScore:
    """The scores of a set.

    Attributes:
        values: The values asked for by name; None for a value that cannot be had.
        images: The scores behind them.
        reason: Why a value is None; None otherwise.
        warnings: What makes a value doubtful.
    """

    values: dict[str, float | None]
    images: tuple[ImageScore, ...]
    reason: str | None = None
    warnings: tuple[str, ...] = ()


def perceptual_index(niqe: float, ma: float) -> float:
    """Return the index of a NIQE and a Ma score; lower is better."""
    return (niqe + (10 - ma)) / 2


def score_set(
    pairs: Iterable[_Pair],
    goals: Sequence[str] = VALUES,
    *,
    model: MaModel | None = None,
    cache: RecordCache | None = None,
    jobs: int = 1,
) -> SetScore:
    """Score super-resolved images against their originals.

    Args:
        pairs: (name, sr, gt) of each image; sr and gt of shape (height, width, 3),
            dtype uint8.
        goals: Names of the wanted values, out of `VALUES`.
        model: Ma's model; without it `ma` and `perceptual_index` are None. Ma's
            features are measured all the same, when they are wanted.
        cache: Records of earlier measurements, looked up and added to.
        jobs: Number of processes.

    Returns:
        The values of the set and the scores of each image.

    Raises:
        ScoreError: No images, a name twice, sizes that differ, images too small, a
            constant original, or an unknown value.
    """
    check_goals(goals)
    tasks = [_planes(name, sr, gt, cache) for name, sr, gt in pairs]
    check_names([name for name, _, _ in tasks])
    ma = bool({"ma", "perceptual_index"} & set(goals))
    records = work_through(partial(measure_planes, ma=ma, cache=cache), tasks, jobs)
    return combine([name for name, _, _ in tasks], records, goals, model)


def _planes(
    name: str,
    sr: NDArray[np.uint8],
    gt: NDArray[np.uint8],
    cache: RecordCache | None,
) -> _Pair:
    y_gt = original_luma(name, gt, cache)
    return name, sr_luma(name, sr, y_gt), y_gt


def original_luma(
    name: str, gt: NDArray[np.uint8], cache: RecordCache | None
) -> NDArray[np.uint8]:
    """Return the shaved luma of an original, computed once for all who share a cache.

    Raises:
        ScoreError: As `scored_luma`.
    """
    if cache is None:
        return scored_luma(name, gt)
    pixels = b"%s %s\n" % (repr(gt.shape).encode(), gt.dtype.str.encode())
    pixels += np.ascontiguousarray(gt).tobytes()
    plane = cache.find_plane(pixels)
    if plane is None:
        plane = scored_luma(name, gt)
        cache.keep_plane(pixels, plane)
    return plane


def measure_planes(task: _Pair, *, ma: bool, cache: RecordCache | None) -> Record:
    """Measure (name, shaved luma, shaved luma of the original), or find the record."""
    name, y_sr, y_gt = task
    known = cache.find(y_sr, y_gt) if cache is not None else None
    # A record without features may have been made when nobody wanted them.
    if known is not None and (known.features or known.reason or not ma):
        return known
    record = measure(name, y_sr, y_gt, ma=ma)
    if cache is not None:
        cache.keep(y_sr, y_gt, record)
    return record


def combine(
    names: Sequence[str],
    records: Sequence[Record],
    goals: Sequence[str] = VALUES,
    model: MaModel | None = None,
) -> SetScore:
    """Return the scores of a set from its records; the forests see all images at once.

    Raises:
        ScoreError: No images.
    """
    if not records:
        raise ScoreError("a score needs at least one image, but got none")
    scores = iter(_ma_scores(records, model))
    images = tuple(
        ImageScore(
            name=name,
            y_sum=record.y_sum,
            mse=record.mse,
            niqe=record.niqe,
            flat_share=record.flat_share,
            reason=record.reason,
            ma=next(scores) if model and record.features else None,
        )
        for name, record in zip(names, records, strict=True)
    )
    niqe = _mean([image.niqe for image in images])
    ma = _mean([image.ma for image in images])
    both = niqe is not None and ma is not None
    found: dict[str, float | None] = {
        "niqe": niqe,
        "rmse": set_rmse([image.mse for image in images]),
        "ma": ma,
        "perceptual_index": perceptual_index(niqe, ma) if both else None,  # type: ignore[arg-type]
    }
    wanted = {name: found[name] for name in goals}
    return SetScore(wanted, images, _reason(wanted, images, model), _warnings(images))


def check_goals(goals: Sequence[str]) -> None:
    """Check that each wanted value can be had.

    Raises:
        ScoreError: A value is unknown, or none is wanted.
    """
    unknown = [goal for goal in goals if goal not in VALUES]
    if unknown or not goals:
        raise ScoreError(
            f"values must be out of {', '.join(VALUES)}, "
            f"but got {', '.join(unknown) or 'none'}"
        )


def score_image(name: str, sr: NDArray[np.uint8], gt: NDArray[np.uint8]) -> ImageScore:
    """Return RMSE and NIQE of one image; arguments and errors as in `score_set`."""
    (image,) = score_set([(name, sr, gt)], ("niqe", "rmse")).images
    return image


def check_names(names: Sequence[str]) -> None:
    """Check that no two names are equal but for case.

    Raises:
        ScoreError: Two are.
    """
    seen: dict[str, str] = {}
    for name in names:
        # Names that differ in case alone collide on some file systems.
        key = name.casefold()
        if key in seen:
            raise ScoreError(
                "names of images must differ in more than case, "
                f"but got {seen[key]!r} and {name!r}"
            )
        seen[key] = name


def _ma_scores(records: Sequence[Record], model: MaModel | None) -> list[float]:
    if model is None:
        return []
    return model.predict([r.features for r in records if r.features is not None])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(values) if len(known) == len(values) else None


def _reason(
    values: dict[str, float | None],
    images: Sequence[ImageScore],
    model: MaModel | None,
) -> str | None:
    """Return why a wanted value is missing."""
    missing = [name for name, value in values.items() if value is None]
    if not missing:
        return None
    reasons = [f"{image.name}: {image.reason}" for image in images if image.reason]
    if model is None and set(missing) & {"ma", "perceptual_index"}:
        reasons.append(NO_MODEL)
    return "; ".join(reasons)


def _warnings(images: Sequence[ImageScore]) -> tuple[str, ...]:
    return tuple(
        f"{image.name}: {image.flat_share:.1%} of the 7 x 7 windows are constant; "
        f"above {FLAT_LIMIT:.0%} NIQE depends on rounding, and two correct programs "
        "may differ by tenths"
        for image in images
        if image.flat_share > FLAT_LIMIT
    )
