"""How many trials and batches a line strategy needs on the documents' grids.

The documents' program is not public. This runs our readings of it on made landscapes
with the documents' grids, and sets the counts beside the documents':

    .venv/bin/python benchmarks/documents/simulate.py > benchmarks/documents/result.md

The landscapes are ours: a bowl with ripples, a rotated valley, several basins, and a
plateau with a cliff, each shifted over the grid by its seed; range about 4, noise 0.03.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from collinear.search import (
    Goal,
    History,
    Point,
    Result,
    SearchSpace,
    Status,
    make_strategy,
)

GOAL = Goal("cost")
NOISE = 0.03
SEEDS = range(8)
Landscape = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Run:
    """Counts of one search."""

    trials: int
    batches: int
    widest: int


@dataclass(frozen=True)
class Case:
    """A strategy on a grid, and what the document reports of it."""

    document: str
    shape: tuple[int, ...]
    q: int
    slots: int
    reported: str


CASES = (
    Case("jh220044", (10, 11, 11, 11), 1, 50, "363 / 27 / 13.4 / 50"),
    Case("jh220044", (10, 11, 11, 11), 4, 50, "363 / 27 / 13.4 / 50"),
    Case("poster", (15, 16, 16, 16), 1, 40, "545 / - / - / 40"),
    Case("poster", (15, 16, 16, 16), 4, 40, "545 / - / - / 40"),
)


def landscapes(seed: int) -> dict[str, Landscape]:
    """Functions of coordinates in [0, 1]^4 with optima that depend on the seed."""
    draw = np.random.default_rng(seed)
    centre = draw.uniform(0.15, 0.85, 4)
    others = draw.uniform(0, 1, (3, 4))
    turn = np.linalg.qr(draw.standard_normal((4, 4)))[0]

    def bowl(x: np.ndarray) -> float:
        ripple = 0.1 * np.cos(14 * (x - centre)).sum()
        return 4 * ((x - centre) ** 2).sum() - ripple

    def valley(x: np.ndarray) -> float:
        y = turn @ (x - centre)
        return float((np.array([6.0, 3.0, 0.8, 0.4]) * y**2).sum())

    def basins(x: np.ndarray) -> float:
        depth = 2.0 * np.exp(-8 * ((x - centre) ** 2).sum())
        depth += sum(1.4 * np.exp(-12 * ((x - o) ** 2).sum()) for o in others)
        return 2.0 - depth

    def cliff(x: np.ndarray) -> float:
        return min(4.0, 3 * np.abs(x - centre).sum() + 8 * max(0.0, x[0] - 0.85))

    return {"bowl": bowl, "valley": valley, "basins": basins, "cliff": cliff}


def search(case: Case, landscape: Landscape, seed: int) -> Run:
    """Runs one search to its end, all slots free at each batch."""
    space = SearchSpace.from_values(
        {f"x{k}": [float(i) for i in range(n)] for k, n in enumerate(case.shape)}
    )
    strategy = make_strategy("levelled", {"q": case.q}, space=space, goal=GOAL)
    noise = np.random.default_rng(1000 + seed)
    scale = np.array(case.shape) - 1

    def measure(point: Point) -> Result:
        value = landscape(np.array(point) / scale) + NOISE * noise.standard_normal()
        return Result(point, 1, Status.DONE, {"cost": float(value)})

    history, widths = History(), []
    while batch := strategy.ask(history, case.slots):
        history = history.ask(batch).tell([measure(p.point) for p in batch])
        widths.append(len(batch))
    return Run(sum(widths), len(widths), max(widths))


def main() -> None:
    """Prints a Markdown table of medians and 10-90 % ranges."""
    lines = [
        "# Trials and batches on the documents' grids",
        "",
        f"Four landscapes x {len(SEEDS)} seeds, noise {NOISE}; made by "
        "`.venv/bin/python benchmarks/documents/simulate.py`. Each cell: trials, "
        "batches, mean width, largest batch; medians, with the 10-90 % range of the "
        "trials.",
        "",
        "| document | grid | strategy | documented | ours |",
        "| --- | --- | --- | --- | --- |",
    ]
    for case in CASES:
        runs = [
            search(case, landscape, seed)
            for seed in SEEDS
            for landscape in landscapes(seed).values()
        ]
        trials = np.array([run.trials for run in runs])
        batches = np.array([run.batches for run in runs])
        low, high = np.percentile(trials, [10, 90])
        lines.append(
            f"| {case.document} | {'x'.join(map(str, case.shape))} "
            f"| levelled, q = {case.q}, {case.slots} slots | {case.reported} "
            f"| {np.median(trials):.0f} ({low:.0f}-{high:.0f}) / "
            f"{np.median(batches):.0f} / {np.median(trials / batches):.1f} / "
            f"{max(run.widest for run in runs)} |"
        )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
