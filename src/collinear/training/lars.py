"""LARS, an optimiser for large minibatches, which torch does not have.

Y. You, I. Gitman, B. Ginsburg, "Large Batch Training of Convolutional Networks", 2017
(arXiv:1708.03888), algorithm 1. Each weight tensor has its own learning rate, so that
an update changes it by a share of its norm, whatever the size of its gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from collinear.training.errors import TuningError, check_positive


class Lars(Optimizer):
    """Momentum with a learning rate for each tensor (algorithm 1 of the paper).

    With weights w, gradient g, learning rate lr (gamma of the paper), trust (eta),
    decay (beta), momentum (m) and velocity v, which begins at 0:

        local = trust * |w| / (|g| + decay * |w|)
        v <- momentum * v + lr * local * (g + decay * w)
        w <- w - v

    The learning rate is part of the velocity, as in the paper and unlike torch's SGD: a
    change of it concerns the updates to come, not the velocity so far.

    Two things are not in the paper. A tensor with one dimension or none (a bias, the
    scale and shift of a normalisation) has no local rate and no decay, as most programs
    do; `adapt_vectors` treats it as any other. And where |w| or |g| is 0 the local rate
    is 1: a layer that begins at 0 would otherwise stay there.

    Args:
        params: Parameters or groups of them, as for any optimiser of torch.
        lr: Learning rate, 0 or above. With `trust` at 0.001 it is about 1 to 30, far
            above that of SGD.
        momentum: 0 to below 1.
        weight_decay: Strength of the L2 penalty, 0 or above.
        trust: Trust coefficient, above 0.
        adapt_vectors: Whether tensors with fewer than two dimensions have a local rate
            and decay too.

    Raises:
        TuningError: A value is out of its range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 0.001,
        adapt_vectors: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust": trust,
            "adapt_vectors": adapt_vectors,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with their own values, checked."""
        _check({**self.defaults, **param_group})
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Do one update.

        Args:
            closure: Computes loss and gradients again, as for torch's optimisers.

        Returns:
            What the closure returned, or None.

        Raises:
            TuningError: A gradient is sparse.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    self._update(weights, group)
        return loss

    def _update(self, weights: Tensor, group: dict[str, Any]) -> None:
        gradient = weights.grad
        assert gradient is not None
        if gradient.is_sparse:
            raise TuningError(
                f"Lars needs dense gradients, but that of a tensor of shape "
                f"{tuple(weights.shape)} is sparse; give those to another optimiser"
            )
        change: Tensor = gradient
        local: Tensor | float = 1.0
        if weights.ndim > 1 or group["adapt_vectors"]:
            decay = group["weight_decay"]
            local = local_rate(weights, gradient, trust=group["trust"], decay=decay)
            change = gradient.add(weights, alpha=decay) if decay else gradient
        change = change * (group["lr"] * local)
        if group["momentum"]:
            state = self.state[weights]
            if "velocity" not in state:
                state["velocity"] = torch.zeros_like(weights)
            change = state["velocity"].mul_(group["momentum"]).add_(change)
        weights.sub_(change)


def local_rate(
    weights: Tensor, gradient: Tensor, *, trust: float, decay: float
) -> Tensor:
    """Learning rate of one tensor; 1 where the norm of either is 0.

    It stays on the device, so that an update waits for nothing.

    >>> w, g = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 2.0])
    >>> local_rate(w, g, trust=0.1, decay=0.1).item()
    0.20000000298023224
    """
    size, slope = torch.linalg.vector_norm(weights), torch.linalg.vector_norm(gradient)
    rate = trust * size / (slope + decay * size)
    return torch.where((size > 0) & (slope > 0), rate, torch.ones_like(rate))


def _check(values: dict[str, Any]) -> None:
    for name in ("lr", "weight_decay"):
        if not (math.isfinite(values[name]) and values[name] >= 0):
            raise TuningError(f"{name} must be 0 or above, but got {values[name]!r}")
    if not 0 <= values["momentum"] < 1:
        raise TuningError(
            f"momentum must be 0 to below 1, but got {values['momentum']!r}"
        )
    check_positive("trust", values["trust"])
