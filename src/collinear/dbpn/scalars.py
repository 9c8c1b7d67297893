"""The learning curve as scalars for TensorBoard, when that package is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from collinear.dbpn.section import ConfigError
from collinear.dbpn.trainer import CURVE_COLUMNS, Trainer


class Scalars:
    """Writes each new row of a trainer's learning curve.

    Args:
        folder: Where TensorBoard looks; None: nothing is written.
        written: Rows that are there already, as after a resume.

    Raises:
        ConfigError: The package tensorboard is not installed.
    """

    def __init__(self, folder: Path | None, written: int = 0) -> None:
        self._writer = None if folder is None else open_writer(folder)
        self._written = written

    def update(self, trainer: Trainer) -> None:
        """Write what is new."""
        if self._writer is None:
            return
        for row in trainer.curve[self._written :]:
            step = int(row[0] or 0)
            for name, value in list(zip(CURVE_COLUMNS, row, strict=True))[1:]:
                if value is not None:
                    self._writer.add_scalar(f"{trainer.task.stage}/{name}", value, step)
        self._written = len(trainer.curve)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


def open_writer(folder: Path) -> Any:
    """Return torch's writer of event files.

    Raises:
        ConfigError: The package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            "--tensorboard needs the package tensorboard, which is not installed: pip "
            "install tensorboard, or leave the option out (curve.tsv has the same "
            "numbers)"
        ) from error
    return SummaryWriter(str(folder))
