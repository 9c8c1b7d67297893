"""Give the state of a training in one process to the others.

A snapshot goes back to the objects it was taken of. Here the objects are found by their
order and names, and the state is tensors on the CPU and plain values: what is one
process's second GPU may be another's first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from collinear.training.snapshot import (
    copied,
    filled,
    options_of,
    put_random_states,
    put_state,
    random_states,
    state_of,
)


def states_of(parts: Sequence[Any]) -> Any:
    """Return the states of objects that `snapshot` takes, and the random states.

    Raises:
        TuningError: `snapshot` does not take one of them.
    """
    # Each process trains on a GPU of its own, the current one.
    gpu = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    return [_read(part) for part in parts], random_states(), gpu


def put_states(parts: Sequence[Any], content: Any) -> None:
    """Put what `states_of` found in another process into the same objects here."""
    states, drawn, gpu = content
    for part, state in zip(parts, states, strict=True):
        if isinstance(part, nn.Module):
            _put_module(part, state)
        elif isinstance(part, Optimizer):
            _put_optimizer(part, state)
        else:
            put_state(part, state)
    put_random_states(drawn)
    if gpu is not None and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(gpu)


def _read(part: Any) -> Any:
    if isinstance(part, nn.Module):
        return _module_state(part)
    return state_of(part)


def _module_state(module: nn.Module) -> dict[str, Any]:
    weights = module.state_dict()
    weights.update(copied(weights))  # in place, it also holds the parts' versions
    return {
        "weights": weights,
        # A state_dict leaves these out, and buffers that are not persistent or None.
        "buffers": [
            {
                name: (copied(buffer), name not in part._non_persistent_buffers_set)
                for name, buffer in part._buffers.items()
            }
            for part in module.modules()
        ],
        "parameters": [(copied(p.grad), p.requires_grad) for p in module.parameters()],
        "modes": [part.training for part in module.modules()],
    }


@torch.no_grad()
def _put_module(module: nn.Module, state: dict[str, Any]) -> None:
    first = next(module.parameters(), torch.empty(0))
    for part, buffers, training in zip(
        module.modules(), state["buffers"], state["modes"], strict=True
    ):
        _put_buffers(part, buffers, first.device)
        part.training = training
    module.load_state_dict(state["weights"])
    for parameter, (gradient, wanted) in zip(
        module.parameters(), state["parameters"], strict=True
    ):
        parameter.requires_grad_(wanted)
        parameter.grad = None if gradient is None else gradient.to(parameter)


def _put_buffers(
    part: nn.Module, buffers: dict[str, tuple[Tensor | None, bool]], place: torch.device
) -> None:
    """Bind and fill the buffers of one part, so that `load_state_dict` fits them."""
    for name in part._buffers.keys() - buffers.keys():
        del part._buffers[name]
    for name, (value, persistent) in buffers.items():
        now = part._buffers.get(name)
        if now is not None and value is not None and _alike(now, value):
            now.copy_(value)
            continue
        if value is not None:
            value = value.to(place if now is None else now.device)
        part.register_buffer(name, value, persistent=persistent)


def _alike(one: Tensor, other: Tensor) -> bool:
    return (one.shape, one.dtype) == (other.shape, other.dtype)


def _put_optimizer(optimizer: Optimizer, content: dict[str, Any]) -> None:
    live = options_of(optimizer)
    optimizer.load_state_dict(content)
    # A rate that is a tensor is another one now, and on the CPU.
    for group, options in zip(optimizer.param_groups, live, strict=True):
        kept = {name: value for name, value in group.items() if name != "params"}
        group.update(filled(options, kept))
    # That casts the state to the parameters' type and is right about its devices only.
    members = [p for group in optimizer.param_groups for p in group["params"]]
    for at, parameter in enumerate(members):
        state = optimizer.state.get(parameter, {})
        for name, value in content["state"].get(at, {}).items():
            if isinstance(value, Tensor) and value.dtype != state[name].dtype:
                state[name] = value.to(state[name].device)
