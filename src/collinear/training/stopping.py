"""Stopping trainings that cannot become the best any more.

A trial is scored at a few *rungs*. It is hopeless when even the largest improvement
that finished trials still made after that rung would leave it behind the incumbent:

    median of its last scores - margin > final value of the incumbent

The margin is the largest later improvement of finished trials, if asked without those
that ended far away from the others. Nothing is extrapolated, because a score of a GAN
is too noisy for that. A share of the trials, the audit, runs
on whatever the rule says, so that what the rule costs can be measured.

All functions are pure, and a table holds everything that a decision needs: a training
that is killed and goes on decides as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from collinear.training.errors import TuningError, check_count, check_positive

MARGINS = ("largest", "quantile", "near")
_FEW = 20
_FEW_QUANTILE = 0.95
_FENCE = 7.0


@dataclass(frozen=True)
class StopPlan:
    """Where trainings are scored.

    Attributes:
        rungs: Epochs at which a training may be stopped, ascending.
        scores: Scores whose median is the value at a rung.
        every: Epochs between two of them.
        least: Finished trials with a value at a rung, below which nothing is stopped
            there: too few to know a margin.
        margin: ``largest``, the largest later improvement seen, or ``quantile``, 95 %
            of these improvements below 20 finished trials and then 1 - 1/n, which saves
            more and loses more where scores are noisy, or ``near``, the largest of the
            trials whose final value is no outlier (`near_limit`).

    Raises:
        TuningError: Rungs are missing, not above 0 or not ascending, or the scores of a
            rung reach back to the rung before; or another value is out of its range.
    """

    rungs: tuple[float, ...]
    scores: int = 5
    every: float = 1.0
    least: int = 20
    margin: str = MARGINS[0]

    def __post_init__(self) -> None:
        check_count("stopping.scores", self.scores)
        check_count("stopping.least", self.least)
        check_positive("stopping.every", self.every)
        if self.margin not in MARGINS:
            raise TuningError(
                f"stopping.margin must be one of {', '.join(MARGINS)}, but got "
                f"{self.margin!r}"
            )
        given = list(self.rungs)
        if not given:
            raise TuningError("stopping.rungs must name at least one epoch, but got []")
        if any(isinstance(r, bool) or not isinstance(r, Real) for r in given):
            raise TuningError(f"stopping.rungs must be numbers, but got {given}")
        if not all(math.isfinite(r) and r > 0 for r in given):
            raise TuningError(f"stopping.rungs must be above 0, but got {given}")
        if any(b <= a for a, b in pairwise(given)):
            raise TuningError(f"stopping.rungs must ascend, but got {given}")
        back = (self.scores - 1) * self.every
        for before, rung in pairwise([0.0, *given]):
            if rung - back <= before:
                raise TuningError(
                    f"stopping: {self.scores} scores, one every {self.every:g} epochs, "
                    f"must lie between two rungs, but those of rung {rung:g} begin at "
                    f"epoch {rung - back:g}, not after {before:g}; lower "
                    "stopping.scores or stopping.every, or move the rungs apart"
                )

    def check_length(self, epochs: float, where: str = "the training") -> None:
        """Check that a training is longer than its last rung.

        Raises:
            TuningError: Nothing would be left to save.
        """
        if self.rungs[-1] >= epochs:
            raise TuningError(
                f"stopping.rungs must lie before the end, but the last is "
                f"{self.rungs[-1]:g} and {where} has {epochs:g} epochs"
            )

    def score_epochs(self, rung: float) -> tuple[float, ...]:
        """The epochs whose scores belong to a rung, the last one the rung itself."""
        return tuple(rung - self.every * k for k in reversed(range(self.scores)))


@dataclass(frozen=True)
class FinishedCurve:
    """What a finished training scored.

    Attributes:
        rungs: Value at each rung, as `value_at_rung` gives it; None: no score. One that
            is not finite teaches nothing, either.
        final: Value of the trained network; likewise.
    """

    rungs: tuple[float | None, ...]
    final: float


@dataclass(frozen=True)
class Rung:
    """One row of a stop table.

    Attributes:
        epoch: When a training is judged.
        score_at: Epochs whose scores' median is judged, the last one is `epoch`.
        margin: Largest improvement still to be expected; None: not known.
        threshold: Worse than this is hopeless; None: nothing is.
    """

    epoch: float
    score_at: tuple[float, ...]
    margin: float | None
    threshold: float | None


@dataclass(frozen=True)
class StopTable:
    """All that decides whether a training is stopped.

    Attributes:
        value: Name of the scored value.
        lower_is_better: Its sense.
        rungs: One row a rung.
        incumbent: Final value of the best trial so far, or None.
        finished: Number of trials that the margins come from.
        run_on: Whether this training is one of the audit, which is never stopped.
    """

    value: str
    lower_is_better: bool
    rungs: tuple[Rung, ...]
    incumbent: float | None
    finished: int
    run_on: bool = False

    def hopeless(self, rung: int, scores: Sequence[float | None]) -> bool:
        """Whether a training cannot catch up, by its scores at a rung."""
        threshold, value = self.rungs[rung].threshold, value_at_rung(scores)
        if threshold is None or value is None:
            return False
        return value > threshold if self.lower_is_better else value < threshold

    def as_json(self) -> dict[str, Any]:
        """Return JSON types."""
        rows = [asdict(rung) | {"score_at": list(rung.score_at)} for rung in self.rungs]
        return asdict(self) | {"rungs": rows}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> StopTable:
        """Return what `as_json` wrote; keys that are not known are passed over.

        Raises:
            TuningError: A key is missing or of another type.
        """
        try:
            return StopTable(
                value=str(values["value"]),
                lower_is_better=_flag(values["lower_is_better"]),
                rungs=tuple(_rung(row) for row in values["rungs"]),
                incumbent=_number(values["incumbent"]),
                finished=int(values["finished"]),
                run_on=_flag(values["run_on"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TuningError(
                "a stop table must hold value, lower_is_better, rungs (epoch, score_at,"
                f" margin, threshold), incumbent, finished and run_on: {error!r}"
            ) from error


def _rung(row: Mapping[str, Any]) -> Rung:
    score_at = tuple(float(epoch) for epoch in row["score_at"])
    if not score_at:
        raise ValueError("score_at must name at least one epoch, but got []")
    return Rung(
        float(row["epoch"]),
        score_at,
        _number(row["margin"]),
        _number(row["threshold"]),
    )


def _flag(value: Any) -> bool:
    # bool("false") is true, and a trial would run on for ever.
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, but got {value!r}")
    return value


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def value_at_rung(scores: Sequence[float | None]) -> float | None:
    """The median of the scores that there are; None without any.

    >>> value_at_rung([5.0, None, 4.0, 9.0])
    5.0
    """
    known = [s for s in scores if s is not None and math.isfinite(s)]
    return statistics.median(known) if known else None


def margin_quantile(finished: int, margin: str) -> float:
    """The share of finished trials whose later improvement lies within the margin.

    >>> margin_quantile(10, "quantile"), margin_quantile(50, "quantile")
    (0.95, 0.98)
    >>> margin_quantile(10, "largest")
    1.0
    """
    if margin != "quantile":
        return 1.0
    return _FEW_QUANTILE if finished < _FEW else 1 - 1 / finished


def near_limit(finals: Sequence[float]) -> float:
    """The worst final value that is no outlier; lower is better.

    It is Tukey's outer fence, Q3 + 3 (Q3 - Q1), for values that lie symmetrically, but
    made of the better half only: up to half of the values may be arbitrarily bad
    (J. Tukey, "Exploratory Data Analysis", 1977).

    >>> near_limit([1.0, 2.0, 3.0, 400.0, 500.0])
    10.0
    """
    quarter, middle = np.quantile(finals, [0.25, 0.5])
    return float(middle + _FENCE * (middle - quarter))


def make_table(
    plan: StopPlan,
    curves: Sequence[FinishedCurve],
    *,
    value: str,
    incumbent: float | None,
    lower_is_better: bool = True,
    run_on: bool = False,
) -> StopTable:
    """The stop table that follows from the finished trials.

    Args:
        plan: Where trainings are scored.
        curves: Finished trials. Stopped ones have no final value and teach nothing.
        value: Name of the scored value.
        incumbent: Final value of the best trial; None: nothing is stopped.
        lower_is_better: Sense of the value.
        run_on: Whether the training with this table is never stopped.

    Returns:
        The table. A margin is never below 0: that trials became worse after a rung is
        no reason to expect it of the next.
    """
    sign = 1.0 if lower_is_better else -1.0
    rows = []
    for at, epoch in enumerate(plan.rungs):
        known = [(c.rungs[at], c.final) for c in curves if at < len(c.rungs)]
        ends = [
            (v, f)
            for v, f in known
            if v is not None and math.isfinite(v) and math.isfinite(f)
        ]
        margin = threshold = None
        if len(ends) >= plan.least:
            if plan.margin == "near":
                limit = near_limit([sign * f for _, f in ends])
                ends = [(v, f) for v, f in ends if sign * f <= limit]
            gains = [sign * (v - f) for v, f in ends]
            share = margin_quantile(len(gains), plan.margin)
            margin = max(0.0, float(np.quantile(gains, share)))
            if incumbent is not None:
                threshold = incumbent + sign * margin
        rows.append(Rung(epoch, plan.score_epochs(epoch), margin, threshold))
    return StopTable(
        value, lower_is_better, tuple(rows), incumbent, len(curves), run_on
    )


def is_audited(seed: int, trial: str, share: float) -> bool:
    """Whether a trial belongs to the audit.

    The choice depends on nothing but these, so of the trials that would be stopped the
    same share runs on, and a restart chooses alike.

    Args:
        seed: Seed of the campaign.
        trial: Name of the trial.
        share: Share of the audit, 0 to 1.
    """
    text = hashlib.sha256(f"audit:{seed}:{trial}".encode()).digest()
    return int.from_bytes(text[:8], "big") < share * 2**64
