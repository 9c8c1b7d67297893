"""Scoring two folders of image files: results, and originals of the same names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collinear.quality.forest import MaModel
from collinear.quality.images import decode_image, not_applied, read_bytes
from collinear.quality.measure import Record, ScoreError, scored_luma, sr_luma
from collinear.quality.pool import work_through
from collinear.quality.records import RecordCache
from collinear.quality.score import SetScore, check_names, combine, measure_planes

CHALLENGE_IMAGES = 100
"""Images of the validation and of the test set of PIRM 2018."""
_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class FilePair:
    """A result and its original on disk; `name` is their name without suffix."""

    name: str
    sr: Path
    gt: Path


def list_pairs(sr_folder: Path, gt_folder: Path) -> list[FilePair]:
    """Return the images of two folders, sorted by name.

    Args:
        sr_folder: Folder of results.
        gt_folder: Folder of originals with the same names (the suffix may differ).

    Raises:
        ScoreError: A folder is missing or has no image, two names differ only in case
            or suffix, or the names of the folders differ; all of them are listed.
    """
    results, originals = _images(sr_folder), _images(gt_folder)
    missing = sorted(set(originals) - set(results))
    extra = sorted(set(results) - set(originals))
    if missing or extra:
        parts = []
        if missing:
            parts.append(f"missing in {sr_folder}: {', '.join(missing)}")
        if extra:
            parts.append(f"without an original in {gt_folder}: {', '.join(extra)}")
        raise ScoreError(
            f"both folders must have the same names, but {'; '.join(parts)}"
        )
    return [FilePair(name, results[name], originals[name]) for name in sorted(results)]


def score_folders(
    sr_folder: Path,
    gt_folder: Path,
    *,
    model: MaModel | None = None,
    cache: RecordCache | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SetScore:
    """Score all images of a folder; see `collinear.quality.score.score_set`.

    Args:
        sr_folder: Folder of results.
        gt_folder: Folder of originals.
        model: Ma's model, or None.
        cache: Records of earlier measurements, and luma planes of originals.
        jobs: Number of processes.
        progress: Told (done, total) after each image.

    Raises:
        ScoreError: As `list_pairs` and `score_set`, or a result is constant.
        ImageError: A file is damaged or not 8-bit RGB.
    """
    pairs = list_pairs(sr_folder, gt_folder)
    progress(0, len(pairs))
    records = work_through(
        partial(_measure_files, cache=cache),
        pairs,
        jobs,
        lambda done: progress(done, len(pairs)),
    )
    score = combine([pair.name for pair in pairs], records, model=model)
    return replace(score, warnings=(*score.warnings, *_warnings(pairs)))


def _warnings(pairs: Sequence[FilePair]) -> list[str]:
    """Return what makes files other than they look."""
    found = []
    for path in (file for pair in pairs for file in (pair.sr, pair.gt)):
        found += [
            f"{path}: {what} was not applied; the pixels were scored as stored"
            for what in not_applied(read_bytes(path), path)
        ]
    return found


def _images(folder: Path) -> dict[str, Path]:
    """Return the image files of a folder by name."""
    try:
        found = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
        )
    except OSError as error:
        raise ScoreError(f"{folder}: must be a folder ({error.strerror})") from error
    if not found:
        raise ScoreError(f"{folder}: has no .png, .jpg or .jpeg file")
    try:
        check_names([path.stem for path in found])
    except ScoreError as error:
        raise ScoreError(f"{folder}: {error}") from error
    return {path.stem: path for path in found}


def _measure_files(pair: FilePair, cache: RecordCache | None) -> Record:
    y_gt = _original(pair.gt, cache)
    image = decode_image(read_bytes(pair.sr), pair.sr)
    y_sr = sr_luma(str(pair.sr), image, y_gt)
    if y_sr.min() == y_sr.max():
        raise ScoreError(f"{pair.sr}: the image is constant, so it has no score")
    record = measure_planes((str(pair.gt), y_sr, y_gt), ma=True, cache=cache)
    if record.reason is not None:
        raise ScoreError(f"{pair.sr}: {record.reason}")
    return record


def _original(path: Path, cache: RecordCache | None) -> NDArray[np.uint8]:
    """Return the luma of an original, from the cache when it was seen before."""
    content = read_bytes(path)
    plane = cache.find_plane(content) if cache is not None else None
    if plane is None:
        plane = scored_luma(str(path), decode_image(content, path))
        if cache is not None:
            cache.keep_plane(content, plane)
    return plane
