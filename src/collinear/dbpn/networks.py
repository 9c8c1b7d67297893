"""The networks of a training before its first update, and their optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from collinear.dbpn.discriminator import Discriminator
from collinear.dbpn.files import derive_seed
from collinear.dbpn.model import DBPN
from collinear.dbpn.optimizer import Adam
from collinear.dbpn.task import Task


def build_generator(task: Task) -> DBPN:
    """Return the generator: the one that the task starts from, or a new one."""
    with _seeded(task, "generator"):
        network = DBPN(task.settings.scale, task.settings.model)
        if not task.stage_settings.zero_start:
            network.reset_parameters(zero_start=False)
    if task.init is not None:
        network.load_state_dict(task.init.generator)
    return network


def build_discriminator(task: Task) -> Discriminator | None:
    """Return a new discriminator; None when the adversarial weight is 0."""
    stage = task.stage_settings
    if stage.w_adversarial == 0:
        return None
    with _seeded(task, "discriminator"):
        return Discriminator(stage.discriminator, stage.patch * task.settings.scale)


def build_adam(network: nn.Module, learning_rate: float) -> Adam:
    """Return the optimizer of a network."""
    return Adam(network.parameters(), lr=learning_rate, fused=True)


@contextmanager
def _seeded(task: Task, purpose: str) -> Iterator[None]:
    """Seed torch's own generator for a block, and put it back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(task.seed, task.stage, purpose))
        yield
