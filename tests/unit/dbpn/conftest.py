"""Settings, images and reference data for the tests of `collinear.dbpn`."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from collinear.dbpn.data import ImagePair
from collinear.dbpn.read_settings import load_settings
from collinear.quality.images import write_png
from collinear.quality.resize import resize_bicubic_uint8

torch.set_num_threads(1)
ROOT = Path(__file__).parents[3]

TINY: dict[str, Any] = {
    "scale": 2,
    "model": {"stages": 2, "base": 4, "feat": 8, "residual": True},
    "pretrain": {"iterations": 6, "minibatch": 2, "patch": 8, "learning_rate": 1e-3},
    "finetune": {
        "iterations": 6,
        "minibatch": 2,
        "patch": 8,
        "learning_rate": 1e-3,
        "ema": 0.9,
        "discriminator": {"base": 2},
    },
    "features": {"width_divisor": 16, "taps": ["pool1", "pool2"]},
    "device": "cpu",
}


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of nested mappings with some keys replaced."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if nested else value
    return result


@pytest.fixture
def tiny():
    """Return a function (changes, params) -> settings of a network of toy size."""

    def make(changes=None, params=None, scoring=None):
        return load_settings(merge(TINY, changes or {}), params, scoring=scoring)

    return make


@pytest.fixture
def tiny_mapping():
    """Return a function (changes) -> the mapping behind `tiny`."""
    return lambda changes=None: merge(TINY, changes or {})


@pytest.fixture(scope="session")
def pairs() -> list[ImagePair]:
    """Three small images with structure, at scale 2."""
    draw = np.random.default_rng(6)
    found = []
    for index, (height, width) in enumerate([(24, 32), (40, 20), (28, 28)]):
        coarse = draw.integers(0, 256, (height // 4, width // 4, 3)).astype(np.uint8)
        gt = resize_bicubic_uint8(coarse, size=(height, width))
        lq = resize_bicubic_uint8(gt, 0.5)
        found.append(ImagePair(f"image{index}", gt, lq))
    return found


@pytest.fixture
def folders(tmp_path):
    """Folders with two training images and one that is large enough to be scored."""
    draw = np.random.default_rng(7)
    for kind, shapes in {
        "train": [(40, 48), (44, 40)],
        "evaluation": [(104, 201)],
    }.items():
        (tmp_path / kind).mkdir()
        for index, shape in enumerate(shapes):
            image = draw.integers(0, 256, (*shape, 3)).astype(np.uint8)
            write_png(tmp_path / kind / f"{kind}{index}.png", image)
    return {"source": "folder", "train": str(tmp_path / "train")}


@pytest.fixture
def scoring(folders, tmp_path):
    """The evaluation images beside `folders`."""
    return {"evaluation": str(tmp_path / "evaluation")}


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Forward values of the authors' networks; provenance inside the file."""
    return json.loads((ROOT / "tests/golden/dbpn/forward.json").read_text())


@pytest.fixture(scope="session")
def shared_forward() -> dict[str, np.ndarray]:
    """All forward values of the authors' networks, when they are at hand."""
    base = Path(os.environ.get("COLLINEAR_SHARED", ROOT.parent / "shared"))
    file = base / "reference" / "dbpn" / "forward.npz"
    if not file.is_file():
        pytest.skip(f"no reference values at {file}")
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}
