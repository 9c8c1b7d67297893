"""How long to fine-tune: one long training, and where its losses and scores settle.

The documents trained one setting for 2000 epochs, looked where the losses settle, and
chose 250. This does the same by a rule. The learning rate stays constant, because a
decay belongs to a length.
"""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from collinear.dbpn.commands import open_training
from collinear.dbpn.config import Settings
from collinear.dbpn.data import ImagePair, list_images, load_pairs
from collinear.dbpn.files import write_json, write_text
from collinear.dbpn.loop import train
from collinear.dbpn.progress import Progress
from collinear.dbpn.results import METRICS
from collinear.dbpn.rungs import scores_now
from collinear.dbpn.scoring import load_ma_model
from collinear.dbpn.section import ConfigError
from collinear.dbpn.state import StateError, load_state, save_state
from collinear.dbpn.trainer import CURVE_COLUMNS, Trainer

MARKS = 24
"""Places along the training where it is scored."""
ROWS_A_MARK = 100
"""Losses that are averaged between two marks: one minibatch alone says little."""
LAST_SHARE = 0.25
"""Share of the marks, at the end, whose mean is the level that a value settles to."""
LEAST_BAND = 0.02
"""A band is never narrower than this share of the level."""
BAND_DEVIATIONS = 3.0
NOISE_SHARE = 0.5
"""Share of the marks, at the end, that tell how noisy a value is."""

_RESULT, _TABLE, _FIGURE, _STATE = (
    "length.json",
    "length.tsv",
    "length.png",
    "state.pt",
)
_ROWS = "length"  # key of the marks in the state
_SCORES = ("rmse", "niqe", "perceptual_index")
_NO_VALUES = ("iteration", "epoch", "learning_rate", "rmse")
Row = dict[str, float]


@dataclass(frozen=True)
class Settled:
    """Where one value settles.

    Attributes:
        level: Its mean over the last marks.
        band: How far it may lie from its level.
        epoch: First mark from which on it stays inside; None: it is not there before
            the last marks, which define the level.
    """

    level: float
    band: float
    epoch: float | None


def settle(epochs: Sequence[float], values: Sequence[float]) -> Settled:
    """Return where a value settles.

    The level is the mean over the last quarter of the marks. The band around it is
    three deviations of the value's noise, or 2 % of the level if that is wider. The
    noise is that of successive differences over the last half, so that a trend does not
    count as noise (J. von Neumann et al., "The Mean Square Successive Difference",
    1941). The value has settled at the first mark from which on the median of three
    marks never leaves the band, if that lies before the last quarter.

    >>> settle([1, 2, 3, 4, 5, 6, 7, 8], [9, 5, 3, 2, 2, 2, 2, 2]).epoch
    4
    """
    last = max(2, round(LAST_SHARE * len(values)))
    level = statistics.fmean(values[-last:])
    late = values[-max(3, round(NOISE_SHARE * len(values))) :]
    squares = [(after - before) ** 2 for before, after in pairwise(late)]
    noise = math.sqrt(statistics.fmean(squares) / 2)
    band = max(BAND_DEVIATIONS * noise, LEAST_BAND * abs(level))
    # One mark alone outside the band is an accident.
    inner = [
        statistics.median(values[i - 1 : i + 2]) for i in range(1, len(values) - 1)
    ]
    smooth = [values[0], *inner, values[-1]]
    first = len(values)
    while first > 0 and abs(smooth[first - 1] - level) <= band:
        first -= 1
    early = first < len(values) - last
    return Settled(level, band, epochs[first] if early else None)


def propose(rows: Sequence[Row]) -> tuple[float | None, dict[str, Settled]]:
    """Return the shortest length in epochs at which every value has settled.

    Args:
        rows: One mark each: epoch, and values by name.

    Returns:
        The length, or None when a value has not settled; and each value's own.
    """
    epochs = [row["epoch"] for row in rows]
    names = [name for name in rows[0] if name not in ("iteration", "epoch")]
    found = {name: settle(epochs, [row[name] for row in rows]) for name in names}
    lengths = [one.epoch for one in found.values()]
    known = [length for length in lengths if length is not None]
    return (max(known) if len(known) == len(lengths) else None), found


