"""The two data sets of document 003, read from the files that their authors give out.

- CIFAR-100, "binary version": `train.bin`, records of 1 + 1 + 3072 bytes (coarse and
  fine label, 32 x 32 planes of red, green, blue). The other versions are pickles, which
  are never read here.
- ImageNet: a folder for each class with JPEG files. The document cuts the central
  224 x 224 pixels and takes colour images only; images that are smaller are left out
  too.

Loading is serial, as in the document: nothing is read ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_CIFAR_SIDE, _CIFAR_RECORD = 32, 2 + 3 * 32 * 32
CROP = 224


class Images(Protocol):
    """A data set: its size, number of classes, and one item."""

    classes: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]: ...


class Cifar100:
    """CIFAR-100 from `train.bin`."""

    classes = 100

    def __init__(self, folder: Path) -> None:
        path = folder / "train.bin"
        if not path.is_file():
            raise SystemExit(
                f"{path}: is missing; give the folder of the binary version"
            )
        data = np.fromfile(path, np.uint8)
        if data.size == 0 or data.size % _CIFAR_RECORD:
            raise SystemExit(
                f"{path}: must hold records of {_CIFAR_RECORD} bytes, but has "
                f"{data.size} bytes"
            )
        records = data.reshape(-1, _CIFAR_RECORD)
        self._labels = records[:, 1]
        self._images = records[:, 2:].reshape(-1, 3, _CIFAR_SIDE, _CIFAR_SIDE)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self._images[index], int(self._labels[index])


class ImageNet:
    """Colour images of a folder of classes, the central 224 x 224 pixels."""

    def __init__(self, folder: Path) -> None:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir())
        if not names:
            raise SystemExit(f"{folder}: must hold a folder for each class")
        self.classes = len(names)
        found = [
            (path, label)
            for label, name in enumerate(names)
            for path in sorted((folder / name).iterdir())
            if path.suffix.lower() in (".jpeg", ".jpg")
        ]
        self._files = [each for each in found if _is_usable(each[0])]
        self.left_out = len(found) - len(self._files)
        if not self._files:
            raise SystemExit(f"{folder}: holds no colour JPEG of {CROP} pixels or more")

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        path, label = self._files[index]
        with Image.open(path) as image:
            left, top = ((side - CROP) // 2 for side in image.size)
            cut = image.crop((left, top, left + CROP, top + CROP))
            return np.asarray(cut).transpose(2, 0, 1), label


class SerialLoader:
    """Minibatches of any size in a drawn order; knows its position."""

    def __init__(self, images: Images, device: torch.device, seed: int = 0) -> None:
        self.images = images
        self._device = device
        self._seed = seed
        self._at = 0

    def next(self, size: int) -> tuple[Tensor, Tensor]:
        """Return images (size, 3, h, w) in -1..1 and labels (size,)."""
        items = [self.images[self._index(self._at + i)] for i in range(size)]
        self._at += size
        pixels = torch.from_numpy(np.stack([item[0] for item in items]))
        labels = torch.tensor([item[1] for item in items])
        return pixels.to(self._device) / 127.5 - 1, labels.to(self._device)

    def _index(self, at: int) -> int:
        epoch, place = divmod(at, len(self.images))
        return int(self._order(epoch)[place])

    def _order(self, epoch: int) -> Sequence[int]:
        if getattr(self, "_drawn", (None,))[0] != epoch:
            draw = np.random.default_rng([self._seed, epoch])
            self._drawn = epoch, draw.permutation(len(self.images))
        return self._drawn[1]

    def state_dict(self) -> dict[str, Any]:
        """Return the position."""
        return {"at": self._at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a position."""
        self._at = state["at"]


def _is_usable(path: Path) -> bool:
    with Image.open(path) as image:
        return image.mode == "RGB" and min(image.size) >= CROP


def write_cifar_like(folder: Path, count: int, seed: int = 0) -> None:
    """Write noise in CIFAR-100's format, to try the loader without the data."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    data = draw.integers(0, 256, (count, _CIFAR_RECORD), np.uint8)
    data[:, 1] %= 100
    data.tofile(folder / "train.bin")


def write_imagenet_like(folder: Path, count: int, seed: int = 0) -> None:
    """Write smooth JPEGs of about ImageNet's size, two of them unusable."""
    draw = np.random.default_rng(seed)
    for index in range(count + 2):
        path = folder / f"n{index % 3:08d}" / f"{index}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = draw.integers(0, 256, (12, 16, 3), np.uint8)
        side = (120, 90) if index == count else (500, 375)
        image = Image.fromarray(coarse).resize(side, Image.Resampling.BICUBIC)
        image = image.convert("L") if index == count + 1 else image
        image.save(path, quality=90)
