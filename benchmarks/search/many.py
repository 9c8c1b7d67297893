"""Landscapes of six axes and 117,649 points, another instance for each seed.

`basin` is smooth with interactions, `funnel` a plateau with one deep and one shallow
funnel of which a quarter diverges, `ridge` the narrow valley of `rough.py`. The
formulas are ours; no instance was chosen by how a method does on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rough import ridge

Array = NDArray[np.float64]

LENGTHS = (7,) * 6
NAMES = ("many_basin", "many_funnel", "many_ridge")
_DIVERGES = 0.25  # share of the points


def many(name: str, seed: int) -> tuple[Array, float]:
    """An instance of a landscape.

    Args:
        name: One of `NAMES`.
        seed: Of the instance, >= 0.

    Returns:
        N true values in C order with NaN where a trial fails, and the noise as a share
        of (median - optimum).
    """
    if name == "many_ridge":
        return ridge(LENGTHS, seed), 0.03
    chance = np.random.default_rng([seed, 0x3A2F, NAMES.index(name)])
    axes = np.meshgrid(*[np.arange(n) / (n - 1) for n in LENGTHS], indexing="ij")
    x = np.stack([a.ravel() for a in axes], axis=1)
    return {"many_basin": _basin, "many_funnel": _funnel}[name](x, chance), 0.0


def _basin(x: Array, chance: np.random.Generator) -> Array:
    """A bowl whose axes matter unequally; each axis interacts with its neighbour."""
    d = x.shape[1]
    root = 10.0 ** chance.uniform(-0.4, 0.4, d)
    moved = root * (x - chance.uniform(0.15, 0.85, d))
    turned = moved @ np.eye(d)[chance.permutation(d)]
    twist = chance.uniform(-0.7, 0.7, d)
    return (moved**2).sum(axis=1) + (twist * moved * turned).sum(axis=1) / 2.0


def _funnel(x: Array, chance: np.random.Generator) -> Array:
    """A deep and a shallow funnel in a plateau; beyond a plane, trials diverge."""
    d = x.shape[1]
    far = x @ chance.uniform(0.0, 1.0, d)
    edge = np.quantile(far, 1.0 - _DIVERGES)
    inside = np.flatnonzero(far < 0.9 * edge)
    deep, shallow = x[chance.choice(inside, 2, replace=False)]
    wide, tight = chance.uniform(0.5, 0.9, d), chance.uniform(0.3, 0.6, d)
    value = -0.6 * np.exp(-(((x - deep) / wide) ** 2).sum(axis=1))
    value -= 0.15 * np.exp(-(((x - shallow) / tight) ** 2).sum(axis=1))
    return np.where(far > edge, np.nan, 2.6 + value)
