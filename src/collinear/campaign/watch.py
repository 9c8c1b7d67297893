"""What `status` prints below its line: hours, trials at work, failures; and a loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from collinear.campaign.attempts import INTERRUPTED, attempt_failed, read_attempts
from collinear.campaign.clocks import read_jobs
from collinear.campaign.config import Campaign
from collinear.campaign.digests import scoring_digest
from collinear.campaign.last_call import last_call_notes, read_last_call, was_called
from collinear.campaign.outcome import METRICS
from collinear.campaign.race import race_notes
from collinear.campaign.status import (
    CampaignStatus,
    describe_time,
    read_status,
    status_line,
)
from collinear.campaign.stopped import stopping_notes
from collinear.campaign.trials import TrialFiles

_SHOWN = 10  # failures; a broken program would fill the screen
_CLEAR = "\x1b[2J\x1b[H"


@dataclass(frozen=True)
class Failure:
    """A trial whose last attempt failed.

    Attributes:
        trial: Folder of the trial, ``{point}/seed{n}``, and whether its scoring failed.
        attempts: Number of attempts that failed.
        message: Last line that the program printed in the last of them, or None.
    """

    trial: str
    attempts: int
    message: str | None


def read_failures(root: Path, scoring: str) -> list[Failure]:
    """The trials whose last attempt failed, the latest first.

    Args:
        root: Folder of the campaign.
        scoring: Digest of the scoring of today; failures of an older one are over.
    """
    found = []
    for path in _attempts(root / "trials", scoring):
        work, all_attempts = path.parent, read_attempts(path.parent)
        # One that the user ended says nothing of the fault before it.
        attempts = [a for a in all_attempts if not a.get(INTERRUPTED)]
        if attempts and attempt_failed(attempts[-1]) and not was_called(work):
            failed = sum(map(attempt_failed, attempts))
            point, seed, _, *inner = path.relative_to(root / "trials").parts[:-1]
            trial = f"{point}/{seed}" + (" (scoring)" if inner else "")
            failure = Failure(trial, failed, attempts[-1].get("message"))
            found.append((attempts[-1]["ended"], failure))
    return [failure for _, failure in sorted(found, key=lambda f: (-f[0], f[1].trial))]


def _attempts(trials: Path, scoring: str) -> Iterator[Path]:
    scores = TrialFiles(Path("*/seed*")).score_work(scoring)
    yield from trials.glob("*/seed*/work/attempts.jsonl")
    yield from trials.glob(f"{scores}/attempts.jsonl")


def details(status: CampaignStatus, root: Path) -> list[str]:
    """Lines on the hours of training, the trials at work, and the failures."""
    jobs = read_jobs(root)
    used = sum(job.seconds for job in jobs)
    line = f"{used / 3600:.3g} GPU hours of trainings used"
    if status.finished:
        line += ", none left"
    elif status.told:
        left = max(0, status.campaign.max_trials - status.told)
        line += f", at most {used / status.told * left / 3600:.3g} left at this rate"
    lines = [line]
    begun = [path.parent for path in root.glob("trials/*/seed*/work/settings.json")]
    open_ones = sum(1 for work in begun if not (work / METRICS).exists())
    if open_ones:
        lines.append(f"{open_ones} trainings begun and not ended")
    lines += race_notes(status.campaign, root)
    lines += stopping_notes(status.campaign, root)
    lines += last_call_notes(root)
    call = None if status.finished else read_last_call(root)
    rule = status.campaign.last_call
    limits = call.limits(rule) if call is not None and rule is not None else {}
    if limits and open_ones:
        longest = describe_time(max(limits.values()))
        lines.append(f"last call: each may use {longest} since the first lane was over")
    failures = read_failures(root, scoring_digest(status.campaign))
    for failure in failures[:_SHOWN]:
        said = failure.message or "it printed nothing"
        count = f"{failure.attempts} attempt{'s' * (failure.attempts > 1)} failed"
        lines.append(f"{failure.trial}: {count}: {said}")
    if len(failures) > _SHOWN:
        lines.append(f"and {len(failures) - _SHOWN} more")
    return lines


def watch(
    campaign: Campaign,
    root: Path,
    seconds: float,
    stream: TextIO,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Prints the status every few seconds until the campaign has finished.

    Args:
        campaign: The campaign.
        root: Its folder.
        seconds: Time between two looks.
        stream: Where it goes; a terminal is cleared before each look.
        sleep: Waits that long.
    """
    while True:
        status = read_status(campaign, root)
        if stream.isatty():
            stream.write(_CLEAR)
        stream.write("\n".join([status_line(status), *details(status, root)]) + "\n")
        if not status.finished:
            wait = describe_time(seconds)
            stream.write(f"(looking again every {wait}; Ctrl-C ends the watch only)\n")
        stream.flush()
        if status.finished:
            return
        sleep(seconds)
