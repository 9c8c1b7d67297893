"""Optimisers that need no learning-rate schedule, as the study compares them.

Written from the papers' algorithms; no option is tuned.
"""

import torch
from torch.optim import Optimizer


class Prodigy(Optimizer):
    """K. Mishchenko, A. Defazio, "Prodigy" (2023), algorithm 4, Adam version.

    The distance d from the start to the solution is estimated from below, and takes the
    place of the learning rate.
    """

    def __init__(self, params, betas=(0.9, 0.999), eps=1e-8, d0=1e-6):
        super().__init__(params, {"lr": 1.0})
        self.betas, self.eps, self.d, self.r = betas, eps, d0, 0.0

    @torch.no_grad()
    def step(self):
        (b1, b2), d = self.betas, self.d
        b3, norm, gain = b2**0.5, 0.0, 0.0
        params = [p for g in self.param_groups for p in g["params"]]
        for p in params:
            state, g = self.state[p], p.grad
            if not state:
                state["x0"] = p.clone()
                state |= {k: torch.zeros_like(p) for k in ("m", "v", "s")}
            gain += float((g * (state["x0"] - p)).sum())
            state["m"].mul_(b1).add_(g, alpha=(1 - b1) * d)
            state["v"].mul_(b2).addcmul_(g, g, value=(1 - b2) * d * d)
            state["s"].mul_(b3).add_(g, alpha=(1 - b3) * d * d)
            norm += float(state["s"].abs().sum())
        self.r = b3 * self.r + (1 - b3) * d * d * gain
        if norm > 0:
            self.d = max(d, self.r / norm)
        for p in params:
            state = self.state[p]
            p.addcdiv_(state["m"], state["v"].sqrt() + d * self.eps, value=-d)


class ScheduleFreeSGD(Optimizer):
    """A. Defazio et al., "The Road Less Scheduled" (2024), equations 3 to 5.

    Gradients are taken at y = (1 - beta) z + beta x, z does plain steps, and x, the
    mean of all z, is the network to use: `swap` puts it in. Batch normalisation must
    then measure its statistics again.
    """

    def __init__(self, params, lr, beta=0.9):
        super().__init__(params, {"lr": lr})
        self.beta, self.count = beta, 0

    @torch.no_grad()
    def step(self):
        self.count += 1
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["z"], state["x"] = p.clone(), p.clone()
                state["z"].sub_(p.grad, alpha=group["lr"])
                state["x"].lerp_(state["z"], 1 / self.count)
                p.copy_(state["z"].lerp(state["x"], self.beta))

    @torch.no_grad()
    def swap(self, name):
        """Put y (for training) or x (for use) into the network."""
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                y = state["z"].lerp(state["x"], self.beta)
                p.copy_(state["x"] if name == "x" else y)
