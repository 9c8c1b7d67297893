"""Landscapes to search: recorded tables of real tunings, and synthetic ones.

A landscape knows the true value of every point of a grid, so regret can be measured.
Recorded tables hold repeated trainings of each point; a synthetic landscape is a
formula on the unit cube. Those named ``moved_...`` shift their optimum with the seed
of a run, so no method profits from an optimum at a favoured place; those named
``rough_...`` (`rough.py`), ``wide_...`` (61,440 points) and ``many_...`` (117,649,
`many.py`) are another landscape for each seed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from kernels import NAMES as KERNELS
from many import LENGTHS as MANY_LENGTHS
from many import NAMES as MANY
from many import many
from numpy.typing import NDArray
from published import NAMES as TABLES
from rough import NAMES as ROUGH
from rough import ridge, rough

Array = NDArray[np.float64]

HERE = Path(__file__).parent
RECORDED = (
    "fcnet_naval_6d",
    "gpu_pnpoly_3090_4d",
    "hpobnn_phoneme_4d",
    "hpobnn_vehicle_5d",
    "nmt_soen_6d",
    "nmtft_fren_4d",
)
PUBLISHED = tuple(name for name in TABLES if name not in RECORDED)
SYNTHETIC = ("smooth", "valley_noise", "plateau_diverge")
MOVED = tuple(f"moved_{name}" for name in SYNTHETIC)
WIDE = (*(f"wide_{name}" for name in SYNTHETIC), "wide_ridge")
LIMITED = ("limited_61k", "limited_61k_noise")

_WEIGHTS = (0.0, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 50.0, 100.0, 500.0)
_RATES = (1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2)
_NAMES = ("learning_rate", "w_perceptual", "w_adversarial", "w_style")
_LIMIT = 12.5
_WIDE = (15, 16, 16, 16)  # the grid of config/poster.yaml


@dataclass(frozen=True)
class Parameter:
    """One axis: its name, its values in order, and whether the order means nothing."""

    name: str
    values: tuple[float, ...]
    categorical: bool = False


@dataclass(frozen=True)
class Landscape:
    """A grid with known true values; lower is better.

    Attributes:
        name: Its name.
        parameters: Axes of the grid.
        true: N true values in C order; NaN where a trial fails.
        repeats: N x r recorded trainings to draw observations from, or None.
        noise: Standard deviation of observations where there are no repeats.
        limited: N true values of a second, limited quantity, or None.
        limited_noise: Standard deviation of its observations.
        limit: A trial is feasible when the quantity is at most this.
    """

    name: str
    parameters: tuple[Parameter, ...]
    true: Array
    repeats: Array | None = None
    noise: float = 0.0
    limited: Array | None = None
    limited_noise: float = 0.0
    limit: float = np.inf

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(p.values) for p in self.parameters)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Points that do not fail and truly keep the limit."""
        finite = np.isfinite(self.true)
        return finite if self.limited is None else finite & (self.limited <= self.limit)

    @property
    def regrets(self) -> Array:
        """(true - optimum) / (median - optimum); infinite where infeasible."""
        feasible = self.feasible
        best = self.true[feasible].min()
        middle = np.median(self.true[np.isfinite(self.true)])
        return np.where(feasible, (self.true - best) / (middle - best), np.inf)

    def observe(self, flat: int, repeat: int, seed: int) -> tuple[float, float | None]:
        """One trial: its value (NaN: failed) and its distance above the limit.

        The outcome depends on (point, number of the repeat, seed) alone, so every
        method sees the same luck at the same point.
        """
        if not np.isfinite(self.true[flat]):
            return float("nan"), None
        chance = np.random.default_rng([seed, flat, repeat])
        if self.repeats is not None:
            value = float(chance.choice(self.repeats[flat]))
        else:
            value = float(self.true[flat] + self.noise * chance.standard_normal())
        if self.limited is None:
            return value, None
        shifted = self.limited[flat] + self.limited_noise * chance.standard_normal()
        return value, float(shifted - self.limit)


