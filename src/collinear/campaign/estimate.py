"""What a campaign found, as its records hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collinear.campaign.finals_result import FinalsEstimate


@dataclass(frozen=True)
class Setting:
    """A setting and what was measured with it.

    Attributes:
        trial: Folder of the trial below ``trials/`` (of one of them after finals).
        params: Physical values.
        status: Outcome.
        values: Recorded values, after finals their means over the fresh runs; None
            where there is no number.
        feasible: Whether it keeps every limit.
    """

    trial: str
    params: Mapping[str, float]
    status: str
    values: Mapping[str, float | None]
    feasible: bool


@dataclass(frozen=True)
class BestWithin:
    """The best setting under one of several limits on a value.

    Attributes:
        name: The limited value.
        maximum: The limit.
        best: The best trial within it, or None.
    """

    name: str
    maximum: float
    best: Setting | None


@dataclass(frozen=True)
class Estimate:
    """What a campaign found.

    Attributes:
        campaign: Name of the campaign.
        objective: Name of the value that is minimised (or maximised).
        limits: Upper limits by name; of several on one value the largest.
        best: The best feasible setting, or None.
        conventional: The setting in use today, or None.
        outcomes: Number of trials by outcome.
        trials: Number of trials told.
        batches: Number of batches told that held a trial.
        busy_hours: Time in which at least one training ran, hours.
        gpu_hours: Sum of the training times, hours.
        improvement: By how much the best objective is better than the conventional
            one, or None.
        verdict: The comparison in a sentence.
        each_limit: With several limits on one value, the best setting for each.
        front: With several limits, the trials that no other one beats in both the
            objective and the limited value, by rising limited value.
        ending: Why the search ended, or None where that was not recorded.
        search_best: The best feasible trial of the search, or None.
        finals: The fresh runs, or None for a campaign without them.
    """

    campaign: str
    objective: str
    limits: Mapping[str, float]
    best: Setting | None
    conventional: Setting | None
    outcomes: Mapping[str, int]
    trials: int
    batches: int
    busy_hours: float
    gpu_hours: float
    improvement: float | None
    verdict: str
    each_limit: tuple[BestWithin, ...] = ()
    front: tuple[Setting, ...] = ()
    ending: str | None = None
    search_best: Setting | None = None
    finals: FinalsEstimate | None = None
