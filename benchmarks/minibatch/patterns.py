"""The trainings whose minibatch size is searched: the document's four, and D-DBPN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from loaders import Cifar100, ImageNet, SerialLoader
from networks import resnet50, vgg16
from torch import nn
from torch.nn import functional

from collinear.dbpn.cost import UpdatePoint, settings_at
from collinear.dbpn.data import list_images, load_pairs
from collinear.dbpn.request import read_request
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer
from collinear.dbpn.tune_minibatch import resizable


@dataclass(frozen=True)
class Pattern:
    """One row of the document's table 1.

    Attributes:
        number: Its number; 5 is ours.
        data: "cifar100", "imagenet" or "dbpn".
        network: "vgg16", "resnet50" or "dbpn".
        items: Items of the whole data set, for the time of an epoch.
        usage_start: First size of GpuUsageMaximize (table 3).
        time_start: First size of EpochTimeMinimize (table 5).
    """

    number: int
    data: str
    network: str
    items: int
    usage_start: int
    time_start: int


CIFAR, IMAGENET = 50_000, 1_261_197
PATTERNS = (
    Pattern(1, "cifar100", "vgg16", CIFAR, 32, 32),
    Pattern(2, "cifar100", "resnet50", CIFAR, 32, 32),
    Pattern(3, "imagenet", "vgg16", IMAGENET, 32, 8),
    Pattern(4, "imagenet", "resnet50", IMAGENET, 32, 32),
    Pattern(5, "dbpn", "dbpn", 800, 4, 4),
)


@dataclass(frozen=True)
class Training:
    """What a probe needs.

    Attributes:
        step: One update on the next minibatch of a size.
        load: The loading alone, as a step does it; None: not apart.
        learn: The rest of a step, on what `load` returned.
        keep: What is to be restored.
    """

    step: Callable[[int], object]
    keep: Sequence[Any]
    load: Callable[[int], Any] | None = None
    learn: Callable[[Any], object] | None = None


def build(
    pattern: Pattern, folder: Path, device: torch.device, divisor: int = 1
) -> Training:
    """Return a pattern's training on a folder of data (for D-DBPN: a configuration)."""
    torch.manual_seed(0)
    if pattern.network == "dbpn":
        return _dbpn(folder, device)
    images = Cifar100(folder) if pattern.data == "cifar100" else ImageNet(folder)
    side = 32 if pattern.data == "cifar100" else 224
    network: nn.Module = (
        vgg16(images.classes, side, divisor)
        if pattern.network == "vgg16"
        else resnet50(images.classes, divisor)
    )
    network = network.to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    loader = SerialLoader(images, device)

    def learn(minibatch: Any) -> None:
        pixels, labels = minibatch
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(network(pixels), labels).backward()
        optimizer.step()

    return Training(
        lambda size: learn(loader.next(size)),
        (network, optimizer, loader),
        loader.next,
        learn,
    )


def _dbpn(config: Path, device: torch.device) -> Training:
    """Return D-DBPN's fine-tuning with all terms of a configuration."""
    settings = read_request(config)
    point = UpdatePoint(1, settings.finetune.patch, settings.model.stages, True, True)
    settings = settings_at(settings, point)
    files = list_images(settings).train
    pairs = list(load_pairs(files, settings.scale))
    trainer = Trainer(Task("finetune", settings, 1, pairs, "probe"), device)
    trainer.curve_rows = 1
    return Training(*resizable(trainer))
