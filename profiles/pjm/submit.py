"""Submits a job script of Snakemake to PJM and prints the number of the job."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

LOGS = Path(".snakemake/pjm")
_SUBMITTED = re.compile(r"pjsub Job (\d+) submitted")


def elapse(minutes: int) -> str:
    """A time limit as PJM writes it, hours:minutes:seconds."""
    return f"{minutes // 60}:{minutes % 60:02d}:00"


def command(arguments: argparse.Namespace) -> list[str]:
    """The words of pjsub for one job."""
    limits = [f"rscgrp={arguments.rscgrp}", f"elapse={elapse(arguments.minutes)}"]
    if arguments.gpu:
        limits.append(f"gpu={arguments.gpu}")
    words = ["pjsub", "-L", ",".join(limits), "-N", f"collinear-{arguments.name}"]
    words += ["-j", "-o", str(LOGS / "%j.log")]
    if arguments.group:
        words += ["-g", arguments.group]
    return [*words, arguments.script]


def job_number(said: str) -> str | None:
    """The number in the answer of pjsub; None when there is none."""
    found = _SUBMITTED.search(said)
    return found.group(1) if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rscgrp", required=True, help="resource group")
    parser.add_argument("--group", help="project that pays")
    parser.add_argument("--name", required=True, help="rule or group of the job")
    parser.add_argument("--minutes", type=int, required=True)
    parser.add_argument("--gpu", type=int, default=0)
    parser.add_argument("script")
    arguments = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    words = command(arguments)
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        sys.exit(f"cannot run pjsub: {error}; profiles/pjm is for clusters under PJM")
    number = job_number(done.stdout + done.stderr)
    if done.returncode != 0 or number is None:
        said = (done.stderr or done.stdout).strip()
        sys.exit(f"pjsub refused {' '.join(words)}: {said}")
    print(number)


if __name__ == "__main__":
    main()
