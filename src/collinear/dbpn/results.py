"""The files of a finished training.

`weights.pt`, `curve.tsv`, and `metrics.json`, which is written last: where it stands,
the training is over. `state.pt` is the state of one that goes on.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from collinear.dbpn.config import as_json
from collinear.dbpn.device import peak_memory_mb
from collinear.dbpn.files import write_json, write_text
from collinear.dbpn.rungs import Rungs
from collinear.dbpn.trainer import CURVE_COLUMNS, Trainer
from collinear.dbpn.weights import Weights, save_weights

STATE, WEIGHTS, CURVE, METRICS = "state.pt", "weights.pt", "curve.tsv", "metrics.json"


def publish(
    trainer: Trainer, identity: Mapping[str, Any], out: Path, rungs: Rungs | None
) -> None:
    """Write the results; `METRICS` last, because it says that all is there.

    Args:
        trainer: At the end of its training, or where it diverged or was stopped.
        identity: Of the training.
        out: Its folder.
        rungs: What a stop table asked for, or None.
    """
    trouble = trainer.trouble()
    task = trainer.task
    iterations = trouble[0] if trouble else trainer.step
    weights = None if trouble else _weights_of(trainer, identity)
    if weights is not None:
        save_weights(out / WEIGHTS, weights)
    write_text(out / CURVE, curve_text(trainer))
    features = trainer.features
    hopeless = rungs.verdict(trainer) if rungs else None
    status, reason = ("stopped", hopeless) if hopeless else ("done", None)
    if trouble:
        status, reason = "diverged", trouble[1]
    metrics = {
        "status": status,
        "reason": reason,
        "stage": task.stage,
        "epochs": trainer.epochs(iterations),
        "iterations": iterations,
        "seconds": round(trainer.seconds, 3),
        "peak_memory_mb": round(peak_memory_mb(trainer.device), 1),
        "digests": {
            "config": identity["config"],
            "data": identity["data"],
            "weights": weights.digest if weights else None,
            "features": identity["features"],
        },
        "identity": identity,
        "feature_rms": features.tap_rms.tolist() if features else None,
        "weights": WEIGHTS if weights else None,
    }
    if trainer.rates:
        metrics["learning_rates"] = trainer.rates
    if rungs is not None:
        metrics["planned_epochs"] = trainer.epochs(task.iterations)
        metrics["rungs"] = rungs.records(trainer)
    write_json(out / METRICS, metrics)
    (out / STATE).unlink(missing_ok=True)


def _weights_of(trainer: Trainer, identity: Mapping[str, Any]) -> Weights:
    task = trainer.task
    return Weights(
        scale=task.settings.scale,
        model=task.settings.model,
        generator=trainer.result.state_dict(),
        metadata={
            "identity": dict(identity),
            "iterations": trainer.step,
            "settings": as_json(task.stage_settings),
            "averaged": trainer.average is not None,
            "versions": {
                "collinear": version("collinear"),
                "torch": str(torch.__version__),
                "python": platform.python_version(),
            },
        },
    )


def curve_text(trainer: Trainer) -> str:
    """Return the learning curve as tab-separated text; empty: a term not in use."""
    names: tuple[str, ...] = CURVE_COLUMNS
    if trainer.task.stage_settings.loss == "l1":
        names = tuple("l1" if name == "mse" else name for name in names)
    lines = ["\t".join(names)]
    lines += ["\t".join(_cell(value) for value in row) for row in trainer.curve]
    return "\n".join(lines) + "\n"


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if math.isfinite(value) else str(value)
