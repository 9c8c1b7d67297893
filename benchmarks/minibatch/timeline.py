"""Ten steps under torch's profiler: when the device computes, when it waits for data.

Figures 12 and 13 of document 003, which were made with nvprof. On a GPU the device is
busy while a kernel runs; on a CPU, while the step computes. It waits for data where it
is not busy and the host is loading.
"""

from __future__ import annotations

from typing import Any

import torch
from patterns import Training
from torch.profiler import ProfilerActivity, profile, record_function

from collinear.training.snapshot import restored

STEPS = 10
Span = tuple[float, float]


def record_timeline(
    training: Training, size: int, device: torch.device
) -> dict[str, Any]:
    """Profile ten steps; return the spans in milliseconds and the share of waiting."""
    assert training.load is not None
    assert training.learn is not None
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with restored(*training.keep):
        training.step(size)
        with profile(activities=activities) as profiler:
            for _ in range(STEPS):
                with record_function("data"):
                    minibatch = training.load(size)
                with record_function("learn"):
                    training.learn(minibatch)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
    events = list(profiler.events())
    loading = _spans(events, "data")
    on_gpu = [e for e in events if e.device_type == torch.autograd.DeviceType.CUDA]
    busy = (
        _merged([(e.time_range.start, e.time_range.end) for e in on_gpu])
        if on_gpu
        else _spans(events, "learn")
    )
    begin = min(span[0] for span in loading)
    loading, busy = (
        [((a - begin) / 1e3, (b - begin) / 1e3) for a, b in spans]
        for spans in (loading, busy)
    )
    total = max(loading[-1][1], busy[-1][1])
    return {
        "size": size,
        "milliseconds": total,
        "loading": loading,
        "busy": busy,
        "waits for data": waiting_share(loading, busy, total),
    }


def waiting_share(loading: list[Span], busy: list[Span], total: float) -> float:
    """Return the share of the time in which the host loads and the device is idle."""
    loads = sum(end - start for start, end in loading)
    both = sum(
        max(0.0, min(end, stop) - max(start, begin))
        for start, end in loading
        for begin, stop in busy
    )
    return (loads - both) / total


def _spans(events: list[Any], name: str) -> list[Span]:
    return sorted(
        (e.time_range.start, e.time_range.end)
        for e in events
        if e.name == name and e.device_type == torch.autograd.DeviceType.CPU
    )


def _merged(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found
