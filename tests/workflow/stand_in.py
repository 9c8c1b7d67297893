"""A training program in a few lines: what any application of a campaign must do.

It honours the contract of docs/application.md with a formula in place of a training,
so that whole campaigns run in seconds. Settings: `seconds` (of one training),
`seconds_cv` (their lognormal spread), `first_seconds` (of a trial's first attempt),
`slow` (a list of the values of a trial, and `slow_seconds`: how long that one takes),
`noise`, and the lists `broken` and
`diverging` of values of the first axis; `broken_at` and `diverging_at` are lists of
such a value with a training seed. With `epochs` a training has a learning curve, which
falls to the value that is scored, and honours `--stop`; each epoch takes
`epoch_seconds` and ends with a saved state. `variant` runs part of a pretraining.
"""

import argparse
import hashlib
import json
import math
import os
import random
import statistics
import sys
import time
from pathlib import Path


def write_json(path, value):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value))
    os.replace(temporary, path)


def train_epochs(config, out, seed, stop):
    """A training with a curve: returns what metrics.json says of it."""
    epochs, seconds = config["settings"]["epochs"], config["settings"]["epoch_seconds"]
    final, state_file = value_of(config, seed), out / "state.json"
    state = {"epoch": 0, "scores": {}, "rungs": []}
    if state_file.exists():
        state = json.loads(state_file.read_text())
    table = json.loads(stop.read_text()) if stop else {"rungs": [], "run_on": True}
    while state["epoch"] < epochs and "stopped" not in state:
        time.sleep(seconds)
        state["epoch"] += 1
        epoch = state["epoch"]
        score = final + 3.0 * (1 - epoch / epochs) ** 2
        for rung in table["rungs"]:
            if epoch in rung["score_at"]:
                state["scores"][str(epoch)] = score
            if epoch == rung["epoch"]:
                found = [state["scores"][str(int(e))] for e in rung["score_at"]]
                value, worst = statistics.median(found), rung["threshold"]
                hopeless = worst is not None and value > worst
                record = {"epoch": epoch, "value": value, "hopeless": hopeless}
                state["rungs"].append(record)
                if hopeless and not table["run_on"]:
                    state["stopped"] = f"hopeless at epoch {epoch}"
        write_json(state_file, state)
    return {
        "status": "stopped" if "stopped" in state else "done",
        "reason": state.get("stopped"),
        "epochs": state["epoch"],
        "planned_epochs": epochs,
        "rungs": state["rungs"],
    }


def train(config, out, stage, seed, stop):
    settings, params = config["settings"], config["params"]
    first = next(iter(params.values()), None)
    with open(out / "starts.txt", "a") as stream:
        stream.write(f"{stage}\n")
    here = [first, seed]
    if first in settings.get("broken", []) or here in settings.get("broken_at", []):
        sys.exit("broken on purpose")
    (out / "curve.tsv").write_text("epoch\tloss\n1\t0.5\n")
    seconds = settings.get("seconds", 0)
    if stage == "pretrain":
        seconds = settings.get("pretrain_seconds", seconds)
    elif "seconds_cv" in settings:
        seconds *= length_of(params, seed, settings["seconds_cv"])
    if stage == "finetune" and len((out / "starts.txt").read_text().split()) == 1:
        seconds = settings.get("first_seconds", seconds)
    if list(params.values()) == settings.get("slow"):
        seconds = settings["slow_seconds"]
    time.sleep(seconds)
    wild = settings.get("diverging", []), settings.get("diverging_at", [])
    if first in wild[0] or here in wild[1]:
        write_json(out / "metrics.json", {"status": "diverged", "reason": "NaN loss"})
        return
    state = out / "raced.json"
    raced = {"raced": json.loads(state.read_text())} if state.exists() else {}
    if "variant" in settings:
        raced["variant"] = settings["variant"]
    (out / "weights.pt").write_text(json.dumps({**params, **raced}))
    done = {"status": "done", "epochs": 1, "seconds": 3000.0}
    if stage == "finetune" and "epochs" in settings:
        done = train_epochs(config, out, seed, stop)
    write_json(out / "metrics.json", done)


def length_of(params, seed, cv):
    """Length of a training in mean lengths: lognormal, its own for each trial."""
    spread = math.sqrt(math.log(1 + cv**2))
    draw = random.Random(json.dumps([params, seed])).gauss(0, 1)
    return math.exp(spread * draw - spread**2 / 2)


def value_of(config, seed):
    params = list(config["params"].values())
    draw = hashlib.sha256(json.dumps([params, seed]).encode()).digest()[0] / 255 - 0.5
    value = sum((p - 3.0) ** 2 for p in params) / len(params)
    value += config["settings"].get("noise", 0.0) * draw
    return value + config["scoring"].get("offset", 0.0)


def score(config, out, seed):
    value = value_of(config, seed)
    rmse = 10.0 + list(config["params"].values())[-1]
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


def variant(config, out):
    """Part of a pretraining: `variant` has a level, a pace, and the seconds it takes.

    Its state is the list of its losses; a pace of 0 diverges, below 0 it is broken.
    """
    with open(out / "starts.txt", "a") as stream:
        stream.write("variant\n")
    given, state = config["settings"]["variant"], out / "raced.json"
    if given["pace"] < 0:
        sys.exit("broken on purpose")
    if given["pace"] == 0:
        write_json(out / "race.json", {"status": "diverged", "reason": "NaN loss"})
        return
    losses = json.loads(state.read_text()) if state.exists() else []
    while len(losses) < config["race"]["epochs"]:
        time.sleep(given.get("wait", 0))
        jump = given.get("jump", 0) * (-1) ** len(losses)
        fall = 2 * math.exp(-(len(losses) + 1) / given["pace"])
        losses.append(given["level"] + jump + fall)
        write_json(state, losses)
    record = {"status": "done", "losses": losses, "interval": 1, "longest": 100}
    record["seconds"] = record["spent_seconds"] = given.get("seconds", 1.0)
    write_json(out / "race.json", record)


def check(config):
    seconds = config["settings"].get("seconds", 0)
    if seconds < 0:
        sys.exit(f"seconds: must not be negative, but got {seconds}")


def main():
    parser = argparse.ArgumentParser()
    stages = ["pretrain", "finetune", "score", "check", "profile", "tune"]
    stages.append("variant")
    parser.add_argument("stage", choices=stages)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--stop", type=Path)
    arguments = parser.parse_args()
    config = json.loads(arguments.config.read_text())
    if arguments.stage == "check":
        check(config)
    elif arguments.stage == "profile":
        profile(config, arguments.out)
    elif arguments.stage == "tune":
        tune(config, arguments.out)
    elif arguments.stage == "variant":
        variant(config, arguments.out)
    elif arguments.stage == "score":
        score(config, arguments.out, arguments.seed)
    else:
        if arguments.init:
            (arguments.out / "init.txt").write_text(f"{arguments.init}\n")
        train(config, arguments.out, arguments.stage, arguments.seed, arguments.stop)


if __name__ == "__main__":
    main()
