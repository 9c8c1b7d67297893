"""Measures every setting of five small C kernels: tables of software tuning.

    python kernels.py FOLDER

The kernels are those of the GPU tuners' benchmark hub (convolution, matrix product,
dedispersion, point in polygon, heat), written for one core. Tiles, blocks, unrolling
and loop order decide their time; a tile that does not divide its block, or a block that
does not fit, cannot run. Needs gcc; takes about 40 minutes. A table that is there is
kept. Every setting runs in five passes in random order; a pass
times three calls and keeps the least, in milliseconds. Each setting's result is
compared with numpy's first.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent / "kernels"
PASSES, CALLS = 5, 3
_SCRATCH = 32_768  # bytes that a block of `hotspot` may take: the first-level cache
_FLAGS = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC")

Array = NDArray[np.float32]
Setting = dict[str, int]


@dataclass(frozen=True)
class Axis:
    """An axis of a kernel's grid.

    Attributes:
        name: Its name; in capitals the macro of a compiled axis.
        values: Its values in order.
        compiled: True where the kernel is compiled for each value.
        categorical: True where the order means nothing.
    """

    name: str
    values: tuple[int, ...]
    compiled: bool = True
    categorical: bool = False


@dataclass(frozen=True)
class Kernel:
    """A kernel, its grid and what it must compute.

    Attributes:
        name: Of `kernels/NAME.c`.
        axes: Compiled axes first, then those of the block, in the order of the call.
        sizes: Macros of the problem's sizes.
        runs: Whether a setting can run.
        problem: Two inputs and the result, from a generator.
    """

    name: str
    axes: tuple[Axis, ...]
    sizes: Setting
    runs: Callable[[Setting], bool]
    problem: Callable[[np.random.Generator, Setting], tuple[Array, Array, Array]]

    def settings(self) -> list[Setting]:
        """All settings of the grid, in C order."""
        names = [axis.name for axis in self.axes]
        rows = itertools.product(*(axis.values for axis in self.axes))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def compiled(self, setting: Setting) -> tuple[int, ...]:
        return tuple(setting[axis.name] for axis in self.axes if axis.compiled)


def _convolution(
    chance: np.random.Generator, sizes: Setting
) -> tuple[Array, Array, Array]:
    size, taps = sizes["SIZE"], sizes["TAPS"]
    image = _floats(chance, size + taps - 1, size + taps - 1)
    weights = _floats(chance, taps, taps)
    windows = np.lib.stride_tricks.sliding_window_view(image, (taps, taps))
    return image, weights, np.einsum("yxvu,vu->yx", windows, weights)


def _matmul(chance: np.random.Generator, sizes: Setting) -> tuple[Array, Array, Array]:
    a, b = (_floats(chance, sizes["SIZE"], sizes["SIZE"]) for _ in range(2))
    return a, b, a @ b


def _dedispersion(
    chance: np.random.Generator, sizes: Setting
) -> tuple[Array, Array, Array]:
    times, longest = sizes["TIMES"], sizes["LONGEST"]
    trials, channels = sizes["TRIALS"], sizes["CHANNELS"]
    signal = _floats(chance, channels, times + longest)
    total = np.zeros((trials, times), dtype=np.float32)
    for d, c in np.ndindex(trials, channels):
        late = d * c * longest // ((trials - 1) * (channels - 1))
        total[d] += signal[c, late : late + times]
    return signal, np.zeros(1, dtype=np.float32), total


def _pnpoly(chance: np.random.Generator, sizes: Setting) -> tuple[Array, Array, Array]:
    angles = np.sort(chance.uniform(0.0, 2.0 * np.pi, sizes["VERTICES"]))
    reach = chance.uniform(0.5, 1.5, sizes["VERTICES"])
    u, v = (reach * wave(angles) for wave in (np.cos, np.sin))
    x, y = chance.uniform(-1.5, 1.5, (2, sizes["POINTS"]))
    inside = np.zeros(len(x), dtype=bool)
    for i in range(len(u)):
        a, b = v[i], v[i - 1]
        crosses = (a > y) != (b > y)
        inside ^= crosses & (x < (u[i - 1] - u[i]) * (y - a) / (b - a) + u[i])
    points, polygon = np.stack([x, y]), np.stack([u, v])
    return *(a.astype(np.float32) for a in (points, polygon)), inside.astype(np.float32)


def _hotspot(chance: np.random.Generator, sizes: Setting) -> tuple[Array, Array, Array]:
    start, power = (_floats(chance, sizes["SIZE"], sizes["SIZE"]) for _ in range(2))
    heat = start.astype(float)
    for _ in range(sizes["TIMES"]):
        near = sum(np.roll(heat, by, axis) for by in (1, -1) for axis in (0, 1))
        heat = heat + 0.1 * (near - 4.0 * heat) + 0.05 * power
    return start, power, heat.astype(np.float32)


def _floats(chance: np.random.Generator, *shape: int) -> Array:
    return chance.standard_normal(shape, dtype=np.float32)


def _divides(*pairs: tuple[str, str]) -> Callable[[Setting], bool]:
    """True when the first axis of each pair (a tile) divides the second (a block)."""
    return lambda s: all(s[block] % s[tile] == 0 for tile, block in pairs)


def _fits(setting: Setting) -> bool:
    """The block with its halo, and what tiles may reach past it, in the scratch."""
    wide, high = (setting[f"block_{d}"] + 2 * setting["steps"] for d in "xy")
    return (wide + 32) * (high + 8) * 4 <= _SCRATCH


KERNELS = (
    Kernel(
        "convolution",
        (
            Axis("tile_x", (1, 2, 4, 8, 16, 32, 64)),
            Axis("tile_y", (1, 2, 3, 4, 6, 8)),
            Axis("unroll", (1, 3, 9)),
            Axis("order", (0, 1, 2), categorical=True),
            Axis("block_x", (32, 48, 64, 96, 192, 384), compiled=False),
            Axis("block_y", (4, 8, 12, 24, 48, 96), compiled=False),
        ),
        {"SIZE": 384, "TAPS": 9},
        _divides(("tile_x", "block_x"), ("tile_y", "block_y")),
        _convolution,
    ),
    Kernel(
        "matmul",
        (
            Axis("tile_m", (1, 2, 3, 4, 6)),
            Axis("tile_n", (4, 8, 12, 16)),
            Axis("pack", (0, 1)),
            Axis("block_m", (8, 16, 24, 48, 72, 144, 288), compiled=False),
            Axis("block_n", (8, 16, 24, 48, 72, 144, 288), compiled=False),
            Axis("block_k", (8, 16, 24, 48, 72, 144, 288), compiled=False),
        ),
        {"SIZE": 288},
        _divides(("tile_m", "block_m"), ("tile_n", "block_n")),
        _matmul,
    ),
    Kernel(
        "dedispersion",
        (
            Axis("tile_time", (1, 4, 8, 16, 32)),
            Axis("tile_trial", (1, 2, 3, 4, 6, 8)),
            Axis("unroll", (1, 2, 4)),
            Axis("order", (0, 1)),
            Axis("block_time", (32, 64, 128, 256, 512, 1024), compiled=False),
            Axis("block_trial", (4, 8, 12, 24, 48), compiled=False),
            Axis("block_channel", (4, 8, 16, 32, 64), compiled=False),
        ),
        {"TIMES": 1024, "TRIALS": 48, "CHANNELS": 64, "LONGEST": 512},
        _divides(("tile_time", "block_time"), ("tile_trial", "block_trial")),
        _dedispersion,
    ),
    Kernel(
        "pnpoly",
        (
            Axis("between", (0, 1, 2, 3), categorical=True),
            Axis("count", (0, 1, 2), categorical=True),
            Axis("slopes", (0, 1)),
            Axis("tile", (1, 2, 4, 8, 12, 16, 24, 32)),
            Axis("unroll", (1, 2, 4)),
            Axis("block_point", (16, 48, 96, 384, 1152, 4608), compiled=False),
            Axis("block_vertex", (4, 10, 20, 60), compiled=False),
        ),
        {"POINTS": 4608, "VERTICES": 60},
        _divides(("tile", "block_point")),
        _pnpoly,
    ),
    Kernel(
        "hotspot",
        (
            Axis("steps", (1, 2, 4, 8)),
            Axis("tile_x", (1, 4, 8, 16, 32)),
            Axis("tile_y", (1, 2, 4, 6)),
            Axis("rows", (0, 1)),
            Axis("block_x", (8, 16, 24, 32, 48, 64, 96, 192), compiled=False),
            Axis("block_y", (4, 8, 12, 16, 24, 48, 96, 192), compiled=False),
        ),
        {"SIZE": 192, "TIMES": 8, "SCRATCH": _SCRATCH},
        _fits,
        _hotspot,
    ),
)


def table_name(kernel: Kernel) -> str:
    """The name of a kernel's table and landscape."""
    return f"cpu_{kernel.name}_{len(kernel.axes)}d"


