"""What a training will take: time and memory from `cost.json`, with error bars."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from collinear.dbpn.config import STAGES, Settings
from collinear.dbpn.cost import data_mib, memory_counts, update_counts
from collinear.dbpn.data import list_images
from collinear.dbpn.section import ConfigError
from collinear.training.cost_model import CostModel, Prediction

VERSION = 1
SWITCHES = ("w_perceptual", "w_adversarial", "w_style")
"""Weights that switch a network or a term off where they are 0."""


@dataclass(frozen=True)
class StagePrediction:
    """A stage's predicted cost.

    Attributes:
        iterations: Its updates.
        update: Seconds of one.
        seconds: Seconds of all, start and scoring not included.
        host_mib: Peak memory of the process in MiB.
        device_mib: Peak memory of the GPU; None on a CPU.
    """

    iterations: int
    update: Prediction
    seconds: Prediction
    host_mib: Prediction
    device_mib: Prediction | None


def read_cost(path: Path) -> dict[str, Any]:
    """Read a `cost.json`.

    Raises:
        ConfigError: It is not one, or of another version.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["version"]
        if version != VERSION:
            raise ConfigError(
                f"{path}: has version {version}, but this program reads {VERSION}; "
                "remove it and profile again"
            )
        for name in ("subject", "clock", "points"):
            record[name]
        dict(record["subject"])
        for name in ("seconds", "host_mib", "device_mib"):
            if record[name] is not None or name != "device_mib":
                CostModel.from_json(record[name])
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: is not a cost model ({error!r}); remove it and profile again"
        ) from error
    return record


def check_subject(
    path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Check that a cost model holds for settings.

    Raises:
        ConfigError: Another network, device or program; the message names what differs.
    """
    for name, value in wanted.items():
        if found.get(name) != value:
            raise ConfigError(
                f"{path}: holds for {name} {found.get(name)}, but this is {value}; "
                "remove it and profile again, or choose another folder"
            )


def predict_stage(
    record: Mapping[str, Any],
    settings: Settings,
    stage_name: str,
    *,
    images: int,
    data_mib: float = 0.0,
) -> StagePrediction:
    """Predict a stage of training.

    Args:
        record: What `read_cost` returned.
        settings: The configuration with a trial's parameters.
        stage_name: "pretrain" or "finetune".
        images: Training images, which decide an epoch's updates.
        data_mib: MiB of images that stay in the memory of the process.

    Raises:
        TuningError: The profile lacks a term that the stage has.
    """
    counts = update_counts(settings, stage_name)
    update = CostModel.from_json(record["seconds"]).predict(counts)
    memory = memory_counts(settings, stage_name)
    host = CostModel.from_json(record["host_mib"]).predict(memory)
    device = record["device_mib"]
    iterations = settings.stage(stage_name).count_iterations(images)
    return StagePrediction(
        iterations,
        update,
        _times(update, iterations),
        _plus(host, data_mib),
        CostModel.from_json(device).predict(memory) if device else None,
    )


def stage_costs(
    record: Mapping[str, Any], settings: Settings, tuned: Sequence[str]
) -> dict[str, Any]:
    """Return what `cost.json` tells a workflow: costs of the pretraining and of trials.

    Args:
        record: The cost model.
        settings: The configuration.
        tuned: Parameters that differ between trials.

    Returns:
        For each stage a list of cases: the names in `zero` are 0 in a trial, the other
        names in `names` are not; seconds and MiB as [expected, low, high].
    """
    files = list_images(settings).train
    mib = data_mib([(file.width, file.height) for file in files], settings.scale)
    names = [name for name in SWITCHES if name in tuned]

    def cost(at: Settings, stage: str) -> dict[str, Any]:
        found = predict_stage(record, at, stage, images=len(files), data_mib=mib)
        memory = found.host_mib
        return {"seconds": _ends(found.seconds), "memory_mib": _ends(memory)}

    cases = []
    for count in range(len(names) + 1):
        for zero in combinations(names, count):
            stage = settings.finetune
            off = {name: float(name not in zero) for name in names}
            stage = dataclasses.replace(stage, **off)  # type: ignore[arg-type]
            if any(getattr(stage, name) for name in ("w_mse", *SWITCHES)):
                at = dataclasses.replace(settings, finetune=stage)
                cases.append({"zero": list(zero), **cost(at, "finetune")})
    return {
        "pretrain": {
            "names": [],
            "cases": [{"zero": [], **cost(settings, "pretrain")}],
        },
        "finetune": {"names": names, "cases": cases},
    }


def _ends(found: Prediction) -> list[float]:
    return [found.value, found.low, found.high]


def predict_text(path: Path, settings: Settings) -> str:
    """Return the predicted cost of both stages as lines of text.

    Raises:
        ConfigError: The cost model holds for another network, device or program.
        TuningError: The profile lacks a term that a stage has.
    """
    from collinear.dbpn.acceleration import usable
    from collinear.dbpn.device import choose_device
    from collinear.dbpn.profile import subject_of

    device = choose_device(settings)
    settings = usable(settings, device)
    record = read_cost(path)
    check_subject(path, record["subject"], subject_of(settings, device))
    files = list_images(settings).train
    sizes = [(file.width, file.height) for file in files]
    lines = []
    for name in STAGES:
        found = predict_stage(
            record,
            settings,
            name,
            images=len(files),
            data_mib=data_mib(sizes, settings.scale),
        )
        lines.append(_line(name, found, record["clock"]))
    return "".join(f"{line}\n" for line in lines)


def _line(name: str, found: StagePrediction, clock: str) -> str:
    kind = "CPU seconds" if clock == "cpu" else "seconds"
    text = (
        f"{name}: {found.iterations} updates of {_span(found.update, 1e3)} ms, "
        f"{_span(found.seconds)} {kind}, {_span(found.host_mib)} MiB"
    )
    if found.device_mib is not None:
        text += f", {_span(found.device_mib)} MiB of the GPU"
    beyond = sorted({*found.update.beyond, *found.host_mib.beyond})
    if beyond:
        text += f"; beyond what was measured: {', '.join(beyond)}"
    return text


def _span(found: Prediction, factor: float = 1.0) -> str:
    value, low, high = (factor * x for x in (found.value, found.low, found.high))
    return f"{value:.4g} ({low:.4g} to {high:.4g})"


def _times(prediction: Prediction, factor: float) -> Prediction:
    value, low, high = (
        factor * x for x in (prediction.value, prediction.low, prediction.high)
    )
    return Prediction(value, low, high, prediction.beyond)


def _plus(prediction: Prediction, more: float) -> Prediction:
    value, low, high = (
        x + more for x in (prediction.value, prediction.low, prediction.high)
    )
    return Prediction(value, low, high, prediction.beyond)
