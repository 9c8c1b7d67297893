"""Decoded images and their low resolution copies, made once and kept between runs.

Decoding and shrinking a large data set takes minutes, and every trial needs the same
arrays. With `data.cache` the first run keeps them in a folder named by their digest, as
two flat files of bytes, plane by plane, that later runs map into memory. Files of
another size than their record says are made anew; their bytes are not checked, because
reading a large data set takes as long as a short training.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collinear.dbpn.data import ImageFile, ImagePair, data_digest, load_pair
from collinear.dbpn.files import write_json
from collinear.dbpn.progress import Progress

_log = logging.getLogger(__name__)

_LEFT_OVER_SECONDS = 24 * 3600
_AT_ONCE = 16
"""Images in memory while the store is made: it may be larger than the memory."""


def load_or_keep_pairs(
    images: Sequence[ImageFile], scale: int, cache: Path | None, store: str = "auto"
) -> list[ImagePair]:
    """Return images with their low resolution copies, from the cache if it has them.

    Args:
        images: The files.
        scale: Factor between original and low resolution.
        cache: Folder of kept arrays, made if missing; None: keep nothing.
        store: With "ram" the arrays are read into memory; else those from a cache are
            mapped from disk.

    Returns:
        The images in order.
    """
    if cache is None:
        return [_by_planes(pair) for pair in _decoded(images, scale)]
    folder = cache / f"planes-{data_digest(images, scale)[:32]}"
    if folder.exists() and not _is_whole(folder):
        _log.warning("%s: is damaged, and made anew", folder)
        # Renamed first: another run may be reading it, or do the same.
        damaged = _beside(folder)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    if not folder.exists():
        _keep(images, scale, folder)
    return _kept(folder, mapped=store != "ram")


def _decoded(images: Sequence[ImageFile], scale: int) -> Iterator[ImagePair]:
    """Decode and shrink images, a few at a time in threads, with a progress bar."""
    with ThreadPoolExecutor() as pool, Progress("images", len(images)) as progress:
        done = 0
        for first in range(0, len(images), _AT_ONCE):
            some = images[first : first + _AT_ONCE]
            # Decoding and numpy's loops release the interpreter lock.
            for pair in pool.map(lambda image: load_pair(image, scale), some):
                yield pair
                done += 1
                progress.update(done)


def _by_planes(pair: ImagePair) -> ImagePair:
    """Return the same images, stored plane by plane as training wants them."""
    gt, lq = (
        np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
        for image in (pair.gt, pair.lq)
    )
    return ImagePair(pair.stem, gt, lq)


def _keep(images: Sequence[ImageFile], scale: int, folder: Path) -> None:
    """Write the arrays beside the folder, then rename: whole or not at all."""
    _remove_left_overs(folder)
    temporary = _beside(folder)
    temporary.mkdir(parents=True)
    try:
        low = [(image.height // scale, image.width // scale) for image in images]
        pixels = sum(height * width for height, width in low)
        gts = _new_array(temporary / "gt.npy", 3 * pixels * scale**2)
        lqs = _new_array(temporary / "lq.npy", 3 * pixels)
        shapes = []
        gt_at = lq_at = 0
        for pair in _decoded(images, scale):
            gts[gt_at : gt_at + pair.gt.size] = pair.gt.transpose(2, 0, 1).reshape(-1)
            lqs[lq_at : lq_at + pair.lq.size] = pair.lq.transpose(2, 0, 1).reshape(-1)
            gt_at, lq_at = gt_at + pair.gt.size, lq_at + pair.lq.size
            shapes.append([pair.stem, pair.gt.shape, pair.lq.shape])
        gts.flush()
        lqs.flush()
        write_json(temporary / "shapes.json", shapes)
        temporary.rename(folder)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        # Another run may have kept the same arrays meanwhile.
        if not (isinstance(error, OSError) and folder.exists()):
            raise


def _beside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")


def _remove_left_overs(folder: Path) -> None:
    """Delete what killed runs left; a younger folder may still be written."""
    for path in folder.parent.glob(f".{folder.name}.*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _LEFT_OVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    """Whether the files are there and as long as their record says."""
    try:
        record = json.loads((folder / "shapes.json").read_text())
        for at, kind in ((1, "gt"), (2, "lq")):
            size = sum(math.prod(row[at]) for row in record)
            if _load(folder / f"{kind}.npy", mapped=True).shape != (size,):
                return False
    # Any other error, such as of memory, says nothing of the files.
    except (FileNotFoundError, EOFError, ValueError, TypeError, IndexError):
        return False
    return True


def _new_array(path: Path, size: int) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(size,))


def _kept(folder: Path, mapped: bool) -> list[ImagePair]:
    gts, lqs = (_load(folder / f"{kind}.npy", mapped) for kind in ("gt", "lq"))
    pairs = []
    gt_at = lq_at = 0
    for stem, gt_shape, lq_shape in json.loads((folder / "shapes.json").read_text()):
        gt_end, lq_end = gt_at + int(np.prod(gt_shape)), lq_at + int(np.prod(lq_shape))
        gt = _image(gts[gt_at:gt_end], gt_shape)
        lq = _image(lqs[lq_at:lq_end], lq_shape)
        pairs.append(ImagePair(stem, gt, lq))
        gt_at, lq_at = gt_end, lq_end
    return pairs


def _image(planes: NDArray[np.uint8], shape: Sequence[int]) -> NDArray[np.uint8]:
    """Return an image (h, w, 3), a view of its three planes."""
    return planes.reshape(3, *shape[:2]).transpose(1, 2, 0)


def _load(path: Path, mapped: bool) -> NDArray[np.uint8]:
    return np.load(path, mmap_mode="r" if mapped else None)
