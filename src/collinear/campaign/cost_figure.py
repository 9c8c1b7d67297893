"""What trials took against what the cost model predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collinear.campaign.figures import BLUE, GREY, ORANGE, WIDTH, save, style
from collinear.campaign.prepare import Observed


def draw_costs(trials: Sequence[Observed], path: Path) -> None:
    """Draws time and memory of every done trial with a prediction.

    Bars are 95 % intervals; on the line observed equals predicted.

    Args:
        trials: See `prepare.observed_costs`; may be empty.
        path: The picture.
    """
    with style() as plt:
        figure, (time, memory) = plt.subplots(1, 2, figsize=(WIDTH, 0.46 * WIDTH))
        _scatter(time, [(t.predicted["seconds"], t.seconds) for t in trials], 60.0)
        time.set(xlabel="predicted minutes", ylabel="observed minutes", title="Time")
        known = [
            (t.predicted["memory_mib"], t.memory_mib)
            for t in trials
            if t.memory_mib is not None
        ]
        _scatter(memory, known, 1024.0)
        memory.set(xlabel="predicted GiB", ylabel="observed GiB", title="Peak memory")
        figure.tight_layout()
        save(figure, path)


def _scatter(
    axes: Any, pairs: Sequence[tuple[Sequence[float], float]], unit: float
) -> None:
    if not pairs:
        axes.text(0.5, 0.5, "nothing observed yet", ha="center", va="center")
        axes.set(xticks=[], yticks=[])
        return
    for (value, low, high), seen in pairs:
        axes.plot([low / unit, high / unit], [seen / unit] * 2, color=GREY, lw=0.8)
        colour = BLUE if low <= seen <= high else ORANGE
        axes.plot(value / unit, seen / unit, "o", color=colour, ms=4)
    ends = [x / unit for (_, low, high), seen in pairs for x in (low, high, seen)]
    axes.plot([0, max(ends)], [0, max(ends)], color=GREY, lw=0.8, ls="--")
    axes.set(xlim=(0, None), ylim=(0, None))
