"""The demo's commands before and now, as a campaign calls them, in alternating pairs.

    git archive 6a7588c src | tar -x -C /tmp/old
    python benchmarks/dbpn/demo.py --old /tmp/old/src --out benchmarks/dbpn/demo.json

CPU seconds of whole processes, start-up included: the pretraining (shortened), one
fine-tuning and one scoring of config/demo.yaml. `same` tells whether both trained the
same weights, number by number.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

PARAMS = {"learning_rate": 1e-3, "w_perceptual": 0.1, "w_adversarial": 1e-3}
PARAMS["w_style"] = 10.0
NEW = Path("src").resolve()


def request(folder: Path, pretrain: int, **changes) -> Path:
    text = Path("config/demo.yaml").read_text(encoding="utf-8")
    settings = yaml.safe_load(text)["application"]["settings"] | changes
    settings["pretrain"] = {**settings["pretrain"], "iterations": pretrain}
    path = folder / "in.json"
    path.write_text(json.dumps({"settings": settings, "params": PARAMS}))
    return path


def seconds(source: Path, *arguments: str) -> float:
    """Run a command with this source and return its CPU seconds."""
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "collinear.dbpn", *arguments]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(getattr(after, n) - getattr(before, n) for n in ("ru_utime", "ru_stime"))


def run(source: Path, folder: Path, options, **changes) -> tuple[dict, list[str]]:
    """Return CPU seconds by command, and the digests of both weights."""
    folder.mkdir()
    config = ["--config", str(request(folder, options.pretrain, **changes))]
    pre, fine, score = (str(folder / name) for name in ("pre", "fine", "score"))
    seed = ["--seed", "1"]
    init, tuned = [["--init", f"{f}/weights.pt"] for f in (pre, fine)]
    found = {
        "pretrain": seconds(source, "pretrain", *config, *seed, "--out", pre),
        "finetune": seconds(source, "finetune", *config, *seed, *init, "--out", fine),
        "score": seconds(source, "score", *config, *tuned, "--out", score),
    }
    metrics = [json.loads(Path(f, "metrics.json").read_text()) for f in (pre, fine)]
    return found, [one["digests"]["weights"] for one in metrics]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--pretrain", type=int, default=100)
    options = parser.parse_args()
    sources: dict = {"old": (options.old, {}), "new": (NEW, {})}
    sources["new, channels_last"] = (NEW, {"channels_last": True})
    times: dict = {name: [] for name in sources}
    digests: dict = {}
    for _ in range(options.pairs):
        for name, (source, changes) in sources.items():
            with tempfile.TemporaryDirectory() as folder:
                work = Path(folder) / "run"
                found, digests[name] = run(source, work, options, **changes)
                times[name].append(found)
    record: dict = {"pairs": options.pairs, "pretrain iterations": options.pretrain}
    record["same weights"] = digests["old"] == digests["new"]
    for name, rows in times.items():
        record[name] = {}
        for command in rows[0]:
            values = [row[command] for row in rows]
            ratios = [
                old[command] / row[command]
                for old, row in zip(times["old"], rows, strict=True)
            ]
            record[name][command] = {
                "cpu seconds": round(statistics.median(values), 2),
                "times faster": round(statistics.median(ratios), 2),
                "each": [round(ratio, 2) for ratio in ratios],
            }
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
