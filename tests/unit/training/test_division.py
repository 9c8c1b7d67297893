"""Dynamic programming finds what trying everything finds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from collinear.training.division import Choice, divide, divide_layers, front
from collinear.training.errors import TuningError


def table(draw, minibatch, algorithms=3):
    """Return a synthetic layer: faster algorithms need more workspace."""
    found = []
    for index in range(algorithms):
        fixed, each = draw.uniform(0, 2), draw.uniform(0.2, 1) / (index + 1)
        block = 0 if index == 0 else draw.integers(1, 6)
        for size in range(1, minibatch + 1):
            if size > 1 and draw.random() < 0.3:
                continue
            noise = draw.uniform(0.8, 1.2)
            found.append(
                Choice(f"a{index}", size, (fixed + each * size) * noise, block * size)
            )
    return found


def partitions(n, largest):
    if n == 0:
        yield ()
    for first in range(min(n, largest), 0, -1):
        for rest in partitions(n - first, first):
            yield (first, *rest)


def by_force(minibatch, choices, limit):
    """Return the least time over all partitions and algorithms."""
    best = math.inf
    for sizes in partitions(minibatch, minibatch):
        options = [
            [c.seconds for c in choices if c.size == size and c.workspace <= limit]
            for size in sizes
        ]
        if all(options):
            best = min(best, sum(min(each) for each in options))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_one_layer_against_trying_everything(seed):
    draw = np.random.default_rng(seed)
    minibatch = int(draw.integers(1, 13))
    choices = table(draw, minibatch)
    for limit in (0, 3, 8, 20, 1000):
        found = divide(minibatch, choices, limit)
        assert found.seconds == pytest.approx(by_force(minibatch, choices, limit))
        assert sum(part.size for part in found.parts) == minibatch
        assert found.workspace <= limit


@pytest.mark.parametrize("seed", range(8))
def test_layers_against_trying_everything(seed):
    draw = np.random.default_rng(100 + seed)
    layers = [table(draw, 6) for _ in range(3)]
    fronts = [front(6, layer) for layer in layers]
    for limit in (0, 5, 12, 30):
        found = divide_layers(6, layers, limit)
        best = min(
            sum(d.seconds for d in chosen)
            for chosen in itertools.product(*fronts)
            if sum(d.workspace for d in chosen) <= limit
        )
        assert sum(d.seconds for d in found) == pytest.approx(best)
        assert sum(d.workspace for d in found) <= limit


@pytest.mark.parametrize("seed", range(4))
def test_a_front_holds_the_best_of_every_limit(seed):
    layer = table(np.random.default_rng(200 + seed), 7)
    found = front(7, layer)
    for limit in sorted({c.workspace for c in layer}):
        inside = [d.seconds for d in found if d.workspace <= limit]
        assert min(inside) == pytest.approx(by_force(7, layer, limit))
    assert [d.workspace for d in found] == sorted(d.workspace for d in found)


def test_small_parts_make_a_fast_algorithm_possible():
    """The point of micro-batches: a fast algorithm whose workspace fits in parts."""
    choices = [Choice("slow", 8, 8.0, 0)]
    choices += [Choice("fast", size, 0.5 * size + 0.1, 10 * size) for size in (2, 4, 8)]
    found = divide(8, choices, 40)
    assert [(part.algorithm, part.size) for part in found.parts] == [("fast", 4)] * 2
    assert found.seconds == pytest.approx(4.2)
    assert divide(8, choices, 80).parts[0].size == 8
    assert divide(8, choices, 19).parts == (choices[0],)


def test_what_does_not_fit_is_named():
    choices = [Choice("a", 4, 1.0, 100)]
    with pytest.raises(TuningError, match="within the limit of 50 bytes"):
        divide(8, choices, 50)
    with pytest.raises(TuningError, match="minibatch of 6 must be made up"):
        divide(6, choices, 100)
    with pytest.raises(TuningError, match="layer 2 does not fit"):
        divide_layers(4, [choices, choices], 150)
    with pytest.raises(TuningError, match="must be a whole number"):
        divide(0, choices, 1)
    with pytest.raises(TuningError, match="minibatch must be a whole number"):
        front(0, choices)
    with pytest.raises(TuningError, match="minibatch must be a whole number"):
        divide_layers(0, [choices], 1)
    with pytest.raises(TuningError, match="not negative"):
        Choice("a", 1, math.nan, 0)
