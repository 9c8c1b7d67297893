"""Parts of a minibatch have the gradient of the whole."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional

from collinear.training.errors import TuningError
from collinear.training.micro_batch import (
    backward_in_parts,
    batch_norms,
    choose_part,
)


@pytest.fixture
def net():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.GroupNorm(2, 8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(288, 5),
    )


@pytest.fixture
def minibatch():
    draw = torch.Generator().manual_seed(5)
    return (
        torch.randn(12, 3, 8, 8, generator=draw),
        torch.randint(5, (12,), generator=draw),
    )


def gradients(net, run):
    net.zero_grad()
    loss = run()
    return float(loss), torch.cat([p.grad.flatten() for p in net.parameters()]).clone()


@pytest.mark.parametrize("size", [1, 2, 5, 6, 7, 11, 12, 40])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_gradient_is_that_of_the_whole(net, minibatch, size, reduction):
    """Also where the last part is smaller than the others."""

    def loss_of(images, labels):
        return functional.cross_entropy(net(images), labels, reduction=reduction)

    def whole():
        loss = loss_of(*minibatch)
        loss.backward()
        return loss.detach()

    loss, expected = gradients(net, whole)
    ours, found = gradients(
        net,
        lambda: backward_in_parts(
            loss_of, minibatch, size, networks=[net], reduction=reduction
        ),
    )
    assert ours == pytest.approx(loss, rel=1e-6)
    assert float((found - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


@torch.no_grad()
def test_unweighted_parts_would_differ(net, minibatch):
    """The weights of uneven parts matter: a plain mean over parts is another one."""
    images, labels = minibatch
    losses = [
        functional.cross_entropy(net(images[a:b]), labels[a:b])
        for a, b in [(0, 7), (7, 12)]
    ]
    whole = functional.cross_entropy(net(images), labels)
    assert abs(float(sum(losses) / 2 - whole)) > 1e-4


def normalised():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())


def test_batch_normalisation_is_refused(minibatch):
    net = normalised()
    with pytest.raises(TuningError, match=r"but 1 \(BatchNorm2d\) normalises over"):
        backward_in_parts(lambda x, _: net(x).mean(), minibatch, 4, networks=[net])
    assert all(p.grad is None for p in net.parameters())


def test_a_single_network_need_not_be_in_a_list(minibatch):
    images = minibatch[0].flatten(1)
    net = nn.Linear(192, 1)
    loss = backward_in_parts(lambda x: net(x).mean(), [images], 4, networks=net)
    assert loss.item() == pytest.approx(net(images).mean().item(), abs=1e-6)
    free = nn.BatchNorm1d(192)
    with pytest.raises(TuningError, match="but the network"):
        backward_in_parts(lambda x: free(x).mean(), [images], 4, networks=free)


def test_batch_normalisation_may_be_accepted_with_a_warning(minibatch, caplog):
    net = normalised()
    with caplog.at_level(logging.WARNING):
        backward_in_parts(
            lambda x, _: net(x).square().mean(),
            minibatch,
            4,
            networks=[net],
            on_batch_norm="warn",
        )
    assert "the training is another one" in caplog.text
    assert net[0].weight.grad is not None


def test_whole_minibatches_and_frozen_statistics_are_no_trouble(minibatch):
    net = normalised()
    backward_in_parts(lambda x, _: net(x).mean(), minibatch, 12, networks=[net])
    net.eval()
    backward_in_parts(lambda x, _: net(x).mean(), minibatch, 4, networks=[net])
    assert batch_norms(net) == []
    free = nn.BatchNorm1d(3, track_running_stats=False).eval()
    assert batch_norms(free) == ["the network (BatchNorm1d)"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 0}, "size of a part must be a whole number"),
        ({"minibatch": ()}, "same number of items"),
        ({"minibatch": (torch.ones(2), torch.ones(3))}, "same number of items"),
        ({"minibatch": (torch.ones(0, 2),)}, "at least one"),
        ({"reduction": "max"}, "reduction must be one of mean, sum"),
        ({"on_batch_norm": "ignore"}, "on_batch_norm must be one of refuse, warn"),
        ({"loss_of": lambda x: x}, r"must be one number, but has shape \(2,\)"),
    ],
)
def test_bad_input_is_named(changes, words):
    given = {
        "loss_of": lambda x: x.mean(),
        "minibatch": (torch.ones(4, requires_grad=True),),
        "size": 2,
        **changes,
    }
    with pytest.raises(TuningError, match=words):
        backward_in_parts(**given)


def test_a_part_is_chosen_by_memory():
    memory = {1: 100, 2: 150, 3: 200, 4: 250, 6: 350, 12: 650}
    assert choose_part(12, 650, memory.get) == 12
    assert choose_part(12, 349, memory.get) == 4
    with pytest.raises(TuningError, match="one item must fit into memory"):
        choose_part(12, 99, memory.get)


def test_a_part_is_chosen_by_time_where_that_is_known():
    """A large part may be slower an item than a small one (caches)."""
    seconds = {1: 1.0, 2: 1.5, 3: 2.0, 4: 4.0, 6: 6.0, 12: 12.0}
    assert choose_part(12, 10, lambda b: b, seconds.get) == 3
    assert choose_part(12, 10, lambda b: b, lambda b: b) == 6
