"""torch's Adam without two seconds of start-up."""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import torch
from torch.optim import Optimizer

_step = unwrap(torch.optim.Adam.step)


class Adam(torch.optim.Adam):
    """Adam, number by number torch's own.

    Some methods of torch's optimisers are wrapped so that its compiler passes them by,
    and the first call of a wrapper imports the compiler: about two seconds of CPU time
    in every process. No optimiser is compiled here, so the wrappers are left out.
    """

    add_param_group = unwrap(Optimizer.add_param_group)
    load_state_dict = unwrap(Optimizer.load_state_dict)
    state_dict = unwrap(Optimizer.state_dict)
    zero_grad = unwrap(Optimizer.zero_grad)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do one update (torch's wrapper switches gradients off, and so does this)."""
        return _step(self, closure)
