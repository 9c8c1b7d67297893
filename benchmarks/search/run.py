"""Runs methods on landscapes and appends one row a run to a table.

    python run.py --methods anova,random,optuna-tpe --mode sync50 --seeds 0-10

A run that the table already holds is skipped, so a stopped command continues where it
was. Recorded tables are read from the folder in COLLINEAR_TABLES.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata as metadata
import re
import warnings
from pathlib import Path

import landscapes
import methods
from simulation import Mode, simulate

HERE = Path(__file__).parent
GROUPS = {
    "recorded": landscapes.RECORDED,
    "synthetic": landscapes.SYNTHETIC,
    "moved": landscapes.MOVED,
    "rough": landscapes.ROUGH,
    "all": (
        landscapes.RECORDED + landscapes.SYNTHETIC + landscapes.MOVED + landscapes.ROUGH
    ),
    "published": landscapes.PUBLISHED,
    "kernels": landscapes.KERNELS,
    "large": landscapes.WIDE + landscapes.MANY,
    "limited": landscapes.LIMITED,
}
PACKAGES = (
    "numpy",
    "scipy",
    "optuna",
    "botorch",
    "gpytorch",
    "torch",
    "cmaes",
    "smac",
)
KEYS = ("method", "landscape", "mode", "seed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="anova,random")
    parser.add_argument("--landscapes", default="all", help="a group or names")
    parser.add_argument("--mode", default="sync50", help="sync50, sync14, async50 ...")
    parser.add_argument("--seeds", default="0-10", help="first-last, last left out")
    parser.add_argument("--budget", type=int, default=363)
    parser.add_argument("--out", type=Path, default=HERE / "measured" / "runs.csv")
    given = parser.parse_args()
    # Peers warn about their own experimental parts.
    warnings.simplefilter("ignore")
    names = GROUPS.get(given.landscapes) or given.landscapes.split(",")
    first, last = (int(s) for s in given.seeds.split("-"))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    done = finished(given.out)
    for seed in range(first, last):
        for name in names:
            for method in given.methods.split(","):
                key = (method, name, given.mode, str(seed))
                if key in done:
                    continue
                row = simulate(
                    methods.by_name(method),
                    landscapes.get(name, seed),
                    seed=seed,
                    mode=parse_mode(given.mode),
                    budget=given.budget,
                )
                append(given.out, dict(zip(KEYS, key, strict=True)) | row)
                print(*key, *(f"{k}={row[k]:.4g}" for k in ("reg100", "reg363", "cpu")))
    write_versions(given.out.with_name("versions.txt"))


def parse_mode(text: str) -> Mode:
    """``sync50`` and the like."""
    found = re.fullmatch(r"(sync|async)(\d+)", text)
    if not found:
        raise SystemExit(f"a mode is sync or async and a number, but got {text!r}")
    return Mode(found[1], int(found[2]))


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


def write_versions(path: Path) -> None:
    """Notes the versions of the packages found; earlier ones stay."""
    known = (
        dict(line.split() for line in path.read_text().splitlines())
        if (path.exists())
        else {}
    )
    for package in PACKAGES:
        try:
            known[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    path.write_text("".join(f"{k} {v}\n" for k, v in sorted(known.items())))


if __name__ == "__main__":
    main()
