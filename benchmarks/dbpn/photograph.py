"""Memory and time of enlarging to a photograph of 2040 x 1356 pixels with T = 7.

    python benchmarks/dbpn/photograph.py --out benchmarks/dbpn/photograph.json

The system refuses this process more than two gigabytes of data.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch

from collinear.dbpn.config import ModelSettings
from collinear.dbpn.device import peak_memory_mb
from collinear.dbpn.infer import Tiling, enlarge
from collinear.dbpn.model import DBPN

LIMIT = 2 * 10**9
LOW = (339, 510)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--memory-gb", type=float, default=1.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    network = DBPN(4, ModelSettings(stages=7, residual=False)).eval()
    image = np.random.default_rng(0).integers(0, 256, (*LOW, 3), np.uint8)
    start = time.process_time()
    large = enlarge(network, image, Tiling(memory_gb=options.memory_gb))
    record = {
        "size": list(large.shape[1:]),
        "memory_gb": options.memory_gb,
        "cpu seconds": round(time.process_time() - start, 1),
        "peak resident MB": round(peak_memory_mb(torch.device("cpu")), 1),
    }
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
