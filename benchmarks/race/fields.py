"""How races of random fields end: python fields.py OUT.tsv CURVES...

Takes whole learning curves (curves.tsv of run.py here, or the .npz files of
benchmarks/stopping: 160 perceptrons each, their cross entropy and error), draws fields
of four at random, races them for a part of their length, and compares three rules by
what they lose: the end of the chosen one minus that of the best of its field, in
standard deviations of all ends.
"""

import argparse
import csv
import statistics
from functools import cache
from pathlib import Path

import numpy as np
from run import SHARES, read_curves

from collinear.training import race
from collinear.training.continuation import MOST_NOISE, SMOOTHED, noise_share

FIELDS, FIELD, MOST = 200, 4, 40


def read_sets(paths):
    """Name and curves (n, epochs) of each set; diverged ones are left out."""
    for path in paths:
        if path.suffix == ".tsv":
            for schedule, runs in read_curves(path).items():
                found = [loss for status, loss, _ in runs.values() if status == "done"]
                yield f"D-DBPN, rate {schedule}", np.array(found)
            continue
        data = np.load(path)
        for value in ("entropy", "error"):
            curves = data[value][np.isfinite(data[value]).all(axis=1)]
            draw = np.random.default_rng(0)
            some = draw.choice(len(curves), min(MOST, len(curves)), replace=False)
            yield f"perceptron, rate {path.stem}, {value}", curves[some]


def judge(curves, share):
    """Mean loss of each rule over random fields, and how often a test was passed."""
    count, longest = round(share * curves.shape[1]), curves.shape[1]
    seen = [tuple(map(float, curve[:count])) for curve in curves]
    smooth = [i for i, s in enumerate(seen) if noise_share(s) <= MOST_NOISE]
    ends = curves[:, -SMOOTHED:].mean(axis=1)
    spread = float(ends[smooth].std())
    draw = np.random.default_rng(1)
    lost = {"tested": [], "prediction": [], "last": []}
    passed = 0
    for _ in range(FIELDS):
        field = draw.choice(smooth, FIELD, replace=False)
        variants = [race.Variant(str(i), seen[i], 1.0, longest) for i in field]
        chosen = {
            "prediction": race.rank(variants)[0].name,
            "last": race.rank_by_last(variants, same_time=False)[0].name,
        }
        stands = race.continues_well(variants, same_time=False)
        passed += stands
        chosen["tested"] = chosen["prediction" if stands else "last"]
        for rule, name in chosen.items():
            lost[rule].append((ends[int(name)] - ends[field].min()) / spread)
    means = {rule: f"{statistics.fmean(values):.3f}" for rule, values in lost.items()}
    return {"curves": len(smooth), "passed": f"{passed / FIELDS:.2f}", **means}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("curves", type=Path, nargs="+")
    options = parser.parse_args()
    race.predict = cache(race.predict)
    rows = [
        {"set": name, "length": f"{share:.0%}", **judge(curves, share)}
        for name, curves in read_sets(options.curves)
        for share in SHARES
    ]
    with open(options.out, "w", newline="") as stream:
        table = csv.DictWriter(
            stream, list(rows[0]), delimiter="\t", lineterminator="\n"
        )
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
