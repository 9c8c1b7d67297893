"""Keep a training as it is while its steps are tried out, and put it back bit for bit.

What a step may change: parameters, gradients and buffers of networks, the state and the
groups of optimisers, torch's, numpy's and Python's random states, the position of a
loader, and the flags of torch's back ends. A snapshot holds copies on the CPU, so that
it takes no memory of the device that is measured.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from collinear.training.errors import TuningError

Restore = Callable[[], None]


@contextmanager
def restored(*objects: Any) -> Iterator[None]:
    """Run a block, then put objects and random states back as they were before it.

    Args:
        objects: Networks, optimisers, random generators (of torch, numpy or Python),
            and anything else with `state_dict` and `load_state_dict`: schedulers,
            gradient scalers, loaders that know their position.

    Raises:
        TuningError: An object is none of these.
    """
    back = snapshot(*objects)
    try:
        yield
    finally:
        back()


def snapshot(*objects: Any) -> Restore:
    """Return a function that puts objects and random states back as they are now."""
    parts = [_keep_random_states(), _keep_flags(), *(_keep(each) for each in objects)]

    def back() -> None:
        for part in parts:
            part()

    return back


def _keep(item: Any) -> Restore:
    if isinstance(item, nn.Module):
        return _keep_module(item)
    if isinstance(item, Optimizer):
        return _keep_optimizer(item)
    state = state_of(item)
    return lambda: put_state(item, state)


def state_of(item: Any) -> Any:
    """Return a copy of the state of what is neither a network nor an optimiser.

    Raises:
        TuningError: It has none that could be put back.
    """
    if isinstance(item, torch.Generator):
        return item.get_state()
    if isinstance(item, np.random.Generator):
        return copy.deepcopy(item.bit_generator.state)
    if isinstance(item, random.Random):
        return item.getstate()
    if hasattr(item, "state_dict") and hasattr(item, "load_state_dict"):
        return copied(item.state_dict())
    raise TuningError(
        "what is restored must be a network, an optimiser, a random generator, or have "
        f"state_dict and load_state_dict, but got {type(item).__name__}; for a loader, "
        "give an object that knows its position, or let each step begin a new pass"
    )


def put_state(item: Any, state: Any) -> None:
    """Put back a state of `state_of`, of this object or of one like it."""
    if isinstance(item, torch.Generator):
        item.set_state(state)
    elif isinstance(item, np.random.Generator):
        item.bit_generator.state = state
    elif isinstance(item, random.Random):
        item.setstate(state)
    else:
        item.load_state_dict(copied(state))


def random_states() -> tuple[Any, ...]:
    """Return the global random states on the CPU: Python's, numpy's and torch's."""
    arrays = np.random.get_state()  # noqa: NPY002, a user's loader may draw from it
    return random.getstate(), arrays, torch.get_rng_state()


def put_random_states(states: tuple[Any, ...]) -> None:
    """Put back what `random_states` returned."""
    python, arrays, here = states
    random.setstate(python)
    np.random.set_state(arrays)  # noqa: NPY002
    torch.set_rng_state(here)


def _keep_module(module: nn.Module) -> Restore:
    # By tensor, not by state_dict: that leaves out gradients and some buffers. And by
    # name: a step may bind another tensor, or None, to it.
    parts = list(module.modules())
    tables = [table for part in parts for table in (part._parameters, part._buffers)]
    names = [dict(table.items()) for table in tables]
    parameters = [(p, _host(p), _host(p.grad), p.requires_grad) for p in _all(module)]
    buffers = [(b, _host(b)) for b in module.buffers()]
    modes = [(part, part.training) for part in parts]

    @torch.no_grad()
    def back() -> None:
        for table, bound in zip(tables, names, strict=True):
            _bind(table, bound)
        for parameter, value, gradient, wanted in parameters:
            assert value is not None
            parameter.copy_(value)
            parameter.requires_grad_(wanted)
            # A copy: a backward pass adds to it, and this may be called once more.
            gradient = None if gradient is None else gradient.to(parameter, copy=True)
            parameter.grad = gradient
        for buffer, value in buffers:
            assert value is not None
            buffer.copy_(value)
        for part, training in modes:
            part.training = training

    return back


