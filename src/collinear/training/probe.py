"""Time a training step at one minibatch size, and leave no trace of it.

Several steps are timed together, with one wait for the device at the end: waiting after
every step would keep the host from working ahead, and a step would take the sum of host
and device instead of the larger of the two (`collinear.training.host_device`).
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from collinear.training.errors import TuningError, check_count
from collinear.training.measurement import (
    Measurement,
    mean_of_upper_half,
    median_and_error,
)
from collinear.training.snapshot import restored
from collinear.training.usage import UsageSampler

Step = Callable[[int], object]
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "alloc_failed")


@dataclass(frozen=True)
class ProbeOptions:
    """How long a step is timed.

    Attributes:
        warm_up: Steps before the first timing (allocators, kernel choice, caches).
        together: Steps in one timing.
        least: Timings at least.
        most: Timings at most, even if the median is not known well enough then.
        error: Relative standard error of the median at which timing ends; 0: never
            before `most`.
        seconds: Seconds after which timing ends anyway, once there are `least`.
    """

    warm_up: int = 3
    together: int = 5
    least: int = 5
    most: int = 40
    error: float = 0.05 / 3
    seconds: float = math.inf

    def __post_init__(self) -> None:
        for name in ("together", "least", "most"):
            check_count(name, getattr(self, name))
        if self.warm_up < 0:
            raise TuningError(f"warm_up must not be below 0, but got {self.warm_up}")
        if self.least > self.most:
            raise TuningError(
                f"least must not be above most, but got {self.least} and {self.most}"
            )


DOCUMENT = ProbeOptions(warm_up=0, together=1000, least=1, most=1)
"""As the author's published program: 1000 updates, one time, no warm-up."""


def probe(
    step: Step,
    size: int,
    *,
    keep: Sequence[Any] = (),
    device: torch.device | str = "cpu",
    options: ProbeOptions | None = None,
    read_usage: Callable[[], float] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Measurement:
    """Time a training step; every object in `keep` is as before afterwards.

    Args:
        step: Does one training step on its next minibatch of a size.
        size: The size.
        keep: Networks, optimisers, generators, loaders (`snapshot.restored`).
        device: Where the step runs; a GPU is waited for before a clock is read.
        options: How long.
        read_usage: Counter of the device in percent, read each second.
        clock: Returns seconds.

    Returns:
        The measurement; one without seconds where memory is too small. Any other
        error of `step` is raised, after everything has been restored.

    Raises:
        TuningError: `size` is not a positive whole number, or an object in `keep`
            cannot be restored.
    """
    check_count("a minibatch size", size)
    options = options or ProbeOptions()
    device = torch.device(device)
    sampler = UsageSampler(read_usage) if read_usage else None
    reason = None
    with restored(*keep):
        try:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            for _ in range(options.warm_up):
                step(size)
            with sampler or nullcontext():
                timings, settled = _timings(step, size, device, options, clock)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            reason = "out of memory"
    if reason is not None:
        # Outside the handler: the error holds the frames, and they the tensors.
        release(device)
        return Measurement(size, None, reason=reason)
    usages = sampler.values if sampler else ()
    median, error_of_median = median_and_error(timings)
    return Measurement(
        size,
        median,
        error=error_of_median,
        mean=sum(timings) / len(timings),
        fastest=min(timings),
        steps=len(timings) * options.together,
        settled=settled,
        usage=mean_of_upper_half(usages) if sampler else None,
        usages=usages,
        memory=_peak(device),
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory is too small, on a GPU or the host."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(w in text for w in _MEMORY_WORDS)


def release(device: torch.device) -> None:
    """Give memory back that a failed step has left."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _timings(
    step: Step,
    size: int,
    device: torch.device,
    options: ProbeOptions,
    clock: Callable[[], float],
) -> tuple[list[float], bool]:
    """Return seconds of a step by timing, and whether their median is known."""
    found: list[float] = []
    settled = False
    _wait(device)
    while len(found) < options.most and not settled:
        begin = clock()
        for _ in range(options.together):
            step(size)
        _wait(device)
        found.append((clock() - begin) / options.together)
        if len(found) >= options.least:
            median, error = median_and_error(found)
            settled = error is not None and error < options.error * median
            if sum(found) * options.together > options.seconds:
                break
    return found, settled or options.error == 0 or options.most == 1


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device)
