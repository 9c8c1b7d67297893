"""One measurement of a profile: the time and memory of an update at one setting.

Each is made in a process of its own, so that its peak memory is its own and running out
of memory ends one measurement only.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from collinear.dbpn.config import Settings
from collinear.dbpn.cost import UpdatePoint
from collinear.dbpn.data import ImagePair
from collinear.dbpn.device import choose_device, keep_freed_memory, peak_memory_mb
from collinear.dbpn.files import digest_of, write_json
from collinear.dbpn.section import ConfigError
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer
from collinear.training.probe import ProbeOptions, probe

_log = logging.getLogger(__name__)


def measure_update(settings: Settings, seconds: float) -> dict[str, Any]:
    """Time updates of a fine-tuning on noise in this process, and take its memory.

    On a CPU with one thread the process's own time is taken, and the fastest update:
    other work on the machine only ever adds to it.
    """
    import collinear.dbpn.commands  # noqa: F401, what a training has loaded as well

    device = choose_device(settings)
    keep_freed_memory()
    trainer = _trainer_on_noise(settings, device)
    trainer.curve_rows = 1
    gpu = device.type == "cuda"
    cpu_time = not gpu and settings.threads == 1
    options = ProbeOptions(
        warm_up=2,
        together=3 if gpu else 1,
        least=5 if gpu else 10,
        most=400,
        error=0.01,
        seconds=seconds,
    )
    found = probe(
        lambda _: trainer.update(),
        settings.finetune.minibatch,
        device=device,
        options=options,
        clock=time.process_time if cpu_time else time.perf_counter,
    )
    host = peak_memory_mb(torch.device("cpu"))
    return {
        "clock": "cpu" if cpu_time else "wall",
        "seconds": found.fastest if cpu_time else found.seconds,
        "error": found.error,
        "updates": found.steps,
        "reason": found.reason,
        "host_mib": round(host, 1),
        "device_mib": round(peak_memory_mb(device), 1) if gpu else None,
    }


def _trainer_on_noise(settings: Settings, device: torch.device) -> Trainer:
    side = settings.finetune.patch + 8
    draw = np.random.default_rng(0)
    high = settings.scale * side
    gt = draw.integers(0, 256, (high, high, 3), np.uint8)
    low = np.ascontiguousarray(gt[:: settings.scale, :: settings.scale])
    pair = ImagePair("noise", gt, low)
    return Trainer(Task("finetune", settings, 1, [pair], "noise"), device)


def _kept(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and "seconds" in found else {}


def measure_point(
    config: Path, point: UpdatePoint, subject: dict[str, Any], out: Path, seconds: float
) -> dict[str, Any]:
    """Return a point's measurement, from its file or a new process.

    Args:
        config: The file that the settings were read from.
        point: What is measured.
        subject: What it holds for; a file of anything else is replaced.
        out: Folder with a folder `points`.
        seconds: Time for timing.

    Raises:
        ConfigError: The process failed; the message has its last line.
    """
    path = out / "points" / f"{point.name}.json"
    digest = digest_of(subject)
    kept = _kept(path)
    if kept.get("subject") == digest:
        return kept
    began = time.time()
    command = [sys.executable, "-m", "collinear.dbpn", "profile-update"]
    command += ["--config", str(config), "--out", str(path)]
    command += ["--point", json.dumps(dataclasses.asdict(point))]
    command += ["--seconds", str(seconds), "--subject", digest]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        found = json.loads(path.read_text())
    elif done.returncode == -9:
        # The system ends a process that takes all memory without a word.
        found = {"subject": digest, "seconds": None, "reason": "killed by the system"}
        write_json(path, found)
    else:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ConfigError(
            f"profiling {point.name} failed with exit code {done.returncode}: {last}"
        )
    if found["seconds"] is None:
        _log.warning("%s: %s", point.name, found["reason"])
    _log.debug("%s took %.1f s", point.name, time.time() - began)
    return found
