"""One stage against two: the same setting from scratch, and from a shared pretraining.

    python benchmarks/dbpn/stages.py --seeds 3 --out benchmarks/dbpn/stages.tsv

As in the documents the second stage is an eighth of the single one: 800 adversarial
updates from drawn weights against 100 from the pretrained ones of config/demo.yaml. The
pretraining is paid once for a whole campaign, so its time is a row of its own.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from noise import SETTINGS, VALUES, demo, score

from collinear.dbpn.commands import run_stage
from collinear.dbpn.data import list_images, load_pairs
from collinear.dbpn.device import keep_freed_memory, prepare_torch
from collinear.dbpn.loop import train
from collinear.dbpn.read_settings import load_settings
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer
from collinear.dbpn.weights import load_weights

STAGES = {"one": 8, "two": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--setting", choices=tuple(SETTINGS), default="conventional")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    prepare_torch(1)
    keep_freed_memory()
    base = load_settings(demo(), SETTINGS[options.setting])
    files = list_images(base)
    pairs, evaluation = (
        load_pairs(images, base.scale) for images in (files.train, files.evaluation)
    )
    lines = [("stages", "seed", "iterations", "cpu_seconds", *VALUES)]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run_stage("pretrain", base, seed=1, out=Path(folder))
        seconds = time.process_time() - begun
        pretrained = load_weights(Path(folder) / "weights.pt")
    values = score(base, pretrained.build(), evaluation)
    lines.append(("pretraining", 1, base.pretrain.iterations, seconds, *values))
    for seed in range(1, options.seeds + 1):
        for name, factor in STAGES.items():
            length = factor * base.finetune.iterations
            params = {**SETTINGS[options.setting], "iterations": length}
            settings = load_settings(demo(), params)
            init = pretrained if name == "two" else None
            begun = time.process_time()
            task = Task("finetune", settings, seed, pairs, "demo", init)
            trainer = Trainer(task, torch.device("cpu"))
            train(trainer, save=lambda _: None, should_stop=lambda: False)
            seconds = time.process_time() - begun
            values = score(settings, trainer.result, evaluation)
            lines.append((name, seed, length, seconds, *values))
    text = "".join("\t".join(map(_cell, line)) + "\n" for line in lines)
    options.out.write_text(text, encoding="utf-8")


def _cell(value) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