def _bind(table: Any, bound: Mapping[str, Tensor | None]) -> None:
    """Let a network's table of tensors hold the very ones that it held."""
    for name in [name for name, _ in table.items() if name not in bound]:
        del table[name]
    for name, tensor in bound.items():
        if name not in table or table[name] is not tensor:
            table[name] = tensor


def _all(module: nn.Module) -> list[nn.Parameter]:
    return list(module.parameters())


def _keep_optimizer(optimizer: Optimizer) -> Restore:
    # By hand: load_state_dict would cast the state to the parameters' type.
    devices = {key: _devices(value) for key, value in optimizer.state.items()}
    state = {key: copied(value) for key, value in optimizer.state.items()}
    live = options_of(optimizer)
    groups = [copied(options) for options in live]
    members = [list(group["params"]) for group in optimizer.param_groups]

    def back() -> None:
        optimizer.state.clear()
        for key, value in state.items():
            optimizer.state[key] = _placed(value, devices[key])
        del optimizer.param_groups[len(groups) :]
        for group, options, kept, parameters in zip(
            optimizer.param_groups, live, groups, members, strict=True
        ):
            for name in set(group) - set(kept) - {"params"}:
                del group[name]
            group.update(filled(options, kept), params=list(parameters))

    return back


def options_of(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return the options of each group as they are, without its parameters."""
    return [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]


@torch.no_grad()
def filled(live: Any, kept: Any) -> Any:
    """Return kept values, tensors in those that live: compiled steps hold on to them.

    Args:
        live: Values whose tensors are filled.
        kept: What `copied` made of them, or of the same values elsewhere.
    """
    if isinstance(live, Tensor) and isinstance(kept, Tensor):
        if live.shape != kept.shape:
            return kept.to(live.device, copy=True)
        return live.copy_(kept)
    if isinstance(live, dict) and isinstance(kept, dict):
        return {name: filled(live.get(name), value) for name, value in kept.items()}
    if _is_plain(live) and _is_plain(kept) and len(live) == len(kept):
        return type(kept)(map(filled, live, kept))
    return copy.deepcopy(kept)


def _is_plain(value: Any) -> bool:
    return type(value) in (list, tuple)


def _keep_random_states() -> Restore:
    states = random_states()
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

    def back() -> None:
        put_random_states(states)
        if gpus:
            torch.cuda.set_rng_state_all(gpus)

    return back


def _keep_flags() -> Restore:
    backends: Any = torch.backends
    places: list[tuple[Any, str]] = [
        (backends.cudnn, "enabled"),
        (backends.cudnn, "benchmark"),
        (backends.cudnn, "benchmark_limit"),
        (backends.cudnn, "deterministic"),
        (backends.cudnn.conv, "fp32_precision"),
        (backends.cudnn.rnn, "fp32_precision"),
        (backends.cuda.matmul, "fp32_precision"),
    ]
    flags = [(owner, name, getattr(owner, name)) for owner, name in places]
    mode = torch.get_deterministic_debug_mode()
    gradients = torch.is_grad_enabled()

    def back() -> None:
        for owner, name, value in flags:
            if getattr(owner, name) != value:  # some refuse to be set on a CPU
                setattr(owner, name, value)
        if torch.get_deterministic_debug_mode() != mode:
            torch.set_deterministic_debug_mode(mode)
        torch.set_grad_enabled(gradients)

    return back


def _host(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.detach().to("cpu", copy=True)


def copied(value: Any) -> Any:
    """Return a deep copy with tensors on the CPU."""
    if isinstance(value, Tensor):
        return _host(value)
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(copied(item) for item in value)
    return copy.deepcopy(value)


def _devices(value: Any) -> Any:
    """Return the devices of tensors, in the shape of `copied`."""
    if isinstance(value, Tensor):
        return value.device
    if isinstance(value, dict):
        return {key: _devices(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return [_devices(item) for item in value]
    return None


def _placed(value: Any, devices: Any) -> Any:
    """Return a fresh copy of `copied` with tensors where they were."""
    if isinstance(value, Tensor):
        return value.to(devices, copy=True)
    if isinstance(value, dict):
        return {key: _placed(item, devices[key]) for key, item in value.items()}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(map(_placed, value, devices))
    return copy.deepcopy(value)
