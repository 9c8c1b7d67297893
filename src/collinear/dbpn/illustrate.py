"""A figure that compares weights on one image: whole, enlarged detail, and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from collinear.dbpn.config import Settings
from collinear.dbpn.data import DataError, ImageFile, ImagePair, list_images, load_pair
from collinear.dbpn.files import make_folder, write_atomically
from collinear.dbpn.infer import upscale
from collinear.dbpn.section import ConfigError
from collinear.dbpn.weights import check_architecture, load_weights
from collinear.quality.images import RgbImage
from collinear.quality.resize import resize_bicubic_uint8
from collinear.quality.score import score_image

_DETAIL_SHARE = 0.26
"""Side of the enlarged detail over the shorter side of the image."""
_PANEL_INCHES = 2.6
_TITLE_INCHES = 0.5
_FRAME = "#ffd400"


@dataclass(frozen=True)
class Panel:
    """One column of the figure: an image of the original's size, and what to say."""

    title: str
    image: RgbImage
    note: str


def draw_comparison(
    settings: Settings,
    weights: Sequence[tuple[str, Path]],
    *,
    out: Path,
    image: str | None = None,
) -> None:
    """Write a figure: low resolution, bicubic, each of the weights, original.

    Args:
        settings: The configuration that the weights belong to.
        weights: Name and file of each, in the order of the figure.
        out: The figure, a .png or .pdf file.
        image: Name of an evaluation image; the first one if left out.

    Raises:
        ConfigError: The figure's name has another suffix, or cannot be written.
        DataError: There is no such image.
        WeightsError: Weights cannot be used.
    """
    if out.suffix.lower() not in (".png", ".pdf"):
        raise ConfigError(f"--out {out}: must end in .png or .pdf")
    make_folder(out.parent)
    pair = load_pair(_choose(list_images(settings).evaluation, image), settings.scale)
    panels = _panels(settings, pair, weights)
    bicubic = panels[1].image
    figure = _draw(panels, detail_of(bicubic))
    form = out.suffix[1:].lower()
    write_atomically(out, lambda file: figure.savefig(file, format=form, dpi=200))


def detail_of(image: RgbImage) -> tuple[int, int, int]:
    """Return (top, left, side) of the square with the strongest edges.

    Given the bicubic image, it finds structure that low resolution still shows, rather
    than texture that no method can bring back.
    """
    side = int(min(image.shape[:2]) * _DETAIL_SHARE)
    grey = image.mean(axis=2)
    edges = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    total = np.pad(edges.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = total[side:, side:] - total[:-side, side:]
    sums = sums - total[side:, :-side] + total[:-side, :-side]
    # Not at the very border, where the frame would touch the image's edge.
    margin = side // 4
    inner = sums[margin:-margin, margin:-margin]
    top, left = np.unravel_index(np.argmax(inner), inner.shape)
    return int(top) + margin, int(left) + margin, side


def _choose(files: Sequence[ImageFile], name: str | None) -> ImageFile:
    for file in files:
        if name in (None, file.stem):
            return file
    stems = ", ".join(file.stem for file in files)
    raise DataError(f"--image must be one of {stems}, but got {name!r}")


def _panels(
    settings: Settings, pair: ImagePair, weights: Sequence[tuple[str, Path]]
) -> list[Panel]:
    scale, size = settings.scale, pair.gt.shape[:2]
    nearest = pair.lq.repeat(scale, axis=0).repeat(scale, axis=1)
    panels = [Panel("low resolution", nearest, f"{scale}x smaller")]
    bicubic = resize_bicubic_uint8(pair.lq, size=size)
    panels.append(_scored("bicubic", bicubic, pair))
    for name, path in weights:
        loaded = load_weights(path)
        # Of any shape: a campaign may compare networks.
        check_architecture(loaded, settings.scale, loaded.model, path)
        panels.append(_scored(name, upscale(loaded.build(), pair.lq, scale), pair))
    panels.append(_scored("original", pair.gt, pair))
    return panels


def _scored(title: str, image: RgbImage, pair: ImagePair) -> Panel:
    score = score_image(pair.stem, image, pair.gt)
    naturalness = "none" if score.niqe is None else f"{score.niqe:.2f}"
    return Panel(title, image, f"RMSE {score.mse**0.5:.2f}   NIQE {naturalness}")


def _draw(panels: Sequence[Panel], detail: tuple[int, int, int]) -> Figure:
    height, width = panels[0].image.shape[:2]
    upper = _PANEL_INCHES * height / width
    size = (_PANEL_INCHES * len(panels), upper + _PANEL_INCHES + _TITLE_INCHES)
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.02, wspace=0, hspace=0)
    figure = Figure(figsize=size, layout=layout)
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(panels), height_ratios=[upper, _PANEL_INCHES])
    top, left, side = detail
    for (above, below), panel in zip(axes.T, panels, strict=True):
        _show(above, panel.image)
        frame = Rectangle((left - 0.5, top - 0.5), side, side, fill=False)
        frame.set(edgecolor=_FRAME, linewidth=1.5)
        above.add_patch(frame)
        above.set_title(f"{panel.title}\n{panel.note}", fontsize=10.5, pad=4)
        _show(below, panel.image[top : top + side, left : left + side])
    return figure


def _show(axes: Any, image: RgbImage) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
