"""How small a difference the demo's training can resolve: its spread over seeds.

    python benchmarks/dbpn/noise.py --seeds 8 --out benchmarks/dbpn/noise.tsv

One pretraining of config/demo.yaml; from it two settings, each fine-tuned from several
seeds with and without the decay of the learning rate; of each training the last weights
and their moving average are scored. About ten CPU minutes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import torch
import yaml

from collinear.dbpn.commands import run_stage
from collinear.dbpn.config import ScoringSettings, Settings
from collinear.dbpn.data import list_images, load_pairs
from collinear.dbpn.device import keep_freed_memory, prepare_torch
from collinear.dbpn.infer import upscale
from collinear.dbpn.loop import train
from collinear.dbpn.read_settings import load_settings
from collinear.dbpn.scoring import score_images
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer
from collinear.dbpn.weights import load_weights

SETTINGS = {
    "conventional": {
        "learning_rate": 1e-4,
        "w_perceptual": 2.0,
        "w_adversarial": 1e-3,
        "w_style": 1.0,
    },
    "strong": {
        "learning_rate": 1e-3,
        "w_perceptual": 0.1,
        "w_adversarial": 1e-3,
        "w_style": 10.0,
    },
}
VALUES = ("rmse", "niqe")


def demo() -> dict:
    text = Path("config/demo.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["application"]["settings"]


def with_decay(settings: dict, decay: bool) -> dict:
    return settings if decay else {**settings, "finetune": _constant(settings)}


def _constant(settings: dict) -> dict:
    return {**settings["finetune"], "decay_at": []}


def score(settings: Settings, network, images) -> list[float]:
    network.eval()
    results = [
        (pair.stem, upscale(network, pair.lq, settings.scale), pair.gt)
        for pair in images
    ]
    values = score_images(results, ScoringSettings(), None, 1).values
    return [values[name] for name in VALUES]


def rows(seeds: int, work: Path):
    """Yield setting, decay, average, seed and scores of each training."""
    base = load_settings(demo())
    run_stage("pretrain", base, seed=1, out=work)
    start = load_weights(work / "weights.pt")
    files = list_images(base)
    pairs, evaluation = (
        load_pairs(images, base.scale) for images in (files.train, files.evaluation)
    )
    device = torch.device("cpu")
    for seed in range(1, seeds + 1):
        for name, params in SETTINGS.items():
            for decay in (True, False):
                settings = load_settings(with_decay(demo(), decay), params)
                task = Task("finetune", settings, seed, pairs, "demo", start)
                trainer = Trainer(task, device)
                train(trainer, save=lambda _: None, should_stop=lambda: False)
                for average in (True, False):
                    network = trainer.average if average else trainer.generator
                    yield (
                        name,
                        decay,
                        average,
                        seed,
                        *score(settings, network, evaluation),
                    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    prepare_torch(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        found = list(rows(options.seeds, Path(folder)))
    header = ("setting", "decay", "average", "seed", *VALUES)
    lines = [header, *found]
    text = "".join("\t".join(map(_cell, line)) + "\n" for line in lines)
    options.out.write_text(text, encoding="utf-8")
    for key in dict.fromkeys(row[:3] for row in found):
        for at, name in enumerate(VALUES, start=4):
            values = [row[at] for row in found if row[:3] == key]
            mean, spread = statistics.mean(values), statistics.stdev(values)
            sys.stdout.write(f"{key} {name}: {mean:.3f} +- {spread:.3f}\n")


def _cell(value) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
