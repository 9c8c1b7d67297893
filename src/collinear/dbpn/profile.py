"""A short profile of a configuration, and the cost model fitted to it.

Each setting is measured in a process of its own, so that its peak memory is its own and
running out of memory ends one measurement only. Files in the folder: `points/*.json`,
one a setting, and `cost.json`, written last. The same command again measures only what
is missing.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from collinear.dbpn.acceleration import usable
from collinear.dbpn.config import Settings, as_json
from collinear.dbpn.cost import (
    HOST,
    UpdatePoint,
    memory_counts,
    settings_at,
    update_counts,
)
from collinear.dbpn.device import choose_device
from collinear.dbpn.files import make_folder, write_json
from collinear.dbpn.profile_point import measure_point
from collinear.dbpn.progress import Progress
from collinear.dbpn.section import ConfigError
from collinear.training.cost_model import fit_cost
from collinear.training.usage import NvmlCounter, check_idle

COST = "cost.json"
VERSION = 1
_STRIDE = 16
_FEWEST = 8

_log = logging.getLogger(__name__)


def plan_points(settings: Settings) -> list[UpdatePoint]:
    """Return the settings that a profile measures: about twelve, the dearest first.

    They vary minibatch, patch, stages and terms around both stages of the
    configuration, so that each count moves on its own.
    """
    stage, start = settings.finetune, settings.pretrain
    n, patch, stages = stage.minibatch, stage.patch, settings.model.stages
    half, fewer = max(2, n // 2), max(2, (stages + 1) // 2)
    small = _smaller_patch(patch, settings)
    more = n + half
    found = [
        UpdatePoint(n, patch, stages, True, True),
        UpdatePoint(n, patch, stages),
        UpdatePoint(n, patch, stages, features=True),
        UpdatePoint(n, patch, stages, adversarial=True),
        UpdatePoint(start.minibatch, start.patch, stages),
        UpdatePoint(half, patch, stages, True, True),
        # The discriminator cannot normalise over the one place of a single patch.
        UpdatePoint(max(2, n), small, stages, True, True),
        UpdatePoint(half, patch, stages + 1),
        UpdatePoint(n, patch, stages + 2, adversarial=True),
        UpdatePoint(half, small, fewer, features=True),
        UpdatePoint(more, small, fewer, adversarial=True),
        UpdatePoint(more, patch, stages),
        UpdatePoint(1, patch, fewer, features=True),
        UpdatePoint(max(1, start.minibatch // 2), start.patch, fewer),
    ]
    return list(dict.fromkeys(found))


def run_profile(
    config: Path,
    settings: Settings,
    *,
    out: Path,
    seconds: float = 60.0,
    tuned: Sequence[str] = (),
) -> dict[str, Any]:
    """Measure a configuration and write its cost model.

    Args:
        config: The file that the settings were read from.
        settings: The configuration.
        out: Folder for the results, made if missing.
        seconds: Time for timing steps, shared by all settings; the start of a process
            for each comes on top.
        tuned: Parameters that differ between trials, for `stages` of the record.

    Returns:
        What `cost.json` holds.

    Raises:
        ConfigError: The folder cannot be written or holds another profile, or too few
            settings could be run.
        TuningError: The GPU is busy.
    """
    if not seconds > 0:
        raise ConfigError(f"--seconds must be above 0, but got {seconds:g}")
    device = choose_device(settings)
    settings = usable(settings, device)
    subject = subject_of(settings, device)
    make_folder(out)
    found = _read_record(out, subject)
    if found is not None:
        _log.info("%s holds this profile already", out)
        return _with_stages(found, settings, tuned, out)
    quiet_device(device)
    points = plan_points(settings)
    make_folder(out / "points")
    measured = []
    with Progress("profile", len(points)) as progress:
        for done, point in enumerate(points, start=1):
            share = seconds / len(points)
            measured.append(measure_point(config, point, subject, out, share))
            progress.update(done, point.name)
    record = _fitted(settings, subject, points, measured)
    return _with_stages(record, settings, tuned, out)


def _with_stages(
    record: dict[str, Any], settings: Settings, tuned: Sequence[str], out: Path
) -> dict[str, Any]:
    """Add what the stages will cost and write the record, if that changes it."""
    from collinear.dbpn.predict import stage_costs

    stages = stage_costs(record, settings, tuned)
    if record.get("stages") != stages:
        record = {**record, "stages": stages}
        write_json(out / COST, record)
    return record


def subject_of(settings: Settings, device: torch.device) -> dict[str, Any]:
    """Return what a cost model holds for; everything else is in its counts."""
    model = as_json(settings.model)
    model.pop("stages")
    gpu = device.type == "cuda"
    return {
        "scale": settings.scale,
        "model": model,
        "discriminator": as_json(settings.finetune.discriminator),
        "features": [settings.features.width_divisor, list(settings.features.taps)],
        "precision": settings.precision,
        "channels_last": settings.channels_last,
        "compile": settings.compile,
        "threads": settings.threads,
        "device": torch.cuda.get_device_name(device) if gpu else _cpu_name(),
        "torch": str(torch.__version__),
    }


def _fitted(
    settings: Settings,
    subject: dict[str, Any],
    points: Sequence[UpdatePoint],
    measured: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    ran = [(p, m) for p, m in zip(points, measured, strict=True) if m["seconds"]]
    if len(ran) < _FEWEST:
        raise ConfigError(
            f"a profile needs {_FEWEST} settings that run, but only {len(ran)} of "
            f"{len(points)} did; use a smaller minibatch, patch or network"
        )
    rows, memories = [], []
    for point, _ in ran:
        at = settings_at(settings, point)
        rows.append(update_counts(at, "finetune"))
        memories.append(memory_counts(at, "finetune"))
    on_device = all(m["device_mib"] for _, m in ran)
    times = [m["seconds"] for _, m in ran]
    if on_device:
        time_model = fit_cost(rows, times, host=HOST)
    else:
        # A CPU does one operation after another: nothing is hidden behind another.
        time_model = fit_cost([_without_host(row) for row in rows], times)
    host = fit_cost(memories, [m["host_mib"] for _, m in ran])
    device = (
        fit_cost(memories, [m["device_mib"] for _, m in ran]) if on_device else None
    )
    return {
        "version": VERSION,
        "status": "done",
        "subject": subject,
        "clock": ran[0][1]["clock"],
        "seconds": time_model.as_json(),
        "host_mib": host.as_json(),
        "device_mib": device.as_json() if device else None,
        "points": [
            {"point": dataclasses.asdict(p), "counts": r, "memory": c, "measured": m}
            for (p, m), r, c in zip(ran, rows, memories, strict=True)
        ],
        "not run": [
            {"point": dataclasses.asdict(p), "reason": m["reason"]}
            for p, m in zip(points, measured, strict=True)
            if not m["seconds"]
        ],
    }


def _without_host(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != HOST}


def _read_record(out: Path, subject: dict[str, Any]) -> dict[str, Any] | None:
    path = out / COST
    if not path.exists():
        return None
    from collinear.dbpn.predict import check_subject, read_cost

    record = read_cost(path)
    check_subject(path, record["subject"], subject)
    return record


def quiet_device(device: torch.device) -> Callable[[], float] | None:
    """Check that nothing else runs on the device.

    Returns:
        The counter of a GPU's utilisation in percent; None on a CPU, whose load is
        only warned of.

    Raises:
        TuningError: The GPU is busy, or has no counter.
    """
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        counter = NvmlCounter(str(properties.uuid))
        check_idle(counter.read)
        return counter.read
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores:
        _log.warning(
            "the machine is busy (load %.1f on %d cores): with one thread CPU time is "
            "measured, which other work slows down by some per cent",
            load,
            cores,
        )
    return None


def _cpu_name() -> str:
    cpu = Path("/proc/cpuinfo")
    names = (
        [line for line in cpu.read_text().splitlines() if "model name" in line]
        if cpu.exists()
        else []
    )
    return names[0].split(":", 1)[1].strip() if names else "cpu"


def _smaller_patch(patch: int, settings: Settings) -> int:
    """Return about two thirds of a patch that every network can see."""
    stride = max(1, _STRIDE // settings.scale)
    # Five pools halve 32 pixels down to one.
    least = max(stride, 32 // settings.scale)
    return max(least, patch * 2 // 3 // stride * stride)
