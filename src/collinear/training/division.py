"""Divide a minibatch over algorithms with different workspace.

A convolution has several algorithms; the faster ones need more workspace, and a smaller
micro-batch needs less of it. So a minibatch in parts may run a faster algorithm than
the whole in the same memory (Y. Oyama, T. Ben-Nun, T. Hoefler, S. Matsuoka,
"Accelerating Deep Learning Frameworks with Micro-Batches", IEEE Cluster 2018; named by
document 004). Two problems are solved exactly:

- one layer, a limit on its workspace (there "WR"): dynamic programming over items;
- many layers that share one block of workspace in total ("WD"; there by integer
  programming): dynamic programming over layers with their Pareto fronts.

Times and workspaces are tables that the caller has measured or predicted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from collinear.training.errors import TuningError, check_count


@dataclass(frozen=True)
class Choice:
    """One algorithm at one size.

    Attributes:
        algorithm: Its name.
        size: Items of the micro-batch.
        seconds: Time for them.
        workspace: Bytes that it needs meanwhile.
    """

    algorithm: str
    size: int
    seconds: float
    workspace: float

    def __post_init__(self) -> None:
        check_count("the size of a micro-batch", self.size)
        if not (self.seconds >= 0 and self.workspace >= 0):
            raise TuningError(
                "seconds and workspace must be numbers that are not negative, but "
                f"{self.algorithm} at {self.size} has {self.seconds} and "
                f"{self.workspace}"
            )


@dataclass(frozen=True)
class Division:
    """Micro-batches that make up a minibatch, run one after another.

    Attributes:
        parts: In descending size.
    """

    parts: tuple[Choice, ...]

    @property
    def seconds(self) -> float:
        """Time of all parts."""
        return math.fsum(part.seconds for part in self.parts)

    @property
    def workspace(self) -> float:
        """Bytes: parts run one after another and share one block."""
        return max((part.workspace for part in self.parts), default=0.0)


def divide(minibatch: int, choices: Sequence[Choice], limit: float) -> Division:
    """Return the fastest division of a minibatch within a limit on workspace.

    T(n) = min over choices c of at most n items of seconds(c) + T(n - size(c)).

    Args:
        minibatch: Items, 1 or more.
        choices: What may be used, each any number of times.
        limit: Bytes of workspace.

    Returns:
        The division; of equally fast ones the one with fewer parts.

    Raises:
        TuningError: No choice of these sizes within the limit makes up the minibatch.
    """
    check_count("minibatch", minibatch)
    usable = [c for c in choices if c.workspace <= limit and c.size <= minibatch]
    # Best (seconds, parts) of the first n items, and the choice that it ends with.
    best: list[tuple[float, int]] = [(0.0, 0)] + [(math.inf, 0)] * minibatch
    last: list[Choice | None] = [None] * (minibatch + 1)
    for n in range(1, minibatch + 1):
        for choice in usable:
            if choice.size > n:
                continue
            seconds, parts = best[n - choice.size]
            found = (seconds + choice.seconds, parts + 1)
            if found < best[n] and found[0] < math.inf:
                best[n], last[n] = found, choice
    if last[minibatch] is None:
        least = min((c.workspace for c in choices), default=math.nan)
        raise TuningError(
            f"a minibatch of {minibatch} must be made up of the measured sizes within "
            f"the limit of {limit:g} bytes of workspace, but cannot be (the least "
            f"workspace of a choice is {least:g}); raise the limit or measure smaller "
            "sizes"
        )
    parts_found: list[Choice] = []
    left = minibatch
    while left:
        ending = last[left]
        assert ending is not None
        parts_found.append(ending)
        left -= ending.size
    return Division(tuple(sorted(parts_found, key=lambda c: (-c.size, c.algorithm))))


def front(minibatch: int, choices: Sequence[Choice]) -> list[Division]:
    """Return all divisions of a layer that no other beats in time and workspace.

    Returns:
        By ascending workspace and descending time; empty if there is none.

    Raises:
        TuningError: The minibatch is no whole number from 1 on.
    """
    check_count("minibatch", minibatch)
    found: list[Division] = []
    for limit in sorted({choice.workspace for choice in choices}):
        try:
            division = divide(minibatch, choices, limit)
        except TuningError:
            continue
        if not found or division.seconds < found[-1].seconds:
            found.append(division)
    return found


def divide_layers(
    minibatch: int, layers: Sequence[Sequence[Choice]], limit: float
) -> list[Division]:
    """Return the fastest division of each layer within one limit for all together.

    Layers are added one by one; of what has been put together, only what no other
    beats in time and workspace is kept, so the result is exact.

    Args:
        minibatch: Items.
        layers: Choices of each layer.
        limit: Bytes, for the sum over layers of their workspace.

    Raises:
        TuningError: The least workspace of all layers is above the limit, or the
            minibatch is no whole number from 1 on.
    """
    check_count("minibatch", minibatch)
    found: list[tuple[float, float, tuple[Division, ...]]] = [(0.0, 0.0, ())]
    for layer in layers:
        grown = [
            (workspace + each.workspace, seconds + each.seconds, (*chosen, each))
            for workspace, seconds, chosen in found
            for each in front(minibatch, layer)
            if workspace + each.workspace <= limit
        ]
        if not grown:
            raise TuningError(
                f"{len(layers)} layers must fit into {limit:g} bytes of workspace "
                f"together, but layer {len(found[0][2]) + 1} does not fit beside those "
                "before it; raise the limit or measure smaller sizes"
            )
        found = _unbeaten(grown)
    return list(min(found, key=lambda each: (each[1], each[0]))[2])


def _unbeaten(
    found: list[tuple[float, float, tuple[Division, ...]]],
) -> list[tuple[float, float, tuple[Division, ...]]]:
    kept: list[tuple[float, float, tuple[Division, ...]]] = []
    for each in sorted(found, key=lambda e: (e[0], e[1])):
        if not kept or each[1] < kept[-1][1]:
            kept.append(each)
    return kept
