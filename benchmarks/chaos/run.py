"""Disturbs campaigns, repeats the command, and checks what must hold afterwards.

    python run.py --seed 1 --rounds 50 --slurm-rounds 10 --out measured/seed1.jsonl

One line a round in the log, one more at the end of each campaign with what did not
hold. Ends with 1 when anything did not.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaigns import (
    KINDS,
    SLURM_KINDS,
    Checkout,
    Kind,
    faults,
    make_checkout,
    read_diary,
)
from disturb import LOCAL, SLURM, Scene, jobs, programs, remove_disk, small_disk

DEADLINE = 600.0
DISK_MEGABYTES = 256


@dataclass(frozen=True)
class Book:
    """What happened, line by line, in a file and on the terminal."""

    path: Path

    def add(self, **line: Any) -> None:
        text = json.dumps(line)
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(text + "\n")
        print(text, flush=True)


@dataclass(frozen=True)
class Pace:
    """How long a step of a training is, and the wait for a disturbance, in seconds."""

    pause: float
    shortest: float
    longest: float


PACES = {"local": Pace(0.15, 1.0, 8.0), "slurm": Pace(2.0, 8.0, 45.0)}


def undisturbed(checkout: Checkout, kind: Kind) -> list[tuple[Any, ...]] | None:
    """The history that a campaign must end in; None where there is no such."""
    if not kind.reproducible:
        return None
    checkout.write(kind, 0.0)
    finish(checkout, "local")
    return checkout.history()


def finish(checkout: Checkout, profile: str) -> int:
    """Runs the command undisturbed; returns its exit code."""
    process = checkout.start(profile, checkout.diary.parent / "snakemake.log")
    return process.wait(timeout=DEADLINE)


def disturbed(
    checkout: Checkout, profile: str, chance: random.Random, at_most: int
) -> Iterator[dict[str, Any]]:
    """Disturbs one campaign until it ends or has been disturbed often enough."""
    kinds, pace = (SLURM if profile == "slurm" else LOCAL), PACES[profile]
    log = checkout.diary.parent / "snakemake.log"
    process = checkout.start(profile, log)
    for _ in range(at_most):
        waited = wait_for_progress(checkout, process, chance, pace)
        if process.poll() is not None and checkout.finished():
            return
        name = chance.choice(sorted(kinds))
        if process.poll() is None and kinds[name](Scene(checkout, process, chance)):
            yield {"disturbance": name, "after": round(waited, 1)}
        if process.poll() is None and name in {"Ctrl-C", "SIGTERM to main"}:
            process.wait(timeout=DEADLINE)
        if process.poll() is not None:
            process = checkout.start(profile, log)
    process.wait(timeout=DEADLINE)


def wait_for_progress(
    checkout: Checkout,
    process: subprocess.Popen[bytes],
    chance: random.Random,
    pace: Pace,
) -> float:
    """Waits for signs of life and a moment more, or one time in four for a time."""
    started = time.monotonic()
    end = started + chance.uniform(pace.shortest, pace.longest)
    moment = chance.uniform(0, pace.shortest)
    signs = chance.randint(1, 30)
    if chance.random() < 0.25:
        signs = sys.maxsize
    else:
        end = started + DEADLINE
    before = len(signs_of_life(checkout))
    while process.poll() is None and time.monotonic() < end:
        if len(signs_of_life(checkout)) - before >= signs:
            end = min(end, time.monotonic() + moment)
            signs = sys.maxsize
        time.sleep(0.05)
    return time.monotonic() - started


def signs_of_life(checkout: Checkout) -> list[object]:
    """Lines of the diary, tables and updates."""
    lines = [row for rows in read_diary(checkout.diary).values() for row in rows]
    return [*lines, *checkout.root.glob("lanes/*/*/*")]


def settle(checkout: Checkout) -> None:
    """Waits for programs and jobs that outlived their Snakemake."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end and (programs(checkout) or jobs_here(checkout)):
        time.sleep(0.2)


def jobs_here(checkout: Checkout) -> list[str]:
    return jobs(checkout) if shutil.which("squeue") else []


def run_rounds(
    checkout: Checkout, profile: str, rounds: int, seed: int, book: Book
) -> bool:
    """Disturbs campaigns of every kind in turn; True when all held."""
    chance, done, good = random.Random(f"{seed} {profile}"), 0, True
    pace = PACES[profile]
    kinds = SLURM_KINDS if profile == "slurm" else KINDS
    number = 0
    references: dict[str, list[tuple[Any, ...]] | None] = {}
    while done < rounds and good:
        kind = kinds[number % len(kinds)]
        number += 1
        if kind.name not in references:
            references[kind.name] = undisturbed(checkout, kind)
        expected = references[kind.name]
        checkout.write(kind, pace.pause)
        started = time.monotonic()
        for line in disturbed(checkout, profile, chance, min(6, rounds - done)):
            done += 1
            book.add(round=done, profile=profile, campaign=kind.name, **line)
        # A disk that was full, or three killed attempts, may need the command again.
        code, tries = 1, 0
        while code != 0 and tries < 3:
            code, tries = finish(checkout, profile), tries + 1
        settle(checkout)
        found = faults(checkout, expected)
        if code != 0:
            found.append(f"the undisturbed command ended with {code}")
        good &= not found
        seconds = round(time.monotonic() - started)
        book.add(
            end=kind.name, profile=profile, seconds=seconds, tries=tries, faults=found
        )
        if found:
            keep = Path(tempfile.mkdtemp(prefix="chaos-fault-"))
            shutil.copytree(checkout.folder, keep / "checkout", symlinks=True)
            shutil.copytree(checkout.diary.parent, keep / "diary")
            print(f"kept for inspection: {keep}", file=sys.stderr)
    return good


def run(seed: int, rounds: int, slurm_rounds: int, out: Path) -> bool:
    """A whole benchmark of one seed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    book = Book(out)
    base = Path(tempfile.mkdtemp(prefix="chaos-"))
    disk = base / "disk"
    mounted = small_disk(disk, DISK_MEGABYTES)
    try:
        checkout = make_checkout(disk, base / "beside" / "diary")
        checkout.diary.mkdir(parents=True)
        book.add(
            seed=seed, rounds=rounds, slurm_rounds=slurm_rounds, small_disk=mounted
        )
        good = run_rounds(checkout, "local", rounds - slurm_rounds, seed, book)
        if slurm_rounds:
            good &= run_rounds(checkout, "slurm", slurm_rounds, seed, book)
        book.add(passed=good)
        return good
    finally:
        for process in programs(Checkout(disk, base)):
            process.kill()
        remove_disk(disk)
        shutil.rmtree(base, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--slurm-rounds", type=int, default=0, help="of --rounds")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if not 0 <= arguments.slurm_rounds <= arguments.rounds:
        parser.error("--slurm-rounds must be between 0 and --rounds")
    if (
        arguments.slurm_rounds
        and subprocess.run(
            ["scontrol", "ping"], capture_output=True, check=False
        ).returncode
    ):
        parser.error(
            "no Slurm answers; as root, tools/slurm-up.sh starts a pretended one"
        )
    good = run(arguments.seed, arguments.rounds, arguments.slurm_rounds, arguments.out)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