def get(name: str, seed: int) -> Landscape:
    """The landscape of that name; the seed matters for moved and rough ones only."""
    if name in KERNELS:
        return _table(name, HERE / "kernels")
    if name in RECORDED or name in PUBLISHED:
        return _recorded(name)
    if name in ROUGH:
        return _rough(name, seed)
    if name in WIDE:
        return _wide(name, seed)
    if name in MANY:
        return _many(name, seed)
    return _synthetic(name, seed if name in MOVED else -1)


def _recorded(name: str) -> Landscape:
    if "COLLINEAR_TABLES" not in os.environ:
        raise SystemExit(
            f"landscape {name!r} is a recorded table: set COLLINEAR_TABLES to the "
            "folder of tables (README.md says which), or leave it out of --landscapes"
        )
    return _table(name, _folder_of(name))


@lru_cache(maxsize=8)
def _table(name: str, folder: Path) -> Landscape:
    about = json.loads((folder / f"{name}.json").read_text())
    with np.load(folder / f"{name}.npz") as file:
        values = file["values"].astype(float)
    parameters = []
    for entry in about["parameters"]:
        categorical = entry["kind"] == "categorical"
        numbers = range(len(entry["values"])) if categorical else entry["values"]
        found = tuple(float(v) for v in numbers)
        parameters.append(Parameter(entry["name"], found, categorical))
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    total = np.where(finite, values, 0.0).sum(axis=1)
    true = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    # A repeat that was not recorded is drawn as the mean of the others.
    repeats = np.where(finite, values, true[:, None])
    return Landscape(name, tuple(parameters), true, repeats)


def _folder_of(name: str) -> Path:
    """The first folder of COLLINEAR_TABLES (a list as PATH is) with that table."""
    folders = [Path(f) for f in os.environ["COLLINEAR_TABLES"].split(os.pathsep) if f]
    for folder in folders:
        if (folder / f"{name}.json").exists():
            return folder
    raise SystemExit(
        f"landscape {name!r} is a recorded table, but there is no {name}.json in "
        f"{', '.join(map(str, folders))} (COLLINEAR_TABLES)"
    )


@lru_cache(maxsize=8)
def _rough(name: str, seed: int) -> Landscape:
    axes, true, noise = rough(name, seed)
    parameters = tuple(Parameter(*axis) for axis in axes)
    spread = float(np.nanmedian(true) - np.nanmin(true))
    return Landscape(name, parameters, true, noise=noise * spread)


@lru_cache(maxsize=8)
def _synthetic(name: str, seed: int) -> Landscape:
    if name in LIMITED:
        return _limited(name)
    lists = (_RATES, _WEIGHTS, _WEIGHTS, _WEIGHTS)
    parameters = tuple(Parameter(n, v) for n, v in zip(_NAMES, lists, strict=True))
    true = formula(name.removeprefix("moved_"), seed, tuple(map(len, lists)))
    spread = float(np.median(true[np.isfinite(true)]) - np.nanmin(true))
    noise = 0.03 * spread if name.endswith("noise") else 0.0
    return Landscape(name, parameters, true, noise=noise)


@lru_cache(maxsize=8)
def _wide(name: str, seed: int) -> Landscape:
    kind = name.removeprefix("wide_")
    moved = ridge(_WIDE, seed) if kind == "ridge" else formula(kind, seed, _WIDE)
    spread = float(np.nanmedian(moved) - np.nanmin(moved))
    noisy = name.endswith(("noise", "ridge"))
    return Landscape(
        name, _plain_axes(_WIDE), moved, noise=0.03 * spread if noisy else 0.0
    )


@lru_cache(maxsize=8)
def _many(name: str, seed: int) -> Landscape:
    true, noise = many(name, seed)
    spread = float(np.nanmedian(true) - np.nanmin(true))
    return Landscape(name, _plain_axes(MANY_LENGTHS), true, noise=noise * spread)


def _plain_axes(lengths: tuple[int, ...]) -> tuple[Parameter, ...]:
    """Axes whose values are their indices."""
    return tuple(
        Parameter(f"axis_{k}", tuple(float(i) for i in range(n)))
        for k, n in enumerate(lengths)
    )


