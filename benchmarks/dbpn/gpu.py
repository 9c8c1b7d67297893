"""What a GPU makes of the adversarial update, lever by lever.

    python benchmarks/dbpn/gpu.py --out benchmarks/dbpn/gpu.json          # on a GPU
    python benchmarks/dbpn/gpu.py --tiny --out /tmp/tiny.json             # anywhere

On a GPU: T = 7, x4, patch 40, minibatch 8 with VGG19 and discriminator at full width.
Measured in one run: the rate of a large bf16 matrix product; for each lever the time of
an update, its share of that rate, the peak memory, the time of 25,000 updates, and how
much of the time kernels run (what bounds it); then fp32 against bf16 in final RMSE and
NIQE over seeds. `--tiny` runs the same code on a small network, on the CPU too; its
figures mean nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from step import lean_update, plain_update
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from collinear.dbpn.apply import run_score
from collinear.dbpn.commands import run_stage
from collinear.dbpn.config import Settings
from collinear.dbpn.device import keep_freed_memory, prepare_torch
from collinear.dbpn.read_settings import load_settings

ITERATIONS = 25_000
"""Updates of the documents' 250 epochs with 800 images and minibatch 8."""
LEVERS: dict[str, dict] = {
    "lean fp32": {},
    "lean bf16": {"precision": "bf16"},
    "lean bf16 channels_last": {"precision": "bf16", "channels_last": True},
    "lean bf16 channels_last compile": {
        "precision": "bf16",
        "channels_last": True,
        "compile": "default",
    },
    "lean bf16 channels_last graphs": {
        "precision": "bf16",
        "channels_last": True,
        "compile": "graphs",
    },
}
FULL = {"stages": 7, "base": 64, "discriminator": 64, "divisor": 1}
FULL |= {"patch": 40, "minibatch": 8, "side": 8192, "steps": 30, "warm": 10}
FULL |= {"pretrain": 5000, "finetune": 2000}
TINY = {"stages": 2, "base": 4, "discriminator": 2, "divisor": 16}
TINY |= {"patch": 8, "minibatch": 2, "side": 128, "steps": 3, "warm": 1}
TINY |= {"pretrain": 4, "finetune": 4}


@dataclasses.dataclass(frozen=True)
class Shares:
    """Operations of an update, and operations a second of a large matrix product."""

    flop: int
    rate: float


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_rate(side: int, device: torch.device) -> float:
    """Return FLOP/s of bf16 matrix products of this side, the best of ten."""
    one, other = torch.randn(2, side, side, device=device, dtype=torch.bfloat16)
    times = []
    for _ in range(10):
        wait(device)
        start = time.perf_counter()
        one @ other
        wait(device)
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)


def count_flop(update: Callable[[], None]) -> int:
    """Return the operations of an eager update's products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        update()
    return counter.get_total_flops()


def busy_share(update: Callable[[], None], device: torch.device) -> dict:
    """Return how much of the time kernels run, and of what kind; None without a GPU."""
    if device.type != "cuda":
        return {"kernel share": None, "product share": None}
    update()
    wait(device)
    start = time.perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as record:
        for _ in range(5):
            update()
        wait(device)
    elapsed = (time.perf_counter() - start) * 1e6
    kernels = {e.key: e.self_device_time_total for e in record.key_averages()}
    total = sum(kernels.values())
    words = ("gemm", "conv", "cudnn", "cutlass", "xmma", "wgrad", "dgrad")
    products = sum(
        t for name, t in kernels.items() if any(word in name.lower() for word in words)
    )
    return {"kernel share": total / elapsed, "product share": products / max(total, 1)}


def measure(
    update: Callable[[], None], sizes: dict, device: torch.device, shares: Shares
) -> dict:
    """Return the figures of one variant."""
    for _ in range(sizes["warm"]):
        update()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    times = []
    for _ in range(sizes["steps"]):
        wait(device)
        start = time.perf_counter()
        update()
        wait(device)
        times.append(time.perf_counter() - start)
    # Without a wait in between, as in a training: launches overlap with kernels.
    start = time.perf_counter()
    for _ in range(sizes["steps"]):
        update()
    wait(device)
    seconds = (time.perf_counter() - start) / sizes["steps"]
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return {
        "seconds a step, waited for": statistics.median(times),
        "seconds a step": seconds,
        "share of the bf16 matrix rate": shares.flop / seconds / shares.rate,
        f"minutes for {ITERATIONS} steps": seconds * ITERATIONS / 60,
        "peak memory GB": memory and memory / 1e9,
        **busy_share(update, device),
    }


def compare_precision(options: argparse.Namespace, sizes: dict) -> list[dict]:
    """Train with fp32 and with bf16 from several seeds; return RMSE and NIQE."""
    rows = []
    for precision in ("fp32", "bf16"):
        settings = quality_settings(sizes, precision)
        for seed in range(1, options.seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                rows.append({"precision": precision, "seed": seed})
                rows[-1] |= train_and_score(settings, seed, Path(folder))
    return rows


def quality_settings(sizes: dict, precision: str) -> Settings:
    base = sizes["base"]
    stage = {"minibatch": sizes["minibatch"], "patch": sizes["patch"]}
    model = {"stages": sizes["stages"], "base": base, "feat": 4 * base}
    return load_settings(
        {
            "scale": 4,
            "model": {**model, "residual": True},
            "pretrain": {**stage, "iterations": sizes["pretrain"]},
            "finetune": {
                **stage,
                "iterations": sizes["finetune"],
                "ema": 0.999 if sizes is FULL else 0.5,
                "discriminator": {"base": sizes["discriminator"]},
            },
            "features": {"width_divisor": sizes["divisor"], "taps": ["pool2", "pool3"]},
            "precision": precision,
        }
    )


def train_and_score(settings: Settings, seed: int, work: Path) -> dict:
    pre, fine = work / "pretrain", work / "finetune"
    weights = pre / "weights.pt"
    run_stage("pretrain", settings, seed=seed, out=pre)
    run_stage("finetune", settings, seed=seed, out=fine, init=weights)
    score = run_score(settings, init=fine / "weights.pt", out=work / "score")
    return dict.fromkeys(("rmse", "niqe")) if score is None else values_of(score)


def values_of(score) -> dict:
    return {name: score.values[name] for name in ("rmse", "niqe")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-compile", action="store_true")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not options.tiny:
        parser.error("there is no GPU here; --tiny tries the script on a CPU")
    sizes = TINY if options.tiny else FULL
    given = argparse.Namespace(**sizes)
    prepare_torch(1)
    keep_freed_memory()
    rate = matrix_rate(sizes["side"], device)
    flop = count_flop(lean_update(given, device))
    plain = plain_update(given, device)
    plain_flop = count_flop(plain)
    found = {"plain fp32": measure(plain, sizes, device, Shares(plain_flop, rate))}
    del plain
    for name, levers in LEVERS.items():
        if options.no_compile and "compile" in levers:
            continue
        update = lean_update(given, device, **levers)
        found[name] = measure(update, sizes, device, Shares(flop, rate))
        del update
        torch.compiler.reset()
    base = found["plain fp32"]["seconds a step"]
    for figures in found.values():
        figures["times faster than plain fp32"] = base / figures["seconds a step"]
    record = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "tiny": options.tiny,
        "sizes": sizes,
        "bf16 matrix rate TFLOP/s": rate / 1e12,
        "GFLOP an update": {"plain": plain_flop / 1e9, "lean": flop / 1e9},
        "variants": found,
        "precision": compare_precision(options, sizes),
    }
    text = json.dumps(record, indent=1, default=dataclasses.asdict) + "\n"
    options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
