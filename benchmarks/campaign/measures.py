"""What a simulated campaign is judged by. Times are in mean lengths of a job."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cluster import Trace
from product import Tuner

Steps = list[tuple[float, float]]


def measures(trace: Trace, tuner: Tuner) -> dict[str, float | str]:
    """The row of a campaign.

    Returns:
        wall: Time of the last event; `search_wall`: of the last end before the finals.
        trials: Trials asked, finals included; `batches`: batches asked.
        width: Mean number of busy slots from the first to the last proposal of the
            search; `width_all`: from the first event to the last.
        closing: Time from the first lane's end to the last one's.
        closing_share: The same, by the length of the longest job that ran in between.
        called: Jobs that the last call ended.
        failed: Trials without a result: every attempt died, or the last call ended it.
        reached: Lowest true regret among the trials told, as the steps of its course
            in time, ``time:regret`` with spaces between.
        incumbent: The same for the true regret of the best recorded trial.
        home: True regret of the setting that the campaign reports at its end.
    """
    search = [(time, size) for time, size in trace.asked if time != trace.finals]
    ends = [time for time, batch in trace.told if batch[0].seed <= 100]
    last = max(time for time, _ in search)
    closed = list(trace.closed.values())
    chosen = tuner.chosen()
    return {
        "wall": trace.wall,
        "search_wall": max(ends),
        "trials": sum(size for _, size in trace.asked),
        "batches": len(trace.asked),
        "width": mean_width(trace, last) if last else mean_width(trace, trace.wall),
        "width_all": mean_width(trace, trace.wall),
        "closing": max(closed) - min(closed),
        "closing_share": closing_share(trace),
        "called": trace.called,
        "failed": sum(r.status == "failed" for r in tuner.history.results),
        "home": tuner.regret(chosen) if chosen is not None else float("inf"),
        "reached": show(reached(trace, tuner)),
        "incumbent": show(incumbents(trace, tuner)),
    }


def closing_share(trace: Trace) -> float:
    """Time from the first lane's end to the last one's, in lengths of a job.

    The job is the longest of those that ran when the first lane closed; 0 where none
    did.
    """
    first, last = min(trace.closed.values()), max(trace.closed.values())
    running = [end - start for start, end in trace.busy if start <= first < end]
    return (last - first) / max(running) if running else 0.0


def mean_width(trace: Trace, until: float) -> float:
    """Mean number of busy slots from time 0 on."""
    return sum(max(0.0, min(end, until) - start) for start, end in trace.busy) / until


def widths(trace: Trace) -> Steps:
    """Number of busy slots as it changes."""
    changes = sorted(
        [(start, 1) for start, _ in trace.busy] + [(end, -1) for _, end in trace.busy]
    )
    times = [time for time, _ in changes]
    return list(zip(times, np.cumsum([c for _, c in changes]).tolist(), strict=True))


def reached(trace: Trace, tuner: Tuner) -> Steps:
    """Lowest true regret among the trials told so far, where it changes."""
    steps: Steps = []
    for time, batch in trace.told:
        best = min(tuner.regret(trial.point) for trial in batch)
        if not steps or best < steps[-1][1]:
            steps.append((time, best))
    return steps


def incumbents(trace: Trace, tuner: Tuner) -> Steps:
    """True regret of the best recorded trial of the search so far, where it changes."""
    costs = {r.key: tuner.campaign.goal.cost(r) for r in tuner.history.results}
    steps: Steps = []
    best = float("inf")
    for time, batch in trace.told:
        for trial in batch:
            cost = costs[trial.key]
            if cost is not None and cost < best and trial.seed <= 100:
                best = cost
                steps.append((time, tuner.regret(trial.point)))
    return steps


def first_time(steps: Sequence[tuple[float, float]], wanted: float) -> float:
    """When a course first is at most so high; infinite for never."""
    return next((t for t, value in steps if value <= wanted + 1e-9), float("inf"))


def show(steps: Steps) -> str:
    return " ".join(f"{time:.4f}:{value:.6g}" for time, value in steps)


def parse(text: str) -> Steps:
    """The reverse of `show`."""
    pairs = (step.split(":") for step in text.split())
    return [(float(time), float(value)) for time, value in pairs]
