"""Scores along real fine-tunes of D-DBPN: python dbpn_curves.py FOLDER OUT.npz

The trainings are those of config/demo.yaml: its pretraining, network, images, seeds and
length (100 updates). First come the 36 settings that the demo campaign chose, in its
order (benchmarks/demo/trials.tsv), then settings drawn at random from its grid. Every
fourth update the evaluation images are scored as the campaign does, with the moving
average of the weights, which is what the campaign keeps.

FOLDER has the pretraining and one file a setting. The same command goes on where it was
stopped; OUT.npz is made of what there is.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import time
from pathlib import Path

import numpy as np
import torch

from collinear.campaign.config import Campaign, load_campaign
from collinear.campaign.journal import FINALS
from collinear.campaign.trials import parse_point, program_input, training_seed
from collinear.dbpn.commands import run_stage
from collinear.dbpn.config import Settings
from collinear.dbpn.data import list_images, load_pairs
from collinear.dbpn.device import keep_freed_memory, prepare_torch
from collinear.dbpn.files import write_atomically
from collinear.dbpn.read_settings import load_settings
from collinear.dbpn.rungs import scores_now
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer
from collinear.dbpn.weights import load_weights

REPOSITORY = Path(__file__).parents[2]
EVERY = 4  # updates
VALUES = ("niqe", "rmse")


def demo() -> Campaign:
    import yaml

    text = (REPOSITORY / "config" / "demo.yaml").read_text(encoding="utf-8")
    return load_campaign(yaml.safe_load(text))


def told() -> list[dict[str, str]]:
    """The trials of the demo campaign's search, in the order told."""
    path = REPOSITORY / "benchmarks" / "demo" / "trials.tsv"
    with open(path, encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        return [row for row in rows if row["lane"] != FINALS]


def points(campaign: Campaign, n: int) -> list[tuple[int, ...]]:
    """Settings as points of the grid: the campaign's, then random ones, none twice."""
    found = [parse_point(row["point"]) for row in told()]
    sizes = [len(axis.values) for axis in campaign.space.axes]
    draw = np.random.default_rng(1)
    while len(found) < n:
        point = tuple(int(draw.integers(size)) for size in sizes)
        if point not in found:
            found.append(point)
    return found[:n]


def settings_of(campaign: Campaign, params: dict[str, float]) -> Settings:
    given = program_input(campaign, params)
    return load_settings(
        given["settings"], params, campaign.threads, scoring=given["scoring"]
    )


def scores(trainer: Trainer, images: list) -> list[float]:
    """NIQE and RMSE of the network to keep; NaN where there is none."""
    found = scores_now(trainer, images, None) or {}
    values = (found.get(name) for name in VALUES)
    return [math.nan if value is None else value for value in values]


def curve(trainer: Trainer, images: list) -> np.ndarray:
    """Scores (updates / EVERY, len(VALUES)); NaN from a divergence on."""
    rows = np.full((trainer.task.iterations // EVERY, len(VALUES)), math.nan)
    while trainer.step < trainer.task.iterations:
        trainer.update()
        if trainer.step % EVERY:
            continue
        if trainer.trouble():
            break
        rows[trainer.step // EVERY - 1] = scores(trainer, images)
    return rows


def make_all(campaign: Campaign, folder: Path, n: int) -> None:
    """Train what is missing, one file a setting."""
    base = settings_of(campaign, dict(campaign.conventional or {}))
    seeds = [training_seed(campaign.seed, index) for index in (0, 1)]
    run_stage("pretrain", base, seed=seeds[0], out=folder / "pretrain")
    start = load_weights(folder / "pretrain" / "weights.pt")
    files = list_images(base)
    pairs, images = (load_pairs(f, base.scale) for f in (files.train, files.evaluation))
    for number, point in enumerate(points(campaign, n)):
        path = folder / f"{number:03d}-{'-'.join(map(str, point))}.npy"
        if path.exists():
            continue
        began = time.process_time()
        settings = settings_of(campaign, campaign.space.params(point))
        task = Task("finetune", settings, seeds[1], pairs, "demo", start)
        found = curve(Trainer(task, torch.device("cpu")), images)
        write_atomically(path, lambda file, rows=found: np.save(file, rows))
        spent = time.process_time() - began
        print(f"{path.name}: NIQE {found[-1, 0]:.3f}, RMSE {found[-1, 1]:.3f}, "
              f"{spent:.0f} s of CPU time", flush=True)  # fmt: skip


def gather(campaign: Campaign, folder: Path, out: Path, n: int) -> None:
    """Put all curves into one file, and compare the ends with the campaign's table."""
    trials, rows, chosen = told(), [], []
    for number in range(n):
        paths = list(folder.glob(f"{number:03d}-*.npy"))
        if not paths:
            break
        rows.append(np.load(paths[0]))
        chosen.append(parse_point(paths[0].stem.partition("-")[2]))
    steps = np.array([int(trial["step"]) for trial in trials[: len(rows)]])
    ends = np.array([[float(t[name]) for name in VALUES] for t in trials[: len(rows)]])
    away = np.abs(np.array(rows)[: len(ends), -1] / ends - 1)
    params = [campaign.space.params(point) for point in chosen]
    columns = {name: np.array([p[name] for p in params]) for name in params[0]}
    curves = {
        name: np.array(rows, np.float32)[:, :, at] for at, name in enumerate(VALUES)
    }
    temporary = out.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, step=steps, every=EVERY, **curves, **columns)
    os.replace(temporary, out)
    finite = np.isfinite(curves["niqe"][:, -1]).sum()
    print(
        f"{len(rows)} trainings, {finite} ended finite; the ends of the demo's own "
        f"differ from its table by at most {np.nanmax(away):.2g} (relative)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--settings", type=int, default=72)
    given = parser.parse_args()
    prepare_torch(1)
    keep_freed_memory()
    given.folder.mkdir(parents=True, exist_ok=True)
    campaign = demo()
    make_all(campaign, given.folder, given.settings)
    gather(campaign, given.folder, given.out, given.settings)


if __name__ == "__main__":
    main()
