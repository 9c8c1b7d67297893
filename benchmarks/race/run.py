"""Does a race name the best pretraining? python run.py OUT [--only-rank]

Trains ten settings of a small D-DBPN on photographs of installed packages to the end,
with a constant learning rate and with one that falls, measured as in a race. A race is
the beginning of such a curve (a pretraining goes on from it bit for bit), so every race
length is judged on the same runs. Writes curves.tsv and ranking.tsv.
"""

import argparse
import copy
import csv
import statistics
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

ITERATIONS, EVERY = 500, 5
FALL = 350  # updates until the learning rate falls first
BASE = {
    "scale": 4,
    "model": {"variant": "dense", "stages": 2, "base": 4, "feat": 8},
    "data": {"source": "builtin"},
    "pretrain": {
        "iterations": ITERATIONS,
        "minibatch": 4,
        "patch": 16,
        "learning_rate": 1e-3,
        "decay_at": [],
    },
    "finetune": {"iterations": 1, "patch": 16},
    "device": "cpu",
}
SETTINGS = {
    "rate 1e-4": {"learning_rate": 1e-4},
    "rate 3e-4": {"learning_rate": 3e-4},
    "base (rate 1e-3)": {},
    "rate 3e-3": {"learning_rate": 3e-3},
    "rate 1e-2": {"learning_rate": 1e-2},
    "minibatch 1": {"minibatch": 1},
    "minibatch 1, rate 3e-4": {"minibatch": 1, "learning_rate": 3e-4},
    "patch 8": {"patch": 8},
    "absolute error": {"loss": "l1"},
    "average of weights": {"ema": 0.98},
}
SCHEDULES = {"constant": [], "falls at 70 and 90 %": [0.7, 0.9]}
SHARES = (0.1, 0.2, 0.3, 0.5)
SEED = 1


def train_all(path):
    import torch

    from collinear.dbpn.data import list_images, load_pairs
    from collinear.dbpn.device import prepare_torch
    from collinear.dbpn.loop import train
    from collinear.dbpn.race import Marks, outcome
    from collinear.dbpn.read_settings import load_settings
    from collinear.dbpn.task import Task
    from collinear.dbpn.trainer import Trainer

    prepare_torch(1)
    with open(path, "w", newline="") as stream:
        table = csv.writer(stream, delimiter="\t", lineterminator="\n")
        table.writerow(["schedule", "setting", "status", "seconds", "losses"])
        for name, changes in SETTINGS.items():
            begun = None
            for schedule, decay in SCHEDULES.items():
                mapping = copy.deepcopy(BASE)
                mapping["pretrain"] |= {"decay_at": decay, "decay_factor": 0.2}
                mapping["pretrain"] |= changes
                settings = load_settings(mapping, scoring={"evaluation": ["chelsea"]})
                pairs = load_pairs(list_images(settings).train, 4)
                task = Task("pretrain", settings, SEED, pairs, "")
                trainer = Trainer(task, torch.device("cpu"))
                if begun is not None:  # both are the same until the rate falls
                    trainer.restore(begun)
                steps = tuple(range(EVERY, ITERATIONS + 1, EVERY))
                marks = Marks(steps, trainer, 16, minibatches=2)
                for end in (FALL, ITERATIONS):
                    train(
                        trainer,
                        save=lambda _: None,
                        should_stop=lambda: False,
                        watch=marks.update,
                        until=end,
                    )
                    if end == FALL:
                        begun = copy.deepcopy(trainer.state())
                found = outcome(trainer, EVERY)
                losses = " ".join(f"{loss:.5f}" for loss in found["losses"])
                row = [schedule, name, found["status"], f"{found['seconds']:.4f}"]
                table.writerow([*row, losses])
                stream.flush()
                print(schedule, name, found["status"], found["losses"][-1], flush=True)


def read_curves(path):
    """Curves by schedule and setting: (losses, seconds of an interval)."""
    found = {}
    with open(path, newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            losses = [float(x) for x in row["losses"].split()]
            where = found.setdefault(row["schedule"], {})
            where[row["setting"]] = (row["status"], losses, float(row["seconds"]))
    return found


def truth(losses, mark):
    """The mean of three measurements up to a mark."""
    return statistics.fmean(losses[max(0, mark - 3) : mark])


def judge(curves, share, wall):
    """One row of ranking.tsv: a race of this length against the whole runs."""
    from collinear.campaign.race import choose
    from collinear.campaign.race_plan import PretrainRace

    names = [n for n, (status, _, _) in curves.items() if status == "done"]
    marks = ITERATIONS // EVERY
    count = round(share * marks)
    records = {
        name: {
            "status": "done",
            "losses": curves[name][1][:count],
            "seconds": curves[name][2],
            "interval": 1,
            "longest": marks,
        }
        for name in names
    }
    ends = {
        name: min(marks, int(wall / curves[name][2])) if wall else marks
        for name in names
    }
    true = {name: truth(curves[name][1], ends[name]) for name in names}
    best = min(true, key=true.get)
    row = {"best": best, "spread": max(true.values()) - true[best]}
    for rank_by in ("tested", "prediction", "last"):
        race = PretrainRace({n: {} for n in names}, {"epochs": 1}, wall, rank_by)
        choice = choose(race, records)
        value = {place["name"]: place["value"] for place in choice["ranking"]}
        agree = spearmanr([true[n] for n in names], [value[n] for n in names])
        if rank_by == "tested":
            row["tested uses"] = choice["by"]
        row |= {
            rank_by: choice["winner"],
            f"{rank_by} loses": true[choice["winner"]] - true[best],
            f"{rank_by} spearman": agree.statistic,
            f"{rank_by} error": statistics.fmean(
                abs(value[n] - true[n]) for n in names
            ),
        }
    return row


def rank_all(folder):
    curves = read_curves(folder / "curves.tsv")
    rows = []
    for schedule, runs in curves.items():
        half = ITERATIONS // EVERY * runs["base (rate 1e-3)"][2] / 2
        for wall in (None, half):
            for share in SHARES:
                at = "each at its end" if wall is None else "half of base's time"
                row = {"schedule": schedule, "judged": at, "length": share}
                rows.append(row | judge(runs, share, wall))
    with open(folder / "ranking.tsv", "w", newline="") as stream:
        table = csv.DictWriter(
            stream, list(rows[0]), delimiter="\t", lineterminator="\n"
        )
        table.writeheader()
        for row in rows:
            shown = {
                k: f"{v:.3f}" if isinstance(v, float | np.floating) else v
                for k, v in row.items()
            }
            table.writerow(shown | {"length": f"{row['length']:.0%}"})


def draw(folder, path):
    """The picture of docs/racing.md: six settings after 30 % of their training."""
    from collinear.campaign.race import choose
    from collinear.campaign.race_plan import PretrainRace
    from collinear.campaign.race_report import draw_race

    runs = dict(list(read_curves(folder / "curves.tsv")["constant"].items())[:6])
    marks = ITERATIONS // EVERY
    records = {
        name: {
            "status": "done",
            "losses": losses[: round(0.3 * marks)],
            "seconds": seconds,
            "interval": 1.0,
            "longest": marks,
        }
        for name, (_, losses, seconds) in runs.items()
    }
    race = PretrainRace({name: {} for name in runs}, {"epochs": 1}, None, "prediction")
    draw_race(choose(race, records), path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only-rank", action="store_true", help="curves are there")
    parser.add_argument("--figure", type=Path, help="draw six of them, a picture file")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.only_rank:
        train_all(options.out / "curves.tsv")
    rank_all(options.out)
    if options.figure:
        draw(options.out, options.figure)


if __name__ == "__main__":
    main()
