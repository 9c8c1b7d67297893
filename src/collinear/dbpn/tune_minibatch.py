"""How many patches at once are fast, and in how many parts a minibatch should run.

The minibatch of a configuration stays what it is: another one is another training.
What is chosen is the size of its parts (`accumulate`), by time and memory. The record
also names the size that would be fastest, for those who want to change the training.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from collinear.dbpn.acceleration import usable
from collinear.dbpn.config import Settings, as_json
from collinear.dbpn.cost import UpdatePoint, memory_counts, settings_at
from collinear.dbpn.data import list_images
from collinear.dbpn.device import choose_device, keep_freed_memory
from collinear.dbpn.files import digest_of, make_folder, write_json
from collinear.dbpn.predict import check_subject, read_cost
from collinear.dbpn.profile import quiet_device, subject_of
from collinear.dbpn.read_settings import least_part
from collinear.dbpn.section import ConfigError
from collinear.dbpn.store import load_or_keep_pairs
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer
from collinear.training.cost_model import CostModel
from collinear.training.doubling import Doubling
from collinear.training.host_device import HostDevice
from collinear.training.measurement import Measurement
from collinear.training.micro_batch import choose_part
from collinear.training.probe import ProbeOptions, probe
from collinear.training.rules import EpochTimeMinimize, GpuUsageMaximize
from collinear.training.tune import Rule, Tuned, tune

BATCH, SIZES = "batch.json", "sizes.json"
RULES = ("doubling", "epoch-time", "gpu-usage")
_TIMES_LARGER = 8

_log = logging.getLogger(__name__)


def run_tuning(
    settings: Settings,
    *,
    out: Path,
    rule: str = "doubling",
    start: int | None = None,
    largest: int | None = None,
    cost: Path | None = None,
    memory_mib: float | None = None,
) -> dict[str, Any]:
    """Measure fine-tuning with all its terms at several sizes; write `batch.json`.

    Args:
        settings: The configuration.
        out: Folder for `sizes.json` (every measurement) and `batch.json`.
        rule: One of `RULES`.
        start: First size; None: the smallest for doubling, else the minibatch.
        largest: Largest size tried; None: eight times the minibatch.
        cost: A `cost.json`, to keep a part's memory below `memory_mib`.
        memory_mib: Limit in MiB; needs `cost`.

    Returns:
        What `batch.json` holds.

    Raises:
        ConfigError, TuningError: Bad input; the message says what and where.
    """
    _check_memory(cost, memory_mib)
    device = choose_device(settings)
    settings = usable(settings, device)
    stage = settings.finetune
    most = _TIMES_LARGER * stage.minibatch if largest is None else largest
    chosen = _rule(rule, settings, most)
    first = _first_size(settings, rule, start)
    make_folder(out)
    measure = _Measure(settings, device, needs_usage=rule == "gpu-usage")
    about = {
        "subject": digest_of(subject_of(settings, device)),
        "stage": digest_of(as_json(stage)),
        "stages": settings.model.stages,
    }
    fits = memory_fits(settings, device, cost, memory_mib)
    _check_fits(settings, fits)  # before anything is measured
    found = tune(
        chosen,
        measure,
        first,
        out=out / SIZES,
        about=about,
    )
    for size in found.unsettled:
        _log.warning("the time at size %d is not known well; the machine is busy", size)
    part, why = choose_accumulation(settings, found, fits)
    record = {
        "status": "done",
        "minibatch": stage.minibatch,
        "part": part,
        "accumulate": stage.minibatch // part,
        "why": why,
        "rule": rule,
        "fastest": found.size,
        "reason": found.reason,
        "model": found.model.as_json() if found.model else None,
        "measurements": len(found.measurements),
    }
    write_json(out / BATCH, record)
    return record


def _check_memory(cost: Path | None, memory_mib: float | None) -> None:
    if (cost is None) != (memory_mib is None):
        raise ConfigError("--cost and --memory-mib go together; give both or none")
    if memory_mib is not None and not (math.isfinite(memory_mib) and memory_mib > 0):
        raise ConfigError(f"--memory-mib must be above 0, but got {memory_mib!r}")


def _first_size(settings: Settings, rule: str, start: int | None) -> int:
    stage = settings.finetune
    least = least_part(settings, stage)
    if start is None:
        return least if rule == "doubling" else stage.minibatch
    if 1 <= start < least:  # the rule refuses what is below 1
        raise ConfigError(
            f"--start must be at least {least} for this network, but got {start}"
        )
    return start


def choose_accumulation(
    settings: Settings, found: Tuned, fits: Callable[[int], bool] = lambda _: True
) -> tuple[int, str]:
    """Return the size of a part of the minibatch, and why.

    Args:
        settings: The configuration.
        found: Measured sizes.
        fits: Whether the memory for a part of a size is there.

    Raises:
        ConfigError: The whole minibatch does not fit, and its parts would be another
            training.
    """
    stage = settings.finetune
    failed = [m.size for m in found.measurements if m.seconds is None]
    limit = min(failed, default=stage.minibatch + 1)

    def memory_of(size: int) -> float:
        return 0.0 if size < limit and fits(size) else 2.0

    couples = _check_fits(settings, lambda size: memory_of(size) <= 1)
    if couples:
        return stage.minibatch, f"whole, because {' and '.join(couples)}"
    part = choose_part(stage.minibatch, 1.0, memory_of, _seconds(found.model))
    if part == stage.minibatch:
        return part, "whole: it fits and no part is faster"
    kind = "memory" if memory_of(stage.minibatch) > 1 else "time"
    return part, f"in {stage.minibatch // part} parts, because of {kind}"


def resizable(trainer: Trainer) -> tuple[Callable[[int], None], Sequence[Any]]:
    """Return an update of any minibatch size, and what a probe must restore."""

    def step(size: int) -> None:
        stage = replace(trainer.task.settings.finetune, minibatch=size, accumulate=1)
        wanted = replace(trainer.task.settings, finetune=stage)
        trainer.task = replace(trainer.task, settings=wanted)
        trainer.update()

    return step, (_Whole(trainer),)


class _Whole:
    """A trainer as something with a state: networks, optimisers, position."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def state_dict(self) -> dict[str, Any]:
        return self._trainer.state()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._trainer.restore(state)


