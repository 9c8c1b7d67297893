"""When each training ran. Clocks are kept apart from the journal (see there)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from collinear.campaign.attempts import read_attempts


@dataclass(frozen=True)
class Job:
    """One run of the fine-tune program.

    Attributes:
        trial: Folder name of the trial, ``{point}/seed{n}``.
        started: Unix time, seconds.
        ended: Unix time, seconds.
        finished: Whether the program ended well.
    """

    trial: str
    started: float
    ended: float
    finished: bool

    @property
    def seconds(self) -> float:
        return self.ended - self.started


def read_jobs(root: Path) -> list[Job]:
    """All runs of the fine-tune program of a campaign, by start time."""
    jobs = []
    for work in sorted((root / "trials").glob("*/seed*/work")):
        trial = f"{work.parent.parent.name}/{work.parent.name}"
        for record in read_attempts(work):
            ended_well = record["exit_code"] == 0
            jobs.append(Job(trial, record["started"], record["ended"], ended_well))
    return sorted(jobs, key=lambda job: job.started)


def assign_slots(jobs: list[Job]) -> list[int]:
    """The slot of each job: the lowest one that is free when the job starts.

    Args:
        jobs: Jobs by start time.

    Returns:
        One slot number a job, from 0.
    """
    free_at: list[float] = []
    slots = []
    for job in jobs:
        slot = next((i for i, t in enumerate(free_at) if t <= job.started), None)
        if slot is None:
            slot = len(free_at)
            free_at.append(job.ended)
        else:
            free_at[slot] = job.ended
        slots.append(slot)
    return slots


def parallel_width(jobs: list[Job]) -> tuple[list[float], list[int]]:
    """Number of jobs that run at the same time, as a step function.

    Returns:
        Times at which the number changes, and the number from each time on.
    """
    changes = sorted(
        [(job.started, 1) for job in jobs] + [(job.ended, -1) for job in jobs]
    )
    times, widths, width = [], [], 0
    for time, change in changes:
        width += change
        times.append(time)
        widths.append(width)
    return times, widths
