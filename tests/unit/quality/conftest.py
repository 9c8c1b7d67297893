"""Photographs and reference data for the tests of `collinear.quality`."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image
from scipy.io import savemat

from collinear.quality.resize import resize_bicubic_uint8

ROOT = Path(__file__).parents[3]
PHOTOGRAPHS = Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Scores from the challenge's own program; provenance inside the file."""
    return json.loads((ROOT / "tests/golden/quality/pirm_scores.json").read_text())


@pytest.fixture(scope="session")
def golden_features() -> dict[str, Any]:
    """Ma's features from the authors' program; provenance inside the file."""
    return json.loads((ROOT / "tests/golden/quality/ma_features.json").read_text())


@pytest.fixture(scope="session")
def plain() -> ModuleType:
    """The plain version of Ma's features, tests/reference_ma.py."""
    path = ROOT / "tests/reference_ma.py"
    spec = importlib.util.spec_from_file_location("reference_ma", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared_scores() -> Path:
    """The folder of reference images and `oracle.json`, when it is at hand."""
    base = Path(os.environ.get("COLLINEAR_SHARED", ROOT.parent / "shared"))
    folder = base / "reference" / "perceptual_index"
    if not (folder / "oracle.json").is_file():
        pytest.skip(f"no reference images in {folder}")
    return folder


@pytest.fixture(scope="session")
def photograph(golden):
    """Return a function (name) -> 232 x 296 crop, or its bicubic copy."""

    def load(name: str) -> np.ndarray:
        stem, _, kind = name.partition("_")
        crop = golden["crops"][stem]
        with Image.open(PHOTOGRAPHS / crop["file"]) as image:
            whole = np.array(image.convert("RGB"))
        gt = whole[crop["top"] :, crop["left"] :][:232, :296]
        if kind == "hr":
            return gt
        factor = int(kind.removeprefix("bicubic"))
        return resize_bicubic_uint8(
            resize_bicubic_uint8(gt, 1 / factor), size=gt.shape[:2]
        )

    return load


@pytest.fixture
def stand_in(tmp_path) -> Callable[..., Path]:
    """Return a function that writes a small random model in the published layout."""

    def write(edit: Callable[..., None] | None = None) -> Path:
        return write_stand_in(tmp_path / "stand_in.mat", edit)

    return write


def write_stand_in(path: Path, edit: Callable[..., None] | None = None) -> Path:
    """Write a model of random trees; `edit` changes its tables and linear weights."""
    rng = np.random.default_rng(11)
    tables = [random_tables(rng, size) for size in (18, 45, 75)]
    rest = SimpleNamespace(linear=np.array([[-0.5], [0.4], [0.3], [0.4]]))
    if edit is not None:
        edit(tables, rest)
    forests = np.empty((len(tables), 1), dtype=object)
    forests[:, 0] = tables
    content = {"model": {"rf": forests, "linear": rest.linear}}
    savemat(path, content, do_compression=True)
    return path


def random_tables(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Return the fields of a forest of 5 full trees with 4 splits above each leaf."""
    trees, nodes, splits = 5, 40, 15
    parent = np.arange(splits)
    left, right = (np.zeros((nodes, trees), np.int32) for _ in range(2))
    left[:splits] = (2 * parent + 2)[:, None]
    right[:splits] = (2 * parent + 3)[:, None]
    return {
        "lDau": left,
        "rDau": right,
        "nodestatus": np.full((nodes, 1), "x"),
        "nrnodes": float(nodes),
        "upper": rng.normal(size=(nodes, trees)),
        "avnode": rng.uniform(0, 10, (nodes, trees)),
        "mbest": np.where(left > 0, rng.integers(1, size + 1, (nodes, trees)), 0),
        "ndtree": np.full((trees, 1), 2 * splits + 1, np.int32),
        "ntree": float(trees),
        "importance": np.zeros((size, 1)),
        "coef": np.zeros((2, 1)),
    }
