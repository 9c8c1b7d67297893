"""Landscapes on the grids of the two documents, with the settings of `config/`.

The formulas are those of `benchmarks/search` and `benchmarks/documents`. Each moves
with its seed, so no method profits from an optimum at a favoured place, and each has
noise of 3 % of the distance from the optimum to the median setting.
"""

from __future__ import annotations

import math
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import yaml

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
for _folder in ("search", "documents"):  # behind this folder: both have other modules
    sys.path.append(str(HERE.parent / _folder))

import rough  # noqa: E402
import simulate  # noqa: E402
from landscapes import Landscape, Parameter, formula  # noqa: E402

GRIDS = {"jh220044": "config/jh220044.yaml", "poster": "config/poster.yaml"}
NAMES = ("valley", "plateau", "ridge", "basins", "smooth")
NOISE = 0.03  # of median - optimum
_FORMULAS = {"valley": "valley_noise", "plateau": "plateau_diverge", "smooth": "smooth"}


@lru_cache(maxsize=2)
def space(grid: str) -> dict[str, tuple[float, ...]]:
    """The axes of a document's grid by name."""
    config = yaml.safe_load((REPOSITORY / GRIDS[grid]).read_text())
    return {name: tuple(values) for name, values in config["space"].items()}


@lru_cache(maxsize=4)
def landscape(grid: str, name: str, seed: int) -> Landscape:
    """A landscape on a document's grid.

    Args:
        grid: One of `GRIDS`.
        name: One of `NAMES`.
        seed: Where its optimum lies; >= 0.
    """
    axes = space(grid)
    lengths = tuple(len(values) for values in axes.values())
    if name == "ridge":
        true = rough.ridge(lengths, seed)
    elif name == "basins":
        true = _basins(lengths, seed)
    else:
        true = formula(_FORMULAS[name], seed, lengths)
    finite = true[np.isfinite(true)]
    spread = float(np.median(finite) - finite.min())
    parameters = tuple(Parameter(n, v) for n, v in axes.items())
    return Landscape(name, parameters, true, noise=NOISE * spread)


def _basins(lengths: tuple[int, ...], seed: int) -> np.ndarray:
    """The several basins of `benchmarks/documents` at every point of a grid."""
    cost = simulate.landscapes(seed)["basins"]
    scale = np.array(lengths) - 1
    points = np.stack(np.unravel_index(np.arange(math.prod(lengths)), lengths), axis=1)
    return np.array([cost(x) for x in points / scale])
