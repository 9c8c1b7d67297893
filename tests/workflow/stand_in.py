"""A training program in a few lines: what any application of a campaign must do.

It honours the contract of docs/application.md with a formula in place of a training,
so that whole campaigns run in seconds. Settings: `seconds` (of one training),
`first_seconds` (of a trial's first attempt), `noise`, and the lists `broken` and
`diverging` of values of the first axis; `broken_at` and `diverging_at` are lists of
such a value with a training seed.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path


def write_json(path, value):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value))
    os.replace(temporary, path)


def train(config, out, stage, seed):
    settings, params = config["settings"], config["params"]
    first = next(iter(params.values()), None)
    with open(out / "starts.txt", "a") as stream:
        stream.write(f"{stage}\n")
    here = [first, seed]
    if first in settings.get("broken", []) or here in settings.get("broken_at", []):
        sys.exit("broken on purpose")
    (out / "curve.tsv").write_text("epoch\tloss\n1\t0.5\n")
    seconds = settings.get("seconds", 0)
    if stage == "finetune" and len((out / "starts.txt").read_text().split()) == 1:
        seconds = settings.get("first_seconds", seconds)
    time.sleep(seconds)
    wild = settings.get("diverging", []), settings.get("diverging_at", [])
    if first in wild[0] or here in wild[1]:
        write_json(out / "metrics.json", {"status": "diverged", "reason": "NaN loss"})
        return
    (out / "weights.pt").write_text(json.dumps(params))
    done = {"status": "done", "epochs": 1, "seconds": 3000.0}
    write_json(out / "metrics.json", done)


def score(config, out, seed):
    params = list(config["params"].values())
    draw = hashlib.sha256(json.dumps([params, seed]).encode()).digest()[0] / 255 - 0.5
    value = sum((p - 3.0) ** 2 for p in params) / len(params)
    value += config["settings"].get("noise", 0.0) * draw
    value += config["scoring"].get("offset", 0.0)
    rmse = 10.0 + params[-1]
    write_json(
        out / "score.json", {"status": "done", "values": {"niqe": value, "rmse": rmse}}
    )


def profile(config, out):
    """Costs of a trial: half where the first axis is 0, as if a network were gone."""
    (out / "profiled.txt").write_text(json.dumps(config["params"]))
    first = next(iter(config["params"]))
    whole = {"seconds": [3600, 1800, 7200], "memory_mib": [2000, 1500, 2500]}
    half = {"seconds": [1800, 900, 3600], "memory_mib": [1000, 750, 1250]}
    cases = [{"zero": [], **whole}, {"zero": [first], **half}]
    finetune = {"names": [first], "cases": cases}
    write_json(out / "cost.json", {"status": "done", "stages": {"finetune": finetune}})


def tune(config, out):
    found = {"measurements": 5, "fastest": 32, "minibatch": 8, "why": "whole"}
    write_json(out / "batch.json", {"status": "done", **found})


def check(config):
    seconds = config["settings"].get("seconds", 0)
    if seconds < 0:
        sys.exit(f"seconds: must not be negative, but got {seconds}")


def main():
    parser = argparse.ArgumentParser()
    stages = ["pretrain", "finetune", "score", "check", "profile", "tune"]
    parser.add_argument("stage", choices=stages)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    config = json.loads(arguments.config.read_text())
    if arguments.stage == "check":
        check(config)
    elif arguments.stage == "profile":
        profile(config, arguments.out)
    elif arguments.stage == "tune":
        tune(config, arguments.out)
    elif arguments.stage == "score":
        score(config, arguments.out, arguments.seed)
    else:
        train(config, arguments.out, arguments.stage, arguments.seed)


if __name__ == "__main__":
    main()
