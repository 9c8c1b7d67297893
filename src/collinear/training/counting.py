"""Count what a training step does without running it: on fake tensors.

Fake tensors have a shape and no numbers (`torch._subclasses.FakeTensorMode`), so a step
of any size is counted in a second or two, without its memory. The work is a property of
the program; how fast a machine does it is fitted in `cost_model`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

Step = Callable[[], object]


@dataclass(frozen=True)
class StepCounts:
    """What one training step does.

    Attributes:
        flops: Multiplications and additions of matrix products and convolutions.
        moved: Bytes that its operations read and write, each on its own.
        operations: Number of operations.
        peak: Largest number of bytes alive at once that the step has made itself,
            inputs and weights not counted.
    """

    flops: int
    moved: int
    operations: int
    peak: int


def count_step(build: Callable[[], Step]) -> StepCounts:
    """Count a step.

    Args:
        build: Makes networks and inputs, and returns the step. It and the step run on
            fake tensors: no number may be read (`item`, `float`), no file loaded.

    Returns:
        The counts; gradients that the step creates are part of `peak`.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        step = build()
        ledger = _Ledger()
        with ledger, FlopCounterMode(display=False) as flops:
            step()
    return StepCounts(
        int(flops.get_total_flops()), ledger.moved, ledger.operations, ledger.peak
    )


class _Ledger(TorchDispatchMode):
    """Adds up the bytes of storages while they live."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = self.operations = self.peak = 0
        self._now = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if _is_tensor(leaf)]
        # What is there before counts as an input, also when it is written in place.
        known = {leaf.untyped_storage()._cdata for leaf in given}
        out = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(out) if _is_tensor(leaf)]
        if made and all(_is_view(leaf, known) for leaf in made):
            return out  # no number is touched
        self.operations += 1
        self.moved += sum(leaf.numel() * leaf.element_size() for leaf in given + made)
        for leaf in made:
            self._add(leaf, known)
        return out

    def _add(self, tensor: Tensor, known: set[int]) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in known or key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._remove, key)

    def _remove(self, key: int) -> None:
        self._now -= self._sizes.pop(key)


def _is_tensor(leaf: object) -> bool:
    return isinstance(leaf, Tensor)


def _is_view(tensor: Tensor, known: set[int]) -> bool:
    return tensor._is_view() and tensor.untyped_storage()._cdata in known
