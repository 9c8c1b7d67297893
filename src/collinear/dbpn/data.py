"""Images of a training: where they are, that they fit, and their low resolution copies.

No torch here, so that a configuration and its images can be checked quickly. Low
resolution images are read, or made once from the originals with the MATLAB-like bicubic
rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from collinear.dbpn.builtin import BUILTIN, BUILTIN_EVALUATION, BUILTIN_TRAIN
from collinear.dbpn.config import DataSettings, Settings
from collinear.dbpn.files import digest_of
from collinear.dbpn.folders import DataError, find_images, match_low_resolution
from collinear.quality.images import (
    ImageError,
    RgbImage,
    read_bytes,
    read_image,
    size_of,
)
from collinear.quality.resize import resize_bicubic_uint8
from collinear.quality.score import ScoreError, check_size

_LQ_RECIPE = "bicubic-1"
"""Part of the data digest: change it when low resolution images change."""


@dataclass(frozen=True)
class ImageFile:
    """One original on disk.

    Attributes:
        stem: Its name without folder and suffix.
        path: The file.
        width: Pixels, before the crop to a multiple of the scale.
        height: Pixels, likewise.
        sha256: Digest of the file.
        low: Its low resolution file; None: it is made from the original.
        low_sha256: Digest of that file.
    """

    stem: str
    path: Path
    width: int
    height: int
    sha256: str
    low: Path | None = None
    low_sha256: str | None = None


@dataclass(frozen=True)
class ImagePair:
    """An original and its low resolution copy.

    Attributes:
        stem: Name of the image.
        gt: Original, (scale h, scale w, 3), uint8.
        lq: Low resolution copy, (h, w, 3), uint8.
    """

    stem: str
    gt: RgbImage
    lq: RgbImage


@dataclass(frozen=True)
class ImageSets:
    """The files of a configuration, checked."""

    train: tuple[ImageFile, ...]
    evaluation: tuple[ImageFile, ...]


def list_images(settings: Settings) -> ImageSets:
    """Find and check the images of a configuration by header and content digest.

    Returns:
        Training and evaluation images, sorted by name (builtin: in the given order).

    Raises:
        DataError: No images, names twice, an image in both sets or smaller than a
            patch.
        ImageError: An image is not 8-bit RGB or cannot be read.
        ScoreError: An evaluation image is too small to be scored.
    """
    data, scale = settings.data, settings.scale
    train = _with_low_resolution(
        _describe(_paths(data, "train")),
        data.train_lq,
        data.template,
        scale=scale,
        key="data.train_lq",
    )
    evaluation = _with_low_resolution(
        _describe(_paths(data, "evaluation")),
        data.evaluation_lq,
        data.evaluation_template,
        scale=scale,
        key="scoring.evaluation_lq",
    )
    _check_overlap(train, evaluation)
    largest = max(settings.pretrain.patch, settings.finetune.patch)
    for image in train:
        _check_patch(image, largest, settings.scale)
    for image in evaluation:
        size = (image.height // scale * scale, image.width // scale * scale)
        check_size(str(image.path), size)
    return ImageSets(train, evaluation)


def data_digest(images: Sequence[ImageFile], scale: int) -> str:
    """Return the digest of a set of images and of what is made from them."""
    names = [
        [image.stem, image.sha256, *([image.low_sha256] if image.low else [])]
        for image in images
    ]
    return digest_of([_LQ_RECIPE, scale, names])


def check_recorded(images: ImageSets, recorded: Mapping[str, str], scale: int) -> None:
    """Check that the images are those of a campaign's earlier results.

    Args:
        images: The images of today.
        recorded: Digests of the earlier ones, as of `request.recorded_data`.
        scale: 2, 4 or 8.

    Raises:
        DataError: They are others, so new results could not be compared with the old.
    """
    way_out = "give the campaign another name to start anew"
    if recorded.get("training") not in (None, data_digest(images.train, scale)):
        raise DataError(
            "data: the training images are not those of the campaign's earlier "
            f"trainings; put these back, or {way_out}"
        )
    if recorded.get("scoring") not in (None, data_digest(images.evaluation, scale)):
        raise DataError(
            "scoring.evaluation: the images are not those that the earlier trials were "
            "scored on; put these back, or name another folder, and all trials are "
            f"scored again on its images, or {way_out}"
        )


def load_pairs(images: Sequence[ImageFile], scale: int) -> list[ImagePair]:
    """Read images and make their low resolution copies, in the given order."""
    # Decoding and numpy's loops release the interpreter lock.
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda image: load_pair(image, scale), images))


def load_pair(image: ImageFile, scale: int) -> ImagePair:
    """Read one image, crop it to a multiple of the scale, and read or make its copy."""
    gt = crop_to_multiple(read_image(image.path), scale)
    height, width = gt.shape[0] // scale, gt.shape[1] // scale
    if image.low is None:
        low = resize_bicubic_uint8(gt, size=(height, width))
    else:
        low = np.ascontiguousarray(read_image(image.low)[:height, :width])
    return ImagePair(image.stem, gt, low)


def crop_to_multiple(image: RgbImage, scale: int) -> RgbImage:
    """Cut the lower and right border so that both sides are multiples of the scale."""
    height, width = (side // scale * scale for side in image.shape[:2])
    return image[:height, :width]


def builtin_path(name: str) -> Path:
    """Return the file of a builtin photograph.

    Raises:
        DataError: The name is unknown, or its package is not installed.
    """
    if name not in BUILTIN:
        raise DataError(
            f"builtin photographs are {', '.join(BUILTIN)}, but got {name!r}"
        )
    package, file = BUILTIN[name]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise DataError(f"photograph {name!r} needs the package {package}")
    return Path(spec.origin).parent / file


def _paths(data: DataSettings, kind: str) -> list[Path]:
    train = kind == "train"
    chosen = data.train if train else data.evaluation
    if chosen is None:
        chosen = BUILTIN_TRAIN if train else BUILTIN_EVALUATION
    if isinstance(chosen, Path):
        chosen = (chosen,)
    if all(isinstance(name, str) for name in chosen):
        return [builtin_path(str(name)) for name in chosen]
    key = "data.train" if train else "scoring.evaluation"
    return find_images([Path(folder) for folder in chosen], key)


def _with_low_resolution(
    images: tuple[ImageFile, ...],
    folders: tuple[Path, ...],
    template: str | None,
    *,
    scale: int,
    key: str,
) -> tuple[ImageFile, ...]:
    """Return the images with their low resolution files, checked for their sizes."""
    if not folders:
        return images
    originals = [image.path for image in images]
    paths = match_low_resolution(originals, folders, template, scale, key=key)
    with ThreadPoolExecutor() as pool:
        lows = pool.map(_describe_one, paths)
        return tuple(
            _joined(image, low, scale) for image, low in zip(images, lows, strict=True)
        )


def _joined(image: ImageFile, low: ImageFile, scale: int) -> ImageFile:
    for ours, theirs in ((image.width, low.width), (image.height, low.height)):
        # Programs round a size that is no multiple of the scale down or up.
        if theirs not in (ours // scale, -(-ours // scale)):
            raise DataError(
                f"{low.path}: a low resolution image must be {scale} times smaller "
                f"than its original, but it has {low.width} x {low.height} pixels and "
                f"{image.path} has {image.width} x {image.height}"
            )
    return replace(image, low=low.path, low_sha256=low.sha256)


def _describe(paths: Sequence[Path]) -> tuple[ImageFile, ...]:
    with ThreadPoolExecutor() as pool:
        images = tuple(pool.map(_describe_one, paths))
    seen: dict[str, Path] = {}
    for image in images:
        key = image.stem.casefold()
        if key in seen:
            raise DataError(
                f"{image.path}: names of images must differ in more than case and "
                f"suffix, but {seen[key]} has the same; rename one"
            )
        seen[key] = image.path
    return images


def _describe_one(path: Path) -> ImageFile:
    content = read_bytes(path)
    width, height = size_of(content, path)
    digest = hashlib.sha256(content).hexdigest()
    return ImageFile(path.stem, path, width, height, digest)


def _check_overlap(train: Sequence[ImageFile], evaluation: Sequence[ImageFile]) -> None:
    known = {image.sha256: image.path for image in train}
    for image in evaluation:
        if image.sha256 in known:
            raise DataError(
                f"{image.path}: an evaluation image must not be trained on, "
                f"but {known[image.sha256]} has the same content"
            )


def _check_patch(image: ImageFile, patch: int, scale: int) -> None:
    if min(image.width, image.height) // scale < patch:
        raise DataError(
            f"{image.path}: a training image needs {patch * scale} pixels a side for "
            f"patch {patch} at scale {scale}, but got {image.width} x {image.height}; "
            "take a smaller patch, or remove the image"
        )


IMAGE_ERRORS = (DataError, ImageError, ScoreError)
"""What images can do wrong."""