def formula(name: str, seed: int, lengths: tuple[int, ...]) -> Array:
    """True values of a synthetic landscape on a grid of four axes.

    Args:
        name: One of `SYNTHETIC`.
        seed: Moves the optimum; below 0 it stays where the formula has it.
        lengths: Numbers of values of the axes.

    Returns:
        N values in C order, NaN where a trial fails.
    """
    shift = np.zeros(4)
    if seed >= 0:
        shift = np.random.default_rng([seed, 77]).uniform(-0.35, 0.35, 4)
    return {
        "smooth": _smooth,
        "valley_noise": _valley,
        "plateau_diverge": _plateau,
    }[name]((_unit_grid(lengths) - shift).T)


def _unit_grid(shape: tuple[int, ...]) -> Array:
    axes = np.meshgrid(*[np.arange(n) / (n - 1) for n in shape], indexing="ij")
    return np.stack([a.ravel() for a in axes], axis=1)


def _smooth(x: Array) -> Array:
    """One smooth basin with a mild interaction."""
    a, b, c, d = x[0] - 0.46, x[1] - 0.78, x[2] - 0.67, x[3] - 0.14
    return 2.0 + 4.8 * a**2 + b**2 + 1.8 * c**2 + 0.7 * d**2 + 0.25 * b * c


def _valley(x: Array) -> Array:
    """A narrow valley that no axis follows, with ripples along its floor."""
    p, q = x[0] - 0.45 + x[2] - 0.6, x[0] - 0.45 - (x[2] - 0.6)
    r, s = x[1] - 0.7 + x[3] - 0.35, x[1] - 0.7 - (x[3] - 0.35)
    ripple = 0.06 * (1.0 - np.cos(5.0 * q))
    return 2.0 + 3.0 * p**2 + 0.1 * q**2 + 1.5 * r**2 + 0.05 * s**2 + ripple


def _plateau(x: Array) -> Array:
    """A plateau with one deep and one shallow funnel; a corner diverges."""
    deep, wide = np.array([0.44, 0.8, 0.7, 0.1]), np.array([0.30, 0.50, 0.38, 0.60])
    near, tight = np.array([0.55, 0.3, 0.4, 0.6]), np.array([0.2, 0.3, 0.3, 0.4])
    first = np.sum(((x.T - deep) / wide) ** 2, axis=1)
    second = np.sum(((x.T - near) / tight) ** 2, axis=1)
    y = 2.6 - 0.6 * np.exp(-first) - 0.15 * np.exp(-second)
    y += 0.02 * np.sin(3.0 * x[3] + 2.0 * x[1])
    return np.where(x[0] + 0.6 * x[2] + 0.25 * x[3] > 1.18, np.nan, y)


def _limited(name: str) -> Landscape:
    """Gains saturate in the loss weights while distortion grows: RMSE decides."""
    r, p, a, s = _unit_grid(_WIDE).T
    gain = 0.9 * (1 - np.exp(-2.2 * p)) + 1.1 * (1 - np.exp(-2.0 * a)) + 0.25 * p * a
    gain += 0.35 * np.sin(np.pi * np.minimum(1.1 * s, 1.0))
    index = 4.6 - gain * np.exp(-(((r - 0.45) / 0.28) ** 2)) + 0.4 * (r - 0.45) ** 2
    index += 5.0 * np.maximum(a - 0.8, 0.0) ** 2
    rmse = 11.2 + 1.1 * p**2 + 2.6 * a**2 + 0.5 * s + 1.6 * p * a
    rmse += 7.0 * np.maximum(r - 0.7, 0.0) ** 2 + 1.5 * np.maximum(0.25 - r, 0.0)
    noisy = name.endswith("noise")
    return Landscape(
        name,
        _plain_axes(_WIDE),
        index,
        noise=0.03 if noisy else 0.0,
        limited=rmse,
        limited_noise=0.05 if noisy else 0.0,
        limit=_LIMIT,
    )
