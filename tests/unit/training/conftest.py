"""Stand-ins for a device: a clock that a step moves on, and a counter."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from collinear.training.measurement import Measurement
from collinear.training.probe import ProbeOptions, probe

torch.set_num_threads(1)
ROOT = Path(__file__).parents[3]
ONCE = ProbeOptions(warm_up=0, together=1, least=1, most=1)


class StandIn:
    """A device whose step takes a known time, and whose memory has an end."""

    def __init__(self, seconds, memory=math.inf, noise=0.0, seed=0):
        self.now = 0.0
        self.steps = []
        self._seconds, self._memory, self._noise = seconds, memory, noise
        self._draw = np.random.default_rng(seed)

    def step(self, size):
        if size > self._memory:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        self.steps.append(size)
        factor = 1 + self._noise * self._draw.standard_normal()
        self.now += self._seconds(size) * max(factor, 0.1)

    def measure(self, size, options=ONCE):
        return probe(self.step, size, options=options, clock=lambda: self.now)


@pytest.fixture
def stand_in():
    return StandIn


@pytest.fixture(scope="session")
def document():
    path = ROOT / "tests/golden/training/document_003.json"
    return json.loads(path.read_text())


@pytest.fixture
def used():
    """Return a function (usage by size) -> measure, for rules that go by usage."""

    def make(usage):
        return lambda size: Measurement(size, 1.0, usage=usage(size))

    return make
