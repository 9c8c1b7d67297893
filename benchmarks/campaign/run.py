"""Simulates campaigns and appends one row each to measured/runs.csv.

    python run.py --seeds 0-20

A run that the table already holds is skipped, so a stopped command continues where it
was. One row is made of (method, grid, landscape, seed, cv,
failures, per_proposal).
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

from cluster import Cluster, Trace, run
from grids import GRIDS, NAMES
from measures import measures
from product import METHODS, Memory, Tuner

HERE = Path(__file__).parent
KEYS = ("method", "grid", "landscape", "seed", "cv", "failures", "per_proposal")
BUDGETS = {"jh220044": 363, "poster": 545}  # trials of the documents
COMPARED = (
    "levelled",
    "levelled-q4",
    "s2018",
    "radial",
    "random-lanes",
    "anova-sync",
    "anova-lanes",
    "anova-lanes-to-the-end",
    "anova-lanes-finals",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default=",".join(COMPARED))
    parser.add_argument("--grid", choices=list(GRIDS), default="jh220044")
    parser.add_argument("--landscapes", default=",".join(NAMES))
    parser.add_argument("--seeds", default="0-20", help="first-last, last left out")
    parser.add_argument("--cv", type=float, default=0.3)
    parser.add_argument("--failures", type=float, default=0.03)
    parser.add_argument("--per-proposal", type=float, default=0.0)
    parser.add_argument("--out", type=Path, default=HERE / "measured" / "runs.csv")
    given = parser.parse_args()
    cluster = Cluster(
        cv=given.cv, failures=given.failures, per_proposal=given.per_proposal
    )
    settings = (given.cv, given.failures, given.per_proposal)
    first, last = (int(s) for s in given.seeds.split("-"))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    done = finished(given.out)
    for seed in range(first, last):
        for name in given.landscapes.split(","):
            memory = Memory()
            for method in given.methods.split(","):
                where = (given.grid, name, seed, *settings)
                key = tuple(map(str, (method, *where)))
                if key in done:
                    continue
                row = one_row(method, given.grid, name, seed, cluster, memory)
                append(given.out, dict(zip(KEYS, key, strict=True)) | row)


def one_row(
    method: str, grid: str, name: str, seed: int, cluster: Cluster, memory: Memory
) -> dict[str, object]:
    """Runs one campaign and returns its measures."""
    before = time.process_time()
    trace, tuner = simulate(method, grid, name, seed, cluster, memory)
    row = measures(trace, tuner)
    return row | {"cpu": time.process_time() - before}


def simulate(
    method: str,
    grid: str,
    name: str,
    seed: int,
    cluster: Cluster,
    memory: Memory | None = None,
) -> tuple[Trace, Tuner]:
    """One campaign on a landscape."""
    tuner = Tuner(METHODS[method], grid, name, seed, BUDGETS[grid])
    tuner.memory = memory
    return run(tuner, cluster, f"{grid} {name}", seed), tuner


def finished(table: Path) -> set[tuple[str, ...]]:
    """The runs that a table holds."""
    if not table.exists():
        return set()
    with table.open(newline="") as file:
        return {tuple(row[k] for k in KEYS) for row in csv.DictReader(file)}


def append(table: Path, row: dict[str, object]) -> None:
    """Adds one run to a table."""
    new = not table.exists()
    shown = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(shown)


if __name__ == "__main__":
    main()
