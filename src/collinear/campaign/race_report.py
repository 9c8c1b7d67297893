"""The race of pretrainings in the report: curves, predictions, and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from collinear.campaign.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    WIDTH,
    save,
    style,
)

_COLOURS = (BLUE, ORANGE, GREEN, RED, "#CC79A7", "#56B4E9")
_POINTS = 30
_COLUMNS = (
    "place",
    "variant",
    "changes",
    "status",
    "epochs_run",
    "last_loss",
    "judged_at_epoch",
    "judged_loss",
    "error",
    "form",
    "seconds_an_epoch",
    "hours_whole",
    "reason",
)


def race_table(choice: Mapping[str, Any]) -> str:
    """Return the ranking as tab-separated text; an empty cell: nothing is known.

    Args:
        choice: See `race.choose`.
    """
    lines = ["\t".join(_COLUMNS)]
    for place, row in enumerate(choice["ranking"], start=1):
        ran, interval = bool(row["losses"]), row["interval"]
        known = row["seconds"] is not None
        cells: list[Any] = [
            place,
            row["name"],
            ", ".join(f"{k} {v}" for k, v in row["changes"].items()),
            row["status"],
            len(row["losses"]) * interval if ran and interval else None,
            row["losses"][-1] if ran else None,
            row["judged_at"] * interval if row["judged_at"] is not None else None,
            row["value"],
            row["error"],
            row["form"],
            row["seconds"] / interval if known else None,
            row["seconds"] * row["longest"] / 3600 if known else None,
            " ".join((row["reason"] or "").split()),
        ]
        lines.append("\t".join(map(_cell, cells)))
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def draw_race(choice: Mapping[str, Any], path: Path) -> None:
    """Draw the curve of every variant, and where it was continued, its continuation.

    Against epochs; with a wall time against the seconds of training, so that a fast
    variant shows its speed.

    Args:
        choice: See `race.choose`.
        path: The picture.
    """
    timed = choice["wall_seconds"] is not None
    with style() as plt:
        figure, axes = plt.subplots(figsize=(WIDTH, 3.0))
        rows = sorted(choice["ranking"], key=lambda row: str(row["name"]))
        for number, row in enumerate(rows):
            colour = _COLOURS[number % len(_COLOURS)]
            _draw_variant(axes, row, choice, colour, timed)
        if timed:
            axes.axvline(choice["wall_seconds"], color=GREY, lw=0.8, ls=":")
        axes.set(
            xlabel="seconds of training" if timed else "epoch",
            ylabel="loss of the race",
        )
        axes.set_xscale("log")
        if all(loss > 0 for row in rows for loss in row["losses"]):
            axes.set_yscale("log")
            plain = plt.FormatStrFormatter("%g")
            axes.yaxis.set_major_formatter(plain)
            axes.yaxis.set_minor_formatter(plain)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        save(figure, path)


def _draw_variant(
    axes: Any,
    row: Mapping[str, Any],
    choice: Mapping[str, Any],
    colour: str,
    timed: bool,
) -> None:
    name = (
        f"{row['name']} (goes on)" if row["name"] == choice["winner"] else row["name"]
    )
    if not row["losses"]:
        axes.plot([], [], color=colour, label=f"{name}: {row['status']}")
        return
    if row["value"] is None:
        name = f"{name}: {row['status']}"
    unit = row["interval"] or 1.0
    if timed and row["seconds"] is not None:
        unit = row["seconds"]
    done = np.arange(1, len(row["losses"]) + 1)
    axes.plot(done * unit, row["losses"], color=colour, lw=1.2, label=name)
    if row["value"] is None:
        return
    if choice["by"] == "prediction" and row["judged_at"] > len(done):
        ahead, values = _continued(row["losses"], row["judged_at"])
        axes.plot(ahead * unit, values, color=colour, lw=1.0, ls="--")
    axes.plot(row["judged_at"] * unit, row["value"], "o", color=colour, ms=4)


def _continued(losses: Sequence[float], end: int) -> tuple[Any, list[float]]:
    from collinear.training.continuation import predict

    spread = np.geomspace(len(losses) + 1, end, _POINTS)
    ahead = np.unique(np.round(spread).astype(int))
    return ahead, [predict(losses, int(epoch)).value for epoch in ahead]