NAMES = tuple(table_name(kernel) for kernel in KERNELS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the tables go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for kernel in KERNELS:
        name = table_name(kernel)
        if (folder / f"{name}.json").exists():
            continue
        with tempfile.TemporaryDirectory() as built:
            values = measured(kernel, build(kernel, Path(built)))
        np.savez_compressed(folder / f"{name}.npz", values=values)
        # A table counts as there when its .json is, so that comes last.
        (folder / f"{name}.json").write_text(
            json.dumps(description(kernel), indent=1) + "\n"
        )
        fastest, middle = np.nanmin(values), np.nanmedian(values)
        print(f"{name}: {len(values)} settings, {fastest:.3f} ms, median {middle:.3f}")


def build(kernel: Kernel, folder: Path) -> dict[tuple[int, ...], Path]:
    """Compiles a kernel for each combination of its compiled axes."""
    axes = [axis for axis in kernel.axes if axis.compiled]

    def one(row: tuple[int, ...]) -> Path:
        target = folder / f"{'_'.join(map(str, row))}.so"
        macros = {a.name.upper(): v for a, v in zip(axes, row, strict=True)}
        defined = [f"-D{k}={v}" for k, v in (kernel.sizes | macros).items()]
        source = HERE / f"{kernel.name}.c"
        command = ["gcc", *_FLAGS, *defined, "-o", str(target), str(source)]
        subprocess.run(command, check=True)
        return target

    rows = list(itertools.product(*(axis.values for axis in axes)))
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(rows, pool.map(one, rows), strict=True))


