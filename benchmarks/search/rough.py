"""Rough landscapes: a new instance for each seed, of kinds that tuners find hard.

`kernel` imitates the tuning of a GPU kernel (short axes, products of them that fail or
fall off a step), `network` that of a small network (noise, categorical axes, a steep
wall of useless settings), `ridge` a narrow valley in a random direction among basins.
The formulas are ours; no instance was chosen by how a method does on it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Axis = tuple[str, tuple[float, ...], bool]

NAMES = ("rough_kernel", "rough_network", "rough_ridge")
_FAMILY = {name: k for k, name in enumerate(NAMES)}

_KERNEL: tuple[Axis, ...] = (
    ("block_x", (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0), False),
    ("block_y", (1.0, 2.0, 4.0, 8.0, 16.0, 32.0), False),
    ("tile_x", (1.0, 2.0, 3.0, 4.0, 6.0, 8.0), False),
    ("tile_y", (1.0, 2.0, 4.0, 8.0), False),
    ("unroll", (1.0, 2.0, 4.0, 8.0), False),
    ("layout", (0.0, 1.0, 2.0), True),
    ("staged", (0.0, 1.0), True),
)
_NETWORK: tuple[Axis, ...] = (
    ("learning_rate", tuple(10.0 ** (-5.0 + 0.5 * i) for i in range(10)), False),
    ("batch", (8.0, 16.0, 32.0, 64.0, 128.0), False),
    ("width", (16.0, 32.0, 64.0, 128.0, 256.0, 512.0), False),
    ("decay", (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1), False),
    ("dropout", (0.0, 0.15, 0.3, 0.45, 0.6), False),
    ("activation", (0.0, 1.0, 2.0), True),
)
_RIDGE: tuple[Axis, ...] = tuple(
    (f"axis_{k}", tuple(float(i) for i in range(n)), False)
    for k, n in enumerate((15, 12, 12, 10))
)


def rough(name: str, seed: int) -> tuple[tuple[Axis, ...], Array, float]:
    """An instance of a rough landscape.

    Args:
        name: One of `NAMES`.
        seed: Of the instance, >= 0.

    Returns:
        Axes (name, values, categorical), N true values in C order with NaN where a
        trial fails, and the noise as a share of (median - optimum).
    """
    kinds: dict[str, tuple[tuple[Axis, ...], Callable[..., Array], float]] = {
        "rough_kernel": (_KERNEL, _kernel, 0.01),
        "rough_network": (_NETWORK, _network, 0.05),
        "rough_ridge": (_RIDGE, _ridge, 0.03),
    }
    axes, formula, noise = kinds[name]
    chance = np.random.default_rng([seed, 0x0926, _FAMILY[name]])
    grid = np.meshgrid(*[np.arange(len(a[1])) for a in axes], indexing="ij")
    return axes, formula([g.ravel() for g in grid], axes, chance), noise


def _kernel(index: list[Array], axes: tuple[Axis, ...], chance: np.random.Generator):
    """Run time of a kernel: how far work, latency and steps of occupancy overlap."""
    x, y, tx, ty, unroll = (
        np.array(a[1])[i] for a, i in zip(axes[:5], index[:5], strict=True)
    )
    layout, staged = index[5], index[6]
    threads = x * y
    registers = chance.uniform(8, 20) + chance.uniform(1.0, 3.0) * tx * ty
    registers += chance.uniform(0.5, 2.0) * unroll * np.sqrt(tx)
    shared = (x * tx + 4.0) * (y * ty + 4.0) * staged * chance.uniform(2.0, 6.0)
    fits = (threads >= 16) & (threads <= 1024)
    fits &= (registers <= 255) & (shared <= 98_304) & (registers * threads <= 65_536)
    resident = np.floor(65_536 / np.maximum(registers * threads, 1.0))
    resident = np.minimum(resident, np.floor(98_304 / np.maximum(shared, 1.0)))
    occupancy = np.clip(resident * threads / 2048.0, 1e-3, 1.0)
    width = np.array([8.0, 16.0, 32.0])[chance.permutation(3)][layout.astype(int)]
    coalesced = np.minimum(x, width) / width
    reuse = 1.0 + chance.uniform(0.2, 0.6) * np.log2(tx * ty + 1.0) * (0.5 + staged)
    memory = 1.0 / (reuse * (0.15 + 0.85 * coalesced))
    arithmetic = chance.uniform(0.2, 0.5) * (1.0 + chance.uniform(0.5, 1.5) / unroll)
    latency = chance.uniform(0.1, 0.3) / (occupancy ** chance.uniform(0.4, 0.8))
    uneven = chance.normal(0.0, 0.06, (len(axes[2][1]), len(axes[4][1]), 3, 2))
    rough_part = uneven[tuple(index[k].astype(int) for k in (2, 4, 5, 6))]
    time = (np.maximum(memory, arithmetic) + latency) * np.exp(rough_part)
    return np.where(fits, np.log(time), np.nan)


def _network(index: list[Array], axes: tuple[Axis, ...], chance: np.random.Generator):
    """Error of a network: the best rate follows batch and width; above it, useless."""
    u = [i / (len(a[1]) - 1) for i, a in zip(index, axes, strict=True)]
    rate, batch, width, decay, dropout = u[:5]
    kind = index[5].astype(int)
    centre = chance.uniform(0.3, 0.65) + chance.uniform(0.05, 0.3) * (batch - 0.5)
    centre = centre - chance.uniform(0.05, 0.25) * (width - 0.5)
    centre = centre + chance.normal(0.0, 0.06, 3)[kind]
    gap = rate - centre
    curve = chance.uniform(1.0, 2.5) * gap**2 * np.where(gap > 0.0, 2.0, 1.0)
    size = chance.uniform(0.3, 0.8) * (1.0 - width) ** 2
    overfit = chance.uniform(0.2, 0.8) * width * (1.0 - dropout) * (1.0 - decay)
    underfit = chance.uniform(0.2, 0.8) * (decay**2 + dropout**2) * (1.2 - width)
    level = chance.normal(0.0, 0.08, 3)[kind]
    small = chance.normal(0.0, 0.02, [len(a[1]) for a in axes])
    error = 0.2 + curve + size + overfit + underfit + level + small.ravel()
    useless = 1.0 / (1.0 + np.exp(-(gap - chance.uniform(0.15, 0.3)) / 0.03))
    return error * (1.0 - useless) + chance.uniform(1.5, 2.5) * useless


def ridge(lengths: tuple[int, ...], seed: int) -> Array:
    """An instance of `rough_ridge` on any grid: N values in C order."""
    axes = tuple((str(k), tuple(range(n)), False) for k, n in enumerate(lengths))
    chance = np.random.default_rng([seed, 0x0926, _FAMILY["rough_ridge"]])
    grid = np.meshgrid(*[np.arange(n) for n in lengths], indexing="ij")
    return _ridge([g.ravel() for g in grid], axes, chance)


def _ridge(index: list[Array], axes: tuple[Axis, ...], chance: np.random.Generator):
    """A bent valley in a random direction, with three shallow basins beside it."""
    x = np.stack([i / (len(a[1]) - 1) for i, a in zip(index, axes, strict=True)], 1)
    d = x.shape[1]
    basis, _ = np.linalg.qr(chance.standard_normal((d, d)))
    moved = (x - chance.uniform(0.2, 0.8, d)) @ basis
    moved[:, 1] += chance.uniform(-0.6, 0.6) * moved[:, 0] ** 2
    steep = np.interp(np.linspace(0.0, 3.0, d), range(4), (0.15, 1.0, 2.5, 6.0))
    value = (moved**2 * steep).sum(axis=1)
    value = value / (0.5 + value)
    for depth in (0.35, 0.3, 0.25):
        apart = (x - chance.uniform(0.0, 1.0, d)) / chance.uniform(0.12, 0.25, d)
        # As wide on average with any number of axes.
        near = np.exp(-0.5 * (apart**2).sum(axis=1) * 4.0 / d)
        value = value - depth * near * value
    return value
