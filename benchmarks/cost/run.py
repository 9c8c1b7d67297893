"""How well a profile predicts settings that it has not seen: time and memory.

    PYTHONPATH=src python benchmarks/cost/run.py --out benchmarks/cost/measured

Profiles config/demo.yaml, then measures settings drawn at random (minibatch, patch,
stages, terms), each in a process of its own, and compares. Settings that the profile
has measured are not drawn. Run again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch

from collinear.dbpn.config import Settings
from collinear.dbpn.cost import (
    UpdatePoint,
    memory_counts,
    settings_at,
    update_counts,
)
from collinear.dbpn.files import write_json
from collinear.dbpn.profile import plan_points, run_profile, subject_of
from collinear.dbpn.profile_point import measure_point
from collinear.dbpn.request import read_request
from collinear.training.cost_model import CostModel

matplotlib.use("Agg")
import matplotlib.pyplot as plt

MINIBATCHES, PATCHES, STAGES = range(1, 13), (8, 12, 16, 20, 24, 28), range(2, 7)


def draw_points(settings: Settings, count: int, seed: int) -> list[UpdatePoint]:
    """Return settings that the profile does not measure."""
    draw = np.random.default_rng(seed)
    seen = set(plan_points(settings))
    found: list[UpdatePoint] = []
    while len(found) < count:
        terms = draw.random(2) < 0.5
        point = UpdatePoint(
            int(draw.choice(MINIBATCHES)),
            int(draw.choice(PATCHES)),
            int(draw.choice(STAGES)),
            bool(terms[0]),
            bool(terms[1]),
        )
        if point not in seen:
            seen.add(point)
            found.append(point)
    return found


def compare(
    record: dict[str, Any],
    settings: Settings,
    point: UpdatePoint,
    found: dict[str, Any],
) -> dict[str, Any]:
    """Return a setting's measured and predicted costs."""
    at = settings_at(settings, point)
    row: dict[str, Any] = {"setting": point.name}
    for kind, name, counts in (
        ("seconds", "seconds", update_counts(at, "finetune")),
        ("MiB", "host_mib", memory_counts(at, "finetune")),
    ):
        predicted = CostModel.from_json(record[name]).predict(counts)
        measured = found[name]
        row[kind] = {
            "measured": measured,
            "predicted": predicted.value,
            "low": predicted.low,
            "high": predicted.high,
            "error": predicted.value / measured - 1,
            "inside": predicted.low <= measured <= predicted.high,
            "beyond": list(predicted.beyond),
        }
    return row


def summary(rows: list[dict[str, Any]], process_mib: float) -> dict[str, Any]:
    """Return median and largest errors, and the share inside the intervals."""
    found: dict[str, Any] = {}
    for kind in ("seconds", "MiB"):
        errors = [abs(row[kind]["error"]) for row in rows]
        found[kind] = {
            "median error": statistics.median(errors),
            "90 % of errors below": float(np.quantile(errors, 0.9)),
            "largest error": max(errors),
            "inside the 95 % interval": statistics.mean(
                row[kind]["inside"] for row in rows
            ),
        }
    # Most of a small training's memory is Python and torch; the rest is the model's.
    own = [
        abs(row["MiB"]["predicted"] - row["MiB"]["measured"])
        / max(row["MiB"]["measured"] - process_mib, 1)
        for row in rows
    ]
    found["MiB"]["median error of what is above the process"] = statistics.median(own)
    return found


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw predicted against measured, with the intervals."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    for axis, kind in zip(axes, ("seconds", "MiB"), strict=True):
        measured = [row[kind]["measured"] for row in rows]
        values = [row[kind]["predicted"] for row in rows]
        below = [row[kind]["predicted"] - row[kind]["low"] for row in rows]
        above = [row[kind]["high"] - row[kind]["predicted"] for row in rows]
        ends = [min(measured) * 0.9, max(measured) * 1.1]
        axis.plot(ends, ends, color="grey", linewidth=1)
        axis.errorbar(measured, values, [below, above], fmt="o", ms=4, capsize=2)
        unit = "CPU seconds of an update" if kind == "seconds" else "peak MiB"
        axis.set(xlabel=f"measured, {unit}", ylabel="predicted, 95 % interval")
        axis.set(xscale="log", yscale="log")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config/demo.yaml"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    settings = read_request(options.config)
    load = os.getloadavg()[0]
    record = run_profile(
        options.config, settings, out=options.out / "profile", seconds=options.seconds
    )
    subject = subject_of(settings, torch.device("cpu"))
    unseen = options.out / "unseen"
    (unseen / "points").mkdir(parents=True, exist_ok=True)
    rows = []
    for point in draw_points(settings, options.count, options.seed):
        share = options.seconds / len(record["points"])
        found = measure_point(options.config, point, subject, unseen, share)
        rows.append(compare(record, settings, point, found))
        print(json.dumps(rows[-1]), flush=True)
    at = record["host_mib"]["names"].index("processes")
    process_mib = record["host_mib"]["coefficients"][at]
    result = {
        "config": str(options.config),
        "subject": record["subject"],
        "clock": record["clock"],
        "load before and after": [load, os.getloadavg()[0]],
        "process MiB": process_mib,
        "coefficients": {
            kind: dict(
                zip(record[kind]["names"], record[kind]["coefficients"], strict=True)
            )
            for kind in ("seconds", "host_mib")
        },
        "deviation of the fit": record["seconds"]["deviation"],
        "unseen settings": len(rows),
        "summary": summary(rows, process_mib),
        "rows": rows,
    }
    write_json(options.out / "result.json", result)
    draw(rows, options.out / "unseen.png")


if __name__ == "__main__":
    main()
