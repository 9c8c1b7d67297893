"""Which patches an update sees: a pure function of (seed, stage, step).

So a training can resume from its step alone, without the state of a random generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from collinear.dbpn.files import derive_seed

ORIENTATIONS = 8
"""Symmetries of the square: 4 turns, each with and without a mirror."""


@dataclass(frozen=True)
class Patch:
    """One patch of a minibatch.

    Attributes:
        image: Index of the training image.
        top: First row in the low resolution image, pixels.
        left: First column likewise.
        orientation: 0 to 7; turns = orientation % 4, mirrored from 4 on.
    """

    image: int
    top: int
    left: int
    orientation: int


def plan_patches(
    seed: int,
    stage: str,
    step: int,
    *,
    minibatch: int,
    patch: int,
    sizes: Sequence[tuple[int, int]],
    orientations: Sequence[int] = range(ORIENTATIONS),
) -> list[Patch]:
    """Return the patches of one update.

    In each epoch every image is used once, in an order drawn anew.

    Args:
        seed: Seed of the training.
        stage: "pretrain" or "finetune".
        step: Number of updates before this one.
        minibatch: Patches to return.
        patch: Side in low resolution pixels.
        sizes: Height and width of each low resolution image, none below `patch`.
        orientations: Which of the symmetries to draw from.

    Returns:
        `minibatch` patches.
    """
    draw = np.random.Generator(np.random.PCG64(derive_seed(seed, stage, "patch", step)))
    chosen = []
    for position in range(step * minibatch, (step + 1) * minibatch):
        epoch, place = divmod(position, len(sizes))
        image = int(_order(seed, stage, epoch, len(sizes))[place])
        height, width = sizes[image]
        chosen.append(
            Patch(
                image=image,
                top=int(draw.integers(height - patch + 1)),
                left=int(draw.integers(width - patch + 1)),
                orientation=orientations[int(draw.integers(len(orientations)))],
            )
        )
    return chosen


@lru_cache(maxsize=4)
def _order(seed: int, stage: str, epoch: int, images: int) -> NDArray[np.int64]:
    state = derive_seed(seed, stage, "order", epoch)
    return np.random.Generator(np.random.PCG64(state)).permutation(images)
