"""How fast the perceptual index is: plain against fast, and one process against two.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/quality/speed.py

The image is a photograph of scikit-image, 480 x 620 pixels, the size of many images of
the PIRM sets. Pairs are interleaved and the order inside a pair alternates, so that
other load on the machine meets both sides. Processor time and wall time are reported:
on a busy machine the first is the fairer one for a single process.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from PIL import Image

from collinear.quality.colour import luma
from collinear.quality.folders import score_folders
from collinear.quality.images import write_png
from collinear.quality.ma_features import ma_features
from collinear.quality.niqe import niqe
from collinear.quality.resize import resize_bicubic_uint8
from collinear.quality.rmse import shave

ROOT = Path(__file__).parents[2]
SKIMAGE = importlib.util.find_spec("skimage")
PHOTOGRAPH = Path(SKIMAGE.origin).parent / "data" / "astronaut.png"
SIZE = (480, 620)
IMAGES = 20
PAIRS = 5
FEATURE_PAIRS = 9


def main() -> int:
    plain = load_plain()
    y = shave(luma(photograph()))
    check_equal(plain, y)
    features = interleaved(
        lambda: plain.ma_features(y), lambda: ma_features(y), FEATURE_PAIRS
    )
    whole = interleaved(
        lambda: (plain.ma_features(y), niqe(y)),
        lambda: (ma_features(y), niqe(y)),
        FEATURE_PAIRS,
    )
    result = {
        "machine": machine(),
        "features_plain_fast": summary(features),
        "features_and_niqe_plain_fast": summary(whole),
        "folder_1_2_processes": throughput(),
        "load_at_the_end": os.getloadavg(),
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return 0


def load_plain() -> Any:
    spec = importlib.util.spec_from_file_location(
        "reference_ma", ROOT / "tests/reference_ma.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def photograph() -> np.ndarray:
    with Image.open(PHOTOGRAPH) as image:
        return resize_bicubic_uint8(np.array(image.convert("RGB")), size=SIZE)


def check_equal(plain: Any, y: np.ndarray) -> None:
    """Both versions give the same features, and are warm afterwards."""
    for one, other in zip(plain.ma_features(y), ma_features(y).groups, strict=True):
        assert np.abs(one - other).max() < 1e-8


def interleaved(
    one: Callable[[], Any], other: Callable[[], Any], pairs: int
) -> list[tuple[dict[str, float], dict[str, float]]]:
    found = []
    for pair in range(pairs):
        order = (one, other) if pair % 2 == 0 else (other, one)
        times = [clocked(function) for function in order]
        found.append((times[0], times[1]) if pair % 2 == 0 else (times[1], times[0]))
    return found


def clocked(function: Callable[[], Any]) -> dict[str, float]:
    wall, processor = time.perf_counter(), time.process_time()
    function()
    return {
        "wall": time.perf_counter() - wall,
        "processor": time.process_time() - processor,
    }


def summary(pairs: list[tuple[dict[str, float], dict[str, float]]]) -> dict[str, Any]:
    result: dict[str, Any] = {"pairs": len(pairs)}
    for clock in ("processor", "wall"):
        ratios = [other[clock] / one[clock] for one, other in pairs]
        result[clock] = {
            "seconds": [
                round(statistics.median(side[clock] for side in sides), 4)
                for sides in zip(*pairs, strict=True)
            ],
            "ratio_median": round(statistics.median(ratios), 3),
            "ratios": [round(ratio, 3) for ratio in ratios],
        }
    return result


def throughput() -> dict[str, Any]:
    """Score 20 images with one and with two processes, start of processes included."""
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        sr, hr = Path(folder) / "sr", Path(folder) / "hr"
        for path in (sr, hr):
            path.mkdir()
        gt = photograph()
        for index in range(IMAGES):
            noisy = np.clip(gt + rng.normal(0, 5, gt.shape), 0, 255).astype(np.uint8)
            write_png(sr / f"{index:02d}.png", noisy)
            write_png(hr / f"{index:02d}.png", gt)
        pairs = interleaved(
            lambda: score_folders(sr, hr, jobs=1),
            lambda: score_folders(sr, hr, jobs=2),
            PAIRS,
        )
    gains = [one["wall"] / two["wall"] for one, two in pairs]
    return {
        "images": IMAGES,
        "pairs": PAIRS,
        "seconds_one": [round(one["wall"], 2) for one, _ in pairs],
        "seconds_two": [round(two["wall"], 2) for _, two in pairs],
        "gains": [round(gain, 3) for gain in gains],
        "gain_median": round(statistics.median(gains), 3),
    }


def machine() -> dict[str, Any]:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "load_at_the_start": os.getloadavg(),
    }


if __name__ == "__main__":
    sys.exit(main())
