"""What a campaign costs besides its trainings, against the number of trials done.

    python overhead.py --case 545x50 --strategy random

Runs a whole campaign with a program of no duration through the real Snakemake with
the local profile, in a temporary folder, and appends a row to measured/overhead.csv.
Time and CPU are read from /proc once a second, so this needs Linux. The machine should
have nothing else to do; the row keeps its load.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
LENGTHS = (10, 11, 11, 11)  # the grid of the document of 2022
TICKS = os.sysconf("SC_CLK_TCK")
SLURM = ("sinfo", "squeue", "sacct", "scontrol", "sbatch")


@dataclass(frozen=True)
class Case:
    """A campaign: trials over lanes; `batch` trials are asked together."""

    trials: int
    lanes: int
    batch: int

    @property
    def name(self) -> str:
        return f"{self.trials}x{self.lanes}"


CASES = {
    case.name: case
    for case in (
        Case(60, 10, 1),
        Case(363, 1, 50),
        Case(363, 50, 1),
        Case(545, 50, 1),
        Case(545, 1, 40),
        Case(2000, 50, 1),
    )
}


@dataclass(frozen=True)
class Sample:
    """One look at a running campaign.

    Attributes:
        seconds: Since the start.
        main: CPU seconds of the Snakemake process itself.
        jobs: CPU seconds of the jobs that have ended.
        told: Trials told.
        asked: Batches asked.
    """

    seconds: float
    main: float
    jobs: float
    told: int
    asked: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=list(CASES), default="363x50")
    parser.add_argument("--strategy", default="random")
    parser.add_argument("--out", type=Path, default=HERE / "measured" / "overhead.csv")
    given = parser.parse_args()
    case = CASES[given.case]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copy_workflow(place, case, given.strategy)
        samples = run_watched(place)
        row = {
            "case": case.name,
            "batch": case.batch,
            "strategy": given.strategy,
            "load": round(os.getloadavg()[0], 1),
        }
        row |= thirds(samples, case.trials) | finished_commands(place)
    append(given.out, row)
    sys.stdout.write(json.dumps(row, indent=1) + "\n")


def copy_workflow(
    place: Path, case: Case, strategy: str, *, slurm: bool = False
) -> None:
    """The workflow and a campaign of the case in an empty folder."""
    for name in ("workflow", "profiles", "config"):
        shutil.copytree(REPOSITORY / name, place / name)
    shutil.copy(REPOSITORY / "Snakefile", place)
    program = str(HERE / "program.py")
    config = {
        "campaign": "overhead",
        "seed": 1,
        "space": {f"x{k}": [float(i) for i in range(n)] for k, n in enumerate(LENGTHS)},
        "objective": "cost",
        "strategy": {"name": strategy},
        "lanes": case.lanes,
        "batch": case.batch,
        "max_trials": case.trials,
        "finals": False,
        "application": {
            "values": ["cost"],
            **{
                stage: ["{python}", program, stage]
                for stage in ("pretrain", "finetune", "score")
            },
        },
    }
    (place / "campaign.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    # Where Slurm is installed and down, its plugin waits for it at each start.
    tools = place / "tools"
    tools.mkdir()
    for tool in Path("/usr/bin").iterdir():
        if slurm or not tool.name.startswith(SLURM):
            (tools / tool.name).symlink_to(tool)


def environment(place: Path) -> dict[str, str]:
    """One thread for BLAS, no Slurm, and the library of this checkout."""
    path = os.pathsep.join([str(Path(sys.executable).parent), str(place / "tools")])
    return {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(REPOSITORY / "src"),
        "OMP_NUM_THREADS": "1",
    }


def snakemake(*arguments: str, profile: str = "local") -> list[str]:
    command = [sys.executable, "-m", "snakemake", "--profile", f"profiles/{profile}"]
    return [*command, "--configfile", "campaign.yaml", *arguments]


def run_watched(place: Path, profile: str = "local") -> list[Sample]:
    """Runs the campaign to its end and looks at it once a second."""
    began = time.monotonic()
    samples = [Sample(0.0, 0.0, 0.0, 0, 0)]
    sizes: dict[str, int] = {}
    with open(place / "log.txt", "w") as log:
        process = subprocess.Popen(
            snakemake("--resources", "gpu=50", profile=profile),
            cwd=place,
            env=environment(place),
            stdout=log,
            stderr=log,
        )
        while process.poll() is None:
            now = look(process.pid, place / "results/overhead/history", sizes)
            if now is not None:
                samples.append(Sample(time.monotonic() - began, *now))
            time.sleep(1.0)
    if process.returncode:
        raise SystemExit((place / "log.txt").read_text()[-3000:])
    return samples


def look(
    pid: int, journal: Path, sizes: dict[str, int]
) -> tuple[float, float, int, int] | None:
    """CPU of the main process and of its ended jobs, trials told, batches asked."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    own, system, jobs, jobs_system = map(int, text.rsplit(")", 1)[1].split()[11:15])
    for path in (journal / "told").glob("*.json"):
        if path.name not in sizes:
            sizes[path.name] = len(json.loads(path.read_text())["results"])
    asked = sum(1 for _ in (journal / "asked").glob("*.json"))
    told = sum(sizes.values())
    return (own + system) / TICKS, (jobs + jobs_system) / TICKS, told, asked


def thirds(samples: list[Sample], trials: int) -> dict[str, float]:
    """Seconds and CPU seconds a trial in each third of the trials told."""
    marks = [samples[0]]
    for part in (1, 2, 3):
        marks.append(next(s for s in samples if s.told >= part * trials // 3))
    row: dict[str, float] = {"wall": round(samples[-1].seconds, 1)}
    for part, (first, last) in enumerate(pairwise(marks), start=1):
        told = last.told - first.told
        row[f"seconds{part}"] = round((last.seconds - first.seconds) / told, 3)
        row[f"main_cpu{part}"] = round((last.main - first.main) / told, 3)
        row[f"jobs_cpu{part}"] = round((last.jobs - first.jobs) / told, 3)
    row["asked"] = samples[-1].asked
    return row


def finished_commands(place: Path) -> dict[str, float]:
    """Seconds and CPU seconds of what a user does with a finished campaign."""
    status = [sys.executable, "-m", "collinear.campaign", "status", "campaign.yaml"]
    commands = {"n": snakemake("-n"), "restart": snakemake(), "status": status}
    row = {}
    for name, command in commands.items():
        before, began = cpu_of_children(), time.monotonic()
        done = subprocess.run(
            command, cwd=place, env=environment(place), capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        row[f"{name}_s"] = round(time.monotonic() - began, 2)
        row[f"{name}_cpu"] = round(cpu_of_children() - before, 2)
    return row


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def append(table: Path, row: dict[str, object]) -> None:
    """Adds one campaign to the table."""
    table.parent.mkdir(parents=True, exist_ok=True)
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
