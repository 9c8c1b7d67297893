"""CPU time of one training sample: decoding a whole image for a patch, and our store.

    python benchmarks/dbpn/data.py --out benchmarks/dbpn/data.json

The public program opens a PNG file of DIV2K's size, shrinks the whole image, enlarges
it again for the residual, and keeps one patch. The store cuts the same patch (40 x 40
and 160 x 160 pixels) out of bytes that were decoded once; choosing, turning and
stacking are included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import zoom
from skimage import data

from collinear.dbpn.data import ImagePair
from collinear.dbpn.minibatch import PatchSource
from collinear.dbpn.patches import plan_patches

SIZE = (1356, 2040)
PATCH, SCALE, MINIBATCH = 40, 4, 8


def photograph() -> np.ndarray:
    """A photograph of DIV2K's size, so that decoding costs what it costs."""
    image = data.astronaut()
    factors = [
        side / length for side, length in zip(SIZE, image.shape[:2], strict=True)
    ]
    large = zoom(image, (*factors, 1), order=3)
    noise = np.random.default_rng(0).normal(0, 4, large.shape)
    return np.clip(large + noise, 0, 255).astype(np.uint8)


def whole_image(path: Path) -> np.ndarray:
    """What the public program does for one patch."""
    with Image.open(path) as file:
        image = file.convert("RGB")
    small = image.resize((image.width // SCALE, image.height // SCALE), Image.BICUBIC)
    base = small.resize(image.size, Image.BICUBIC)
    side = PATCH * SCALE
    return np.concatenate(
        [np.asarray(x.crop((0, 0, side, side))) for x in (image, base)]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    gt = photograph()
    pairs = [
        ImagePair(str(i), gt, np.ascontiguousarray(gt[::4, ::4])) for i in range(4)
    ]
    source = PatchSource(pairs, SCALE, torch.device("cpu"), resident=False)
    ratios, whole, ours = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        Image.fromarray(gt).save(path)
        for turn in range(-1, options.rounds):
            start = time.process_time()
            whole_image(path)
            whole.append(time.process_time() - start)
            start = time.process_time()
            for step in range(500):
                patches = plan_patches(
                    1,
                    "pretrain",
                    step + 500 * turn,
                    minibatch=MINIBATCH,
                    patch=PATCH,
                    sizes=source.sizes,
                )
                source.minibatch(patches, PATCH)
            ours.append((time.process_time() - start) / (500 * MINIBATCH))
            ratios.append(whole[-1] / ours[-1])
    record = {
        "ms a sample, whole image": round(1e3 * statistics.median(whole[1:]), 2),
        "microseconds a sample, store": round(1e6 * statistics.median(ours[1:]), 2),
        "ratio": round(statistics.median(ratios[1:])),
        "ratios": [round(ratio) for ratio in ratios[1:]],
    }
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
