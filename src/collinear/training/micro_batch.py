"""A minibatch in parts, so that it fits into memory: gradients are added up.

The gradient of a mean over a minibatch is the mean of the gradients over its parts,
weighted by their sizes, so the update is the same but for rounding. Not where a layer
or a loss looks at the minibatch as a whole: batch normalisation is found and refused;
a loss that couples items (a Gram matrix of the minibatch, say) cannot be found, and
dropout draws other masks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from collinear.training.errors import TuningError, check_count

_log = logging.getLogger(__name__)

ON_BATCH_NORM = ("refuse", "warn")


def backward_in_parts(
    loss_of: Callable[..., Tensor],
    minibatch: Sequence[Tensor],
    size: int,
    *,
    networks: nn.Module | Iterable[nn.Module] = (),
    reduction: str = "mean",
    on_batch_norm: str = "refuse",
) -> Tensor:
    """Add the gradients of a minibatch's loss, one part after another.

    Call the optimiser's `zero_grad` before and `step` after it, as with one backward.

    Args:
        loss_of: Returns the scalar loss of a part: called with a slice of each tensor.
        minibatch: Tensors (n, ...) with the same n.
        size: Items of a part; the last one takes what is left.
        networks: What `loss_of` runs, one network or several; looked through for batch
            normalisation.
        reduction: "mean" if the loss is a mean over items, "sum" if a sum.
        on_batch_norm: "refuse" or "warn".

    Returns:
        The loss of the whole minibatch, without a graph.

    Raises:
        TuningError: A value is not allowed, or a network normalises over a minibatch.
    """
    check_count("the size of a part", size)
    _check_choice("reduction", reduction, ("mean", "sum"))
    n = _items(minibatch)
    if size < n:
        check_batch_norm(networks, on_batch_norm)
    total: Tensor | None = None
    for start in range(0, n, size):
        part = [tensor[start : start + size] for tensor in minibatch]
        share = len(part[0]) / n if reduction == "mean" else 1.0
        loss = loss_of(*part)
        if loss.dim() != 0:
            raise TuningError(
                f"the loss of a part must be one number, but has shape "
                f"{tuple(loss.shape)}; take its mean or sum"
            )
        loss = loss * share
        loss.backward()
        total = loss.detach() if total is None else total + loss.detach()
    assert total is not None
    return total


def check_batch_norm(
    networks: nn.Module | Iterable[nn.Module], on_batch_norm: str
) -> None:
    """Refuse, or warn of, networks whose parts differ from the whole.

    Args:
        networks: What runs in a step, one network or several.
        on_batch_norm: "refuse" or "warn".

    Raises:
        TuningError: One normalises over a minibatch and is to be refused.
    """
    _check_choice("on_batch_norm", on_batch_norm, ON_BATCH_NORM)
    each = [networks] if isinstance(networks, nn.Module) else networks
    found = [name for network in each for name in batch_norms(network)]
    if not found:
        return
    shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" * (len(found) > 3))
    text = (
        f"the parts of a minibatch must give the gradient of the whole, but {shown} "
        "normalises over the items it sees"
    )
    if on_batch_norm == "refuse":
        raise TuningError(
            f"{text}; use GroupNorm, put these layers into eval mode, or accept "
            "another training with on_batch_norm='warn'"
        )
    _log.warning("%s; the training is another one", text)


def batch_norms(network: nn.Module) -> list[str]:
    """Return the names of layers that use the statistics of a minibatch as it is now.

    A layer in eval mode with running statistics does not.
    """
    return [
        f"{name or 'the network'} ({type(layer).__name__})"
        for name, layer in network.named_modules()
        if isinstance(layer, _BatchNorm)
        and (layer.training or layer.running_mean is None)
    ]


def choose_part(
    minibatch: int,
    memory_limit: float,
    memory_of: Callable[[int], float],
    seconds_of: Callable[[int], float] | None = None,
) -> int:
    """Return the size of a part that fits into memory and takes the least time.

    Args:
        minibatch: Items of a minibatch.
        memory_limit: Bytes that may be used.
        memory_of: Returns bytes by size of a part; take the upper end of a prediction.
        seconds_of: Returns seconds of one part by its size; None: the fewest parts.

    Returns:
        A divisor of the minibatch, so that all parts are alike; the largest of those
        that take equally long.

    Raises:
        TuningError: Not even one item fits.
    """
    check_count("minibatch", minibatch)
    sizes = [b for b in range(1, minibatch + 1) if minibatch % b == 0]
    fitting = [b for b in sizes if memory_of(b) <= memory_limit]
    if not fitting:
        raise TuningError(
            f"one item must fit into memory, but needs {memory_of(1) / 1e6:.0f} MB of "
            f"{memory_limit / 1e6:.0f} MB; take smaller items, a smaller network or a "
            "device with more memory"
        )
    if seconds_of is None:
        return max(fitting)
    return min(fitting, key=lambda b: (minibatch // b * seconds_of(b), -b))


def _items(minibatch: Sequence[Tensor]) -> int:
    counts = {len(tensor) if tensor.dim() else 0 for tensor in minibatch}
    if len(counts) != 1 or 0 in counts:
        raise TuningError(
            "a minibatch must be tensors with the same number of items, at least one, "
            f"but got {[tuple(tensor.shape) for tensor in minibatch]}"
        )
    return counts.pop()


def _check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise TuningError(
            f"{name} must be one of {', '.join(allowed)}, but got {value!r}"
        )
