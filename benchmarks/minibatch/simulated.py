"""Devices that follow max(h, d0 + c b) + l b, with noise: no GPU is needed.

h: host; d0 + c b: device; l: loading of one item, which is serial and waits for
nothing. The coefficients of patterns 1 to 4 are those that give the document's final
improvements (table 6) and, for the first two, its floors; they are not measurements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from patterns import PATTERNS, Pattern

from collinear.training.measurement import Measurement, mean_of_upper_half
from collinear.training.probe import ProbeOptions, probe


@dataclass(frozen=True)
class Device:
    """Milliseconds of a step's parts; `memory` is the largest size that fits."""

    host: float
    fixed: float
    per_item: float
    load: float
    memory: int = 1024

    def busy(self, size: int) -> float:
        """Milliseconds that the device computes."""
        return self.fixed + self.per_item * size

    def step(self, size: int) -> float:
        """Milliseconds of a step."""
        return max(self.host, self.busy(size)) + self.load * size

    def usage(self, size: int, at: float) -> float:
        """Percent of a counter's period, from `at` ms on, that the device computes.

        Steps follow each other; a device that waits for the host computes in small
        pieces all the time, one that waits for data not at all meanwhile.
        """
        computing = max(self.host, self.busy(size))
        density = self.busy(size) / computing
        length = self.step(size)

        def computed(until: float) -> float:
            whole, rest = divmod(until, length)
            return density * (whole * computing + min(rest, computing))

        return 100 * (computed(at + PERIOD) - computed(at)) / PERIOD


PERIOD = 1000 / 6
"""Milliseconds that NVML's utilisation covers at least, by its reference."""

# Improvement 1 - t(b) b0 / (t(b0) b) with t = max(h, c b): floor 73.4 % at b0 = 32 puts
# c at 0.266 h / 32, 60.3 % at 0.397 h / 32. With loading: (l + c) (1 + x / b), x from
# 13.5 % between 8 and 72, and from 8.48 % between 32 and 96.
DEVICES = {
    1: Device(32.0, 0.0, 0.266, 0.0),
    2: Device(64.0, 0.0, 0.794, 0.0),
    3: Device(0.0, 17.2, 10.5, 1.5),
    4: Device(0.0, 46.6, 7.0, 3.0),
    5: Device(40.0, 2.0, 12.0, 0.2, memory=96),
}


class Simulation:
    """A device whose clock runs by its own steps."""

    def __init__(self, device: Device, noise: float, seed: int) -> None:
        self.device, self._noise = device, noise
        self._draw = np.random.default_rng(seed)
        self._now = 0.0
        self.spent = 0.0

    def measure(self, size: int, options: ProbeOptions) -> Measurement:
        """Return what a probe measures, with an utilisation as NVML would tell it."""
        found = probe(self._step, size, options=options, clock=lambda: self._now)
        if found.seconds is None:
            return found
        length = self.device.step(size)
        at = self._draw.uniform(0, length, 20)
        level = np.array([self.device.usage(size, start) for start in at])
        noisy = np.clip(level + 0.7 * self._draw.standard_normal(len(level)), 0, 100)
        # Counters are whole numbers.
        whole = tuple(float(round(value)) for value in noisy)
        values = {**found.as_json(), "usages": whole}
        values["usage"] = mean_of_upper_half(whole)
        return Measurement.from_json(values)

    def _step(self, size: int) -> None:
        if size > self.device.memory:
            raise torch.OutOfMemoryError("the simulated memory is too small")
        factor = 1 + self._noise * abs(self._draw.standard_normal())
        self._now += self.device.step(size) * factor / 1e3


def best_size(device: Device, largest: int = 512) -> tuple[int, float]:
    """Return the size with the least time an item, and that time in milliseconds."""
    sizes = range(1, min(largest, device.memory) + 1)
    best = min(sizes, key=lambda b: device.step(b) / b)
    return best, device.step(best) / best


def pattern_of(number: int) -> Pattern:
    """Return a pattern by its number."""
    return PATTERNS[number - 1]