def run_length(
    settings: Settings,
    *,
    epochs: float,
    seed: int,
    out: Path,
    init: Path,
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Fine-tune for long at a constant rate, score at marks, and propose a length.

    Writes `length.tsv` (marks), `length.png` and, last, `length.json`. The same call
    goes on from its saved state.

    Args:
        settings: The configuration; length and decay of its fine-tuning are replaced.
        epochs: Longest length to look at.
        seed: Seed of the training.
        out: Folder for the results.
        init: The pretrained weights.
        should_stop: Asked after each update.

    Returns:
        Whether it is over.

    Raises:
        As `run_stage`.
    """
    if not (math.isfinite(epochs) and epochs > 0):
        raise ConfigError(f"--longest must be above 0 epochs, but got {epochs!r}")
    stage = dataclasses.replace(
        settings.finetune, epochs=epochs, iterations=None, decay_at=()
    )
    settings = dataclasses.replace(settings, finetune=stage)
    files = list_images(settings)
    total = stage.count_iterations(len(files.train))
    if total < MARKS:
        raise ConfigError(
            f"--longest must give at least {MARKS} iterations, but {epochs:g} epochs "
            f"of {len(files.train)} images are {total}"
        )
    if (out / METRICS).exists():
        raise ConfigError(f"--out {out}: holds a training; use another folder")
    every = total // MARKS
    settings = dataclasses.replace(settings, save_every=every)
    opened = open_training(
        "finetune", settings, seed=seed, out=out, init=init, result=_RESULT
    )
    if opened is None:
        return True
    trainer, identity = opened
    trainer.curve_rows = MARKS * ROWS_A_MARK
    images = load_pairs(files.evaluation, settings.scale)
    marks = _Marks(settings, images, out / _TABLE, every)
    if (out / _STATE).exists():
        marks.rows = _kept_rows(out, identity)
    with Progress("finetune-length", total, trainer.step) as progress:

        def watch(current: Trainer) -> None:
            marks.update(current)
            progress.update(current.step)

        def save(current: Trainer) -> None:
            save_state(out / _STATE, identity, current.state() | {_ROWS: marks.rows})

        if not train(trainer, save=save, should_stop=should_stop, watch=watch):
            return False
    _conclude(marks.rows, trainer.trouble(), out, identity)
    return True


def _kept_rows(out: Path, identity: Mapping[str, Any]) -> list[Row]:
    content = load_state(out / _STATE, identity)
    if _ROWS in content:
        return [dict(row) for row in content[_ROWS]]
    if not (out / _TABLE).exists():
        raise StateError(
            f"{out / _STATE}: is the state of a plain fine-tune, without marks; use "
            "another --out, or remove it"
        )
    # States of before have their marks in the table.
    lines = [line.split("\t") for line in (out / _TABLE).read_text().splitlines()]
    rows = [dict(zip(lines[0], map(float, line), strict=True)) for line in lines[1:]]
    return [row for row in rows if row["iteration"] <= content["step"]]


class _Marks:
    """Scores a training at its marks and keeps the table."""

    def __init__(
        self, settings: Settings, images: Sequence[ImagePair], path: Path, every: int
    ) -> None:
        self.rows: list[Row] = []
        self._settings, self._images = settings, images
        self._path, self._every = path, every
        self._ma_model = load_ma_model(settings.scoring)

    def update(self, trainer: Trainer) -> None:
        """Add a row if the training has come to a mark."""
        if trainer.step % self._every or trainer.trouble():
            return
        row = {"iteration": float(trainer.step), "epoch": trainer.epochs(trainer.step)}
        row |= self._losses(trainer)
        scores = self._scores(trainer)
        if scores is None:
            return
        self.rows.append(row | scores)
        names = list(self.rows[0])
        lines = [names, *([f"{r[name]:.9g}" for name in names] for r in self.rows)]
        write_text(self._path, "".join("\t".join(line) + "\n" for line in lines))

    def _losses(self, trainer: Trainer) -> Row:
        """Return the mean of each term since the last mark."""
        since = trainer.step - self._every
        rows = [row for row in trainer.curve if (row[0] or 0) > since]
        found = {}
        for at, name in enumerate(CURVE_COLUMNS):
            values = [row[at] for row in rows]
            known = [value for value in values if value is not None]
            if name not in _NO_VALUES and known:
                found[name] = statistics.fmean(known)
        return found

    def _scores(self, trainer: Trainer) -> Row | None:
        values = scores_now(trainer, self._images, self._ma_model)
        if values is None:
            return None
        found = {name: values.get(name) for name in _SCORES}
        return {name: value for name, value in found.items() if value is not None}


def _conclude(
    rows: Sequence[Row],
    trouble: tuple[int, str] | None,
    out: Path,
    identity: Mapping[str, Any],
) -> None:
    complete = len(rows) >= MARKS and all(row.keys() == rows[0].keys() for row in rows)
    length, settled = propose(rows) if complete and not trouble else (None, {})
    reason = trouble[1] if trouble else None
    if complete and not trouble:
        from collinear.dbpn.length_figure import draw_length

        draw_length(rows, settled, length, out / _FIGURE)
        open_ends = [name for name, one in settled.items() if one.epoch is None]
        if open_ends:
            reason = f"not settled before the last quarter: {', '.join(open_ends)}"
    elif not trouble:
        reason = "the network's images could not be scored at every mark"
    record = {
        "proposed_epochs": length,
        "reason": reason,
        "rule": " ".join((settle.__doc__ or "").split(">>>")[0].split()),
        "settled": {name: dataclasses.asdict(one) for name, one in settled.items()},
        "identity": dict(identity),
    }
    write_json(out / _RESULT, json.loads(json.dumps(record)))
    (out / _STATE).unlink(missing_ok=True)