class _Measure:
    """Probes the updates of one training, made when the first size is asked for."""

    def __init__(
        self, settings: Settings, device: torch.device, *, needs_usage: bool
    ) -> None:
        self._settings, self._device = settings, device
        self._needs_usage = needs_usage
        self._parts: tuple[Callable[[int], None], Sequence[Any]] | None = None
        self._read: Callable[[], float] | None = None

    def __call__(self, size: int) -> Measurement:
        if self._parts is None:
            read = quiet_device(self._device)
            if self._needs_usage and read is None:
                raise ConfigError(
                    "--rule gpu-usage needs a GPU with a counter, but this runs on "
                    f"{self._device.type}; use doubling or epoch-time"
                )
            self._read = read if self._needs_usage else None
            self._parts = resizable(self._trainer())
        step, keep = self._parts
        own_time = self._device.type == "cpu" and self._settings.threads == 1
        options = ProbeOptions(together=1 if self._device.type == "cpu" else 5)
        if self._needs_usage:
            # Long enough for several readings, as the document's 1000 updates.
            options = ProbeOptions(together=1000, least=1, most=1)
        _log.info("size %d", size)
        return probe(
            step,
            size,
            keep=keep,
            device=self._device,
            options=options,
            read_usage=self._read,
            clock=time.process_time if own_time else time.perf_counter,
        )

    def _trainer(self) -> Trainer:
        settings = self._settings
        stage = settings.finetune
        point = UpdatePoint(
            stage.minibatch,
            stage.patch,
            settings.model.stages,
            features=stage.uses_features,
            adversarial=stage.w_adversarial > 0,
        )
        at = settings_at(settings, point)
        files = list_images(settings).train
        keep_freed_memory()
        pairs = load_or_keep_pairs(
            files, settings.scale, settings.data.cache, settings.data.store
        )
        trainer = Trainer(Task("finetune", at, 1, pairs, "tuning"), self._device)
        trainer.curve_rows = 1
        return trainer


def _rule(name: str, settings: Settings, largest: int) -> Rule:
    if name == "doubling":
        return Doubling(largest=largest)
    if name == "gpu-usage":
        return GpuUsageMaximize(largest=largest)
    return EpochTimeMinimize(len(list_images(settings).train), largest=largest)


def _check_fits(settings: Settings, fits: Callable[[int], bool]) -> list[str]:
    """Check that the minibatch or its smallest parts fit; return what forbids parts.

    Raises:
        ConfigError: They do not.
    """
    stage, couples = settings.finetune, []
    if stage.w_adversarial > 0:
        couples.append("the discriminator normalises over a part")
    if stage.gram == "minibatch" and stage.w_style > 0:
        couples.append("gram: minibatch needs all of them")
    if couples and not fits(stage.minibatch):
        raise ConfigError(
            f"finetune.minibatch {stage.minibatch} does not fit into memory, and "
            f"its parts would be another training ({' and '.join(couples)}); take "
            "a smaller minibatch or patch, or set accumulate yourself"
        )
    if not couples and not fits(1):
        raise ConfigError(
            "not even one item of finetune.minibatch fits into memory; take a smaller "
            "patch or network, or more memory"
        )
    return couples


def memory_fits(
    settings: Settings,
    device: torch.device,
    cost: Path | None,
    memory_mib: float | None,
) -> Callable[[int], bool]:
    """Return whether the minibatch in parts of a size stays below a limit.

    The upper end of the predicted memory counts; without a cost model everything fits.
    """
    if cost is None or memory_mib is None:
        return lambda _: True
    record = read_cost(cost)
    check_subject(cost, record["subject"], subject_of(settings, device))
    model = CostModel.from_json(record["device_mib"] or record["host_mib"])
    whole = settings.finetune.minibatch

    def fits(part: int) -> bool:
        stage = replace(settings.finetune, accumulate=whole // part)
        counts = memory_counts(replace(settings, finetune=stage), "finetune")
        return model.predict(counts).high <= memory_mib

    return fits


def _seconds(model: HostDevice | None) -> Callable[[int], float] | None:
    return None if model is None else model.seconds
