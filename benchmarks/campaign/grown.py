"""What a trial costs besides its training where many trials are done already.

    python grown.py --done 0 545 2000
    python grown.py --done 0 363 --profile slurm

Writes the files of so many trials by the product's own steps (as `finished.py` does),
then lets the real Snakemake run fifty more, with a program of no duration and fifty
lanes. The first of these wait for the start of Snakemake and for every lane's first
proposal, so a trial's cost is read between the tenth and the last. `main_cpu` is the
main process, `jobs_cpu` what it started on this machine (under Slurm: the calls of
sbatch and squeue and the proposals, not the trainings). Appends a row to
measured/grown.csv; the machine should have nothing else to do, and the row keeps its
load.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from finished import make
from overhead import HERE, Case, Sample, append, copy_workflow, run_watched

MORE = 50
LANES = 50
SKIPPED = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--done", type=int, nargs="+", default=[0])
    parser.add_argument("--profile", choices=("local", "slurm"), default="local")
    parser.add_argument("--out", type=Path, default=HERE / "measured" / "grown.csv")
    given = parser.parse_args()
    for done in given.done:
        row = {"profile": given.profile, "done": done} | measure(done, given.profile)
        append(given.out, row)
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


def measure(done: int, profile: str) -> dict[str, float]:
    """One row: what the trials after the first `done` cost."""
    case = Case(done + MORE, LANES, 1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copy_workflow(place, case, "random", slurm=profile == "slurm")
        if done:
            make(place, done, as_jobs=False)
        load, began = os.getloadavg()[0], time.monotonic()
        samples = run_watched(place, profile)
        wall = time.monotonic() - began
    first = next(s for s in samples if s.told >= done + SKIPPED)
    last = next(s for s in samples if s.told >= done + MORE)
    told = last.told - first.told
    return {
        "first_told": round(first_after(samples, done).seconds, 1),
        "seconds": round((last.seconds - first.seconds) / told, 2),
        "main_cpu": round((last.main - first.main) / told, 2),
        "jobs_cpu": round((last.jobs - first.jobs) / told, 2),
        "wall": round(wall, 1),
        "load": round(load, 1),
    }


def first_after(samples: list[Sample], done: int) -> Sample:
    """The first look at which a new trial was told."""
    return next(s for s in samples if s.told > done)


if __name__ == "__main__":
    main()
