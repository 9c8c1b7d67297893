"""Photographs and reference data for the tests of `collinear.quality`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image

from collinear.quality.resize import resize_bicubic_uint8

ROOT = Path(__file__).parents[3]
PHOTOGRAPHS = Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Scores from the challenge's own program; provenance inside the file."""
    return json.loads((ROOT / "tests/golden/quality/pirm_scores.json").read_text())


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