def measured(kernel: Kernel, built: dict[tuple[int, ...], Path]) -> Array:
    """Times of all settings in milliseconds: N x PASSES, NaN where one cannot run."""
    chance = np.random.default_rng(0)
    first, second, wanted = kernel.problem(chance, kernel.sizes)
    out = np.empty_like(wanted)
    calls = {row: ctypes.CDLL(str(path)).run for row, path in built.items()}
    settings = kernel.settings()
    runnable = [i for i, setting in enumerate(settings) if kernel.runs(setting)]

    def prepare(i: int) -> Callable[[], None]:
        call = calls[kernel.compiled(settings[i])]
        block = [settings[i][axis.name] for axis in kernel.axes if not axis.compiled]
        numbers = (ctypes.c_int * len(block))(*block)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (first, second, out)]
        return lambda: call(*pointers, numbers)

    values = np.full((len(settings), PASSES), np.nan, dtype=np.float32)
    for turn in range(PASSES):
        for i in chance.permutation(runnable).tolist():
            call = prepare(i)
            values[i, turn] = min(_milliseconds(call) for _ in range(CALLS))
            # A point on an edge may fall to either side.
            close = np.isclose(out, wanted, rtol=1e-3, atol=1e-3)
            if turn == 0 and np.mean(close) < 0.999:
                raise SystemExit(f"{kernel.name} computes wrongly at {settings[i]}")
    return values


def _milliseconds(call: Callable[[], None]) -> float:
    before = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - before) / 1e6


def description(kernel: Kernel) -> dict[str, object]:
    """What stands beside the numbers of a table."""
    version = subprocess.run(
        ["gcc", "--version"], check=True, capture_output=True, text=True
    )
    kinds = {True: "categorical", False: "ordinal"}
    return {
        "name": table_name(kernel),
        "parameters": [
            {"name": a.name, "values": a.values, "kind": kinds[a.categorical]}
            for a in kernel.axes
        ],
        "objective": f"milliseconds, least of {CALLS} calls; {PASSES} passes",
        "compiler": version.stdout.splitlines()[0],
        "flags": _FLAGS,
        "machine": platform.machine(),
        "sizes": kernel.sizes,
    }


if __name__ == "__main__":
    main()
