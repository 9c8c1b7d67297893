"""One adversarial update: the structure of the public program against ours, paired.

    python benchmarks/dbpn/step.py --rounds 12 --out benchmarks/dbpn/step.json

Each round runs every variant once, in turn, on the same networks and sizes (T = 7, x4,
patch 32, minibatch 1: VGG19 and discriminator at full width). A ratio is taken inside a
round, so a load that comes and goes hits both sides; the median over rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from plain import PlainDBPN, PlainDiscriminator, PlainFeatures, PlainTraining

from collinear.dbpn.acceleration import usable
from collinear.dbpn.data import ImagePair
from collinear.dbpn.device import keep_freed_memory, prepare_torch
from collinear.dbpn.read_settings import load_settings
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer

WEIGHTS = {"w_mse": 0.01, "w_perceptual": 0.1, "w_adversarial": 0.001, "w_style": 10.0}


def settings_for(options: argparse.Namespace, **levers):
    """Settings of the compared training, with some levers."""
    stage = {
        "iterations": 10**6,
        "minibatch": options.minibatch,
        "patch": options.patch,
    }
    discriminator = {"base": options.discriminator}
    return load_settings(
        {
            "scale": 4,
            "model": {
                "stages": options.stages,
                "base": options.base,
                "feat": 4 * options.base,
                "residual": False,
            },
            "pretrain": stage,
            "finetune": {**stage, **WEIGHTS, "discriminator": discriminator},
            "features": {"width_divisor": options.divisor, "normalize_taps": False},
            **levers,
        }
    )


def lean_update(options, device, **levers) -> Callable[[], None]:
    """Our update of the same training."""
    settings = usable(settings_for(options, **levers), device)
    side = options.patch + 8
    draw = np.random.default_rng(0)
    gt = draw.integers(0, 256, (4 * side, 4 * side, 3), np.uint8)
    pair = ImagePair("noise", gt, np.ascontiguousarray(gt[::4, ::4]))
    trainer = Trainer(Task("finetune", settings, 1, [pair], "noise"), device)
    return trainer.update


def plain_update(options, device) -> Callable[[], None]:
    """The update of the public program's structure."""
    size = 4 * options.patch
    torch.manual_seed(0)
    training = PlainTraining(
        PlainDBPN(4, options.stages, options.base, 4 * options.base).to(device),
        PlainDiscriminator(size, options.discriminator).to(device),
        PlainFeatures(options.divisor).to(device),
        tuple(WEIGHTS.values()),
    )
    lq = torch.randn(options.minibatch, 3, options.patch, options.patch, device=device)
    gt = torch.randn(options.minibatch, 3, size, size, device=device)
    return lambda: training.update(lq, gt)


def measure(updates: dict[str, Callable[[], None]], rounds: int) -> dict:
    """Return CPU and wall seconds of each variant by round."""
    seconds: dict = {name: {"cpu": [], "wall": []} for name in updates}
    for turn in range(-1, rounds):
        for name, update in updates.items():
            cpu, wall = time.process_time(), time.perf_counter()
            update()
            if turn >= 0:  # the first round warms up
                seconds[name]["cpu"].append(time.process_time() - cpu)
                seconds[name]["wall"].append(time.perf_counter() - wall)
    return seconds


def summary(seconds: dict) -> dict:
    """Return medians, and the median ratio of the plain variant to each other one."""
    found: dict = {}
    for name, clocks in seconds.items():
        found[name] = {}
        for clock, values in clocks.items():
            plain = seconds["plain fp32"][clock]
            ratios = [a / b for a, b in zip(plain, values, strict=True)]
            found[name][f"{clock} seconds"] = round(statistics.median(values), 4)
            found[name][f"{clock} ratio"] = round(statistics.median(ratios), 3)
            found[name][f"{clock} ratios"] = [round(ratio, 3) for ratio in ratios]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stages", type=int, default=7)
    parser.add_argument("--base", type=int, default=64)
    parser.add_argument("--discriminator", type=int, default=64)
    parser.add_argument("--divisor", type=int, default=1)
    parser.add_argument("--patch", type=int, default=32)
    parser.add_argument("--minibatch", type=int, default=1)
    options = parser.parse_args()
    prepare_torch(1)
    keep_freed_memory()  # for both sides
    device = torch.device("cpu")
    updates = {
        "plain fp32": plain_update(options, device),
        "lean fp32": lean_update(options, device),
        "lean fp32 channels_last": lean_update(options, device, channels_last=True),
        "lean bf16": lean_update(options, device, precision="bf16"),
    }
    load = [os.getloadavg()[0]]
    seconds = measure(updates, options.rounds)
    load.append(os.getloadavg()[0])
    record = {
        "torch": torch.__version__,
        "cpu bf16": bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()),
        "load before and after": load,
        "rounds": options.rounds,
        "variants": summary(seconds),
    }
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
