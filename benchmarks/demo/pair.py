"""Two versions of the repository run the demo campaign side by side, a core each.

    git worktree add /tmp/before 6a7588c
    python benchmarks/demo/pair.py --before /tmp/before --out benchmarks/demo/pair.json

Both run without finals, because the older one has none, with this environment's
packages. Other work on the machine slows both alike, so compare the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
TRIALS = 36
_COPIED = ("Snakefile", "workflow", "profiles", "config", "src", "pyproject.toml")


def prepare(checkout: Path, folder: Path) -> None:
    """Copies a version and switches its finals off."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _COPIED:
        source = checkout / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    path = folder / "config" / "demo.yaml"
    config = yaml.safe_load(path.read_text())
    config["max_trials"] = TRIALS
    config.pop("finals", None)
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def run(folder: Path, core: int) -> dict[str, Any]:
    """Runs the campaign on one core; wall and CPU seconds of all its processes."""
    words = [sys.executable, "-m", "snakemake", "--cores", "1"]
    words += ["--resources", "gpu=1", "--configfile", "config/demo.yaml"]
    started = time.monotonic()
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(
            words,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(folder / "src")},
        )
    os.sched_setaffinity(process.pid, {core})  # before it has started a job
    _, code, usage = os.wait4(process.pid, 0)
    if code != 0:
        sys.exit(f"the campaign in {folder} failed; see {folder / 'log.txt'}")
    return {
        "wall": round(time.monotonic() - started),
        "cpu": round(usage.ru_utime + usage.ru_stime),
        "trials": (folder / "results/demo/report/trials.tsv").read_text(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="older checkout")
    parser.add_argument("--work", type=Path, default=Path("/tmp/demo-pair"))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        parser.error("two cores are needed, one for each version")
    names = {"before": arguments.before, "now": REPOSITORY}
    for name, checkout in names.items():
        prepare(checkout, arguments.work / name)
    with ThreadPoolExecutor(2) as pool:
        ends = pool.map(run, [arguments.work / name for name in names], cores)
        found = dict(zip(names, ends, strict=True))
    same = found["before"].pop("trials") == found["now"].pop("trials")
    ratio = {k: round(found["before"][k] / found["now"][k], 2) for k in ("wall", "cpu")}
    result = {**found, "times faster": ratio, "same trials, value by value": same}
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
