"""The figure of `finetune-length`: each value along the training, and its band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from collinear.dbpn.files import write_atomically

_PANEL = (3.4, 2.3)
_COLUMNS = 3
_LINE, _BAND, _MARK = "#1f4e79", "#c9d8e8", "#c0392b"
_TITLES = {
    "loss": "loss of the generator",
    "mse": "pixel term",
    "perceptual": "perceptual term",
    "adversarial": "adversarial term",
    "style": "style term",
    "discriminator": "loss of the discriminator",
    "rmse": "RMSE, evaluation images",
    "niqe": "NIQE, evaluation images",
    "perceptual_index": "perceptual index, evaluation images",
}


def draw_length(
    rows: Sequence[Mapping[str, float]],
    settled: Mapping[str, Any],
    length: float | None,
    path: Path,
) -> None:
    """Write a PNG file with one panel a value.

    Args:
        rows: The marks.
        settled: Level, band and epoch of each value.
        length: The proposed length in epochs, or None.
        path: The file.
    """
    names = list(settled)
    lines = -(-len(names) // _COLUMNS)
    figure = Figure(
        figsize=(_PANEL[0] * _COLUMNS, _PANEL[1] * lines), layout="constrained"
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, _COLUMNS, squeeze=False, sharex=True).flatten()
    epochs = [row["epoch"] for row in rows]
    for panel, name in zip(panels, names, strict=False):
        one = settled[name]
        panel.axhspan(one.level - one.band, one.level + one.band, color=_BAND)
        panel.plot(epochs, [row[name] for row in rows], color=_LINE, marker=".")
        title = _TITLES.get(name, name)
        if one.epoch is None:
            panel.set_title(f"{title}\nnot settled", fontsize=9)
        else:
            panel.set_title(f"{title}\nsettled at {one.epoch:.3g}", fontsize=9)
            panel.axvline(one.epoch, color=_MARK, linestyle=":")
        if length is not None:
            panel.axvline(length, color=_MARK)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    figure.supxlabel("epochs of fine-tuning at a constant learning rate", fontsize=9)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=150))
