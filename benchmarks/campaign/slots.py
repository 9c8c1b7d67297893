"""Lanes on a real Slurm: how busy the slots are, and what a trial costs beside itself.

    tools/slurm-up.sh   # as root, where there is no cluster: fifty pretended GPUs
    python benchmarks/campaign/slots.py --seconds 300 --out measured/slots.csv

One row a run. Lengths of trainings are lognormal around `seconds`. `busy` is the part
of the slots' time that was spent inside the training program, from the start of the
first training to the start of the last: later, nothing is left to do. `busy_to_end`
counts that time too. `spare` lanes beyond the slots have a trial ready when a slot
falls free: it `waits` in Snakemake, or submitted in Slurm's queue, for a cluster
of as many GPUs as slots (`SLURM_GPUS=16 tools/slurm-up.sh`). `jobs` tells whether
training and scoring are two jobs or share one (Snakemake's `groups`).
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from collinear.campaign.clocks import read_jobs

REPOSITORY = Path(__file__).parents[2]
STAND_IN = str(REPOSITORY / "tests" / "workflow" / "stand_in.py")
FIRST_LOOK = 40  # seconds; of the executor, and so of profiles/slurm
COLUMNS = (
    "seconds",
    "cv",
    "slots",
    "spare",
    "waits",
    "first_look",
    "trials",
    "jobs",
    "busy",
    "busy_to_end",
    "idle_per_trial",
    "job_overhead_per_trial",
    "wall",
    "cores",
    "load",
)


@dataclass(frozen=True)
class Run:
    """One campaign of the benchmark.

    Attributes:
        seconds: Mean length of a training.
        cv: Standard deviation of the lengths, in mean lengths.
        slots: Trainings at a time.
        spare: Lanes beyond the slots, whose trials wait for a free one.
        waits: Where they wait: "snakemake", or "slurm", which then counts the slots.
        first_look: Seconds after which Snakemake asks for a job that it has submitted,
            or again after one has ended; as profiles/slurm has it: 40.
        trials: The budget.
        grouped: Whether training and scoring share a job.
    """

    seconds: float
    cv: float
    slots: int
    spare: int
    waits: str
    first_look: int
    trials: int
    grouped: bool


def settings(run: Run) -> dict[str, Any]:
    """The campaign: lanes of one trial at a time."""

    def command(stage: str) -> list[str]:
        return ["{python}", STAND_IN, stage]

    values = [float(i) for i in range(12)]
    return {
        "campaign": "slots",
        "seed": 3,
        "space": {"a": values, "b": values},
        "objective": "niqe",
        "strategy": {"name": "anova"},
        "lanes": run.slots + run.spare,
        "batch": 1,
        "max_trials": run.trials,
        "application": {
            "values": ["niqe", "rmse"],
            "pretrain": command("pretrain"),
            "finetune": command("finetune"),
            "score": command("score"),
            "settings": {
                "seconds": run.seconds,
                "seconds_cv": run.cv,
                "pretrain_seconds": 1,
                "noise": 0.1,
            },
        },
    }


def command(run: Run) -> list[str]:
    """Snakemake as docs/cluster.md starts it."""
    words = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm"]
    gpus = run.slots + (run.spare if run.waits == "slurm" else 0)
    words += ["--configfile", "campaign.yaml", "--resources", f"gpu={gpus}"]
    if run.first_look != FIRST_LOOK:
        words += ["--slurm-init-seconds-before-status-checks", str(run.first_look)]
    if run.grouped:
        words += ["--groups", "finetune=trial", "score=trial"]
    return words


class JobTimes(threading.Thread):
    """Notes start and end of a folder's jobs while Slurm remembers them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.seconds, self.ended = folder, {}, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(20):
            self.note()

    def note(self) -> None:
        words = ["squeue", "-h", "-t", "completed", "-o", "%i|%Z|%k|%M"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            number, where, rule, ran = line.split("|")
            if where == str(self.folder) and "pretrain" not in rule:
                self.seconds[number] = clock_seconds(ran)


def gpus_of_cluster() -> int:
    """GPUs of all nodes, as Slurm counts them."""
    words = ["sinfo", "-h", "-N", "-o", "%N %G"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    nodes = set(shown.splitlines())  # a node has a line for each of its partitions
    return sum(
        int(n) for node in nodes for n in re.findall(r"gpu:(?:\w+:)?(\d+)", node)
    )


def clock_seconds(text: str) -> float:
    """Seconds of Slurm's [days-][hours:]minutes:seconds."""
    days, _, rest = text.rpartition("-")
    total = 0
    for part in rest.split(":"):
        total = total * 60 + int(part)
    return total + 86400 * int(days or 0)


def measure(run: Run, folder: Path) -> dict[str, Any]:
    """Runs one campaign on Slurm."""
    for name in ("workflow", "profiles", "config"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "Snakefile", folder)
    (folder / "campaign.yaml").write_text(yaml.safe_dump(settings(run)))
    jobs = JobTimes(folder)
    jobs.start()
    load, started = os.getloadavg()[0], time.monotonic()
    with open(folder / "log.txt", "wb") as log:
        done = subprocess.run(
            command(run), cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode != 0:
        sys.exit(f"the campaign failed; see {folder / 'log.txt'}")
    wall = time.monotonic() - started
    jobs.ended.set()
    jobs.note()
    times = read_jobs(folder / "results" / "slots")
    inside = sum(job.seconds for job in times)
    whole = max(job.ended for job in times) - times[0].started
    last = times[-1].started
    before = sum(min(job.ended, last) - job.started for job in times)
    span = last - times[0].started
    return {
        "seconds": run.seconds,
        "cv": run.cv,
        "slots": run.slots,
        "spare": run.spare,
        "waits": run.waits,
        "first_look": run.first_look,
        "trials": len(times),
        "jobs": "one" if run.grouped else "two",
        "busy": round(before / (span * run.slots), 3),
        "busy_to_end": round(inside / (whole * run.slots), 3),
        "idle_per_trial": round(
            (span * run.slots - before) / (len(times) - run.slots), 1
        ),
        "job_overhead_per_trial": round(
            (sum(jobs.seconds.values()) - inside) / len(times), 1
        ),
        "wall": round(wall),
        "cores": os.cpu_count(),
        "load": round((load + os.getloadavg()[0]) / 2, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0])
    parser.add_argument("--cv", type=float, default=0.3, help="spread of lengths")
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--spare", type=int, default=0, help="lanes beyond the slots")
    parser.add_argument("--waits", choices=["snakemake", "slurm"], default="snakemake")
    parser.add_argument("--first-look", type=int, default=FIRST_LOOK)
    parser.add_argument("--waves", type=int, default=4, help="trials of a slot, > 1")
    parser.add_argument("--jobs", choices=["one", "two", "both"], default="both")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.waves < 2:
        parser.error("--waves: one wave starts all trials at once; give 2 or more")
    if arguments.waits == "slurm" and gpus_of_cluster() != arguments.slots:
        parser.error(
            f"--waits slurm: the cluster must have {arguments.slots} GPUs, but has "
            f"{gpus_of_cluster()}; SLURM_GPUS={arguments.slots} tools/slurm-up.sh"
        )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    kinds = {"one": [True], "two": [False], "both": [False, True]}[arguments.jobs]
    for seconds in arguments.seconds:
        for grouped in kinds:
            trials = arguments.slots * arguments.waves
            run = Run(
                seconds,
                arguments.cv,
                arguments.slots,
                arguments.spare,
                arguments.waits,
                arguments.first_look,
                trials,
                grouped,
            )
            folder = Path(tempfile.mkdtemp(prefix="slots-"))
            row = measure(run, folder)
            fresh = not arguments.out.exists()
            with open(arguments.out, "a", newline="") as stream:
                writer = csv.DictWriter(stream, COLUMNS)
                if fresh:
                    writer.writeheader()
                writer.writerow(row)
            print(row, flush=True)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
