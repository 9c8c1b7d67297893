"""Keeping decoded images and their low resolution copies between runs.

Decoding and shrinking a large data set takes minutes, and every trial needs the same
arrays. With `data.cache` the first run keeps them in a folder named by their digest.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from collinear.dbpn.data import ImageFile, ImagePair, data_digest, load_pairs
from collinear.dbpn.files import write_json

_KINDS = ("gt", "lq")


def load_or_keep_pairs(
    images: Sequence[ImageFile], scale: int, cache: Path | None
) -> list[ImagePair]:
    """Return images with their low resolution copies, from the cache if it has them.

    Args:
        images: The files.
        scale: Factor between original and low resolution.
        cache: Folder of kept arrays, made if missing; None: keep nothing.

    Returns:
        The images in order; those from the cache are mapped from disk.
    """
    if cache is None:
        return load_pairs(images, scale)
    folder = cache / data_digest(images, scale)[:32]
    if not folder.exists():
        _keep(load_pairs(images, scale), folder)
    return _mapped(folder)


def _keep(pairs: Sequence[ImagePair], folder: Path) -> None:
    """Write the arrays beside the folder, then rename: whole or not at all."""
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    temporary.mkdir(parents=True)
    try:
        for kind in _KINDS:
            flat = [getattr(pair, kind).reshape(-1) for pair in pairs]
            np.save(temporary / f"{kind}.npy", np.concatenate(flat))
        shapes = [[pair.stem, pair.gt.shape, pair.lq.shape] for pair in pairs]
        write_json(temporary / "shapes.json", shapes)
        temporary.rename(folder)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        # Another run may have kept the same arrays meanwhile.
        if not folder.exists():
            raise


def _mapped(folder: Path) -> list[ImagePair]:
    gts, lqs = (np.load(folder / f"{kind}.npy", mmap_mode="r") for kind in _KINDS)
    pairs = []
    gt_at = lq_at = 0
    for stem, gt_shape, lq_shape in json.loads((folder / "shapes.json").read_text()):
        gt_end, lq_end = gt_at + int(np.prod(gt_shape)), lq_at + int(np.prod(lq_shape))
        gt = gts[gt_at:gt_end].reshape(gt_shape)
        lq = lqs[lq_at:lq_end].reshape(lq_shape)
        pairs.append(ImagePair(stem, gt, lq))
        gt_at, lq_at = gt_end, lq_end
    return pairs
