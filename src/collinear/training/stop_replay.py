"""What a stop rule would have done to recorded learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from collinear.training.errors import TuningError, check_count
from collinear.training.stopping import (
    FinishedCurve,
    StopPlan,
    is_audited,
    make_table,
    value_at_rung,
)


@dataclass(frozen=True)
class Replay:
    """The outcome of one replay.

    Attributes:
        saved: Share of all epochs that was not run.
        stopped: Number of trials that were stopped.
        audited: Number of trials that would have been stopped, but were of the audit.
        audit_lost: Those of them that ended better than the incumbent that they were
            judged by.
        best_lost: Whether the best trial was stopped.
        regret: By how much the best finished trial is worse than the best of all.
    """

    saved: float
    stopped: int
    audited: int
    audit_lost: int
    best_lost: bool
    regret: float


def replay(
    curves: NDArray[np.float64],
    plan: StopPlan,
    *,
    batch: int,
    audit: float = 0.0,
    seed: int = 0,
    last: int = 1,
) -> Replay:
    """Run a campaign over recorded curves.

    Trials come in batches, in the order of the rows; the table of a batch is made from
    the trials that had finished before it.

    Args:
        curves: (trials, epochs), one score an epoch, lower is better; not finite where
            a training diverged. Column 0 is epoch 1.
        plan: Rungs in whole epochs.
        batch: Trials that run at the same time.
        audit: Share that is never stopped.
        seed: Of the choice of the audit.
        last: The final value of a trial is the median of so many last scores.

    Raises:
        TuningError: The curves are shorter than the plan, or no curve is finite.
    """
    check_count("batch", batch)
    n, epochs = curves.shape
    plan.check_length(epochs, "a curve")
    finals = np.median(curves[:, -last:], axis=1)
    if not np.isfinite(finals).any():
        raise TuningError("at least one curve must end in a finite value")
    columns = [
        np.array(plan.score_epochs(r)).round().astype(int) - 1 for r in plan.rungs
    ]
    known: list[FinishedCurve] = []
    run = np.full(n, epochs, float)
    audited = audit_lost = 0
    for first in range(0, n, batch):
        best = min((c.final for c in known), default=None)
        table = make_table(plan, known, value="score", incumbent=best)
        for trial in range(first, min(first + batch, n)):
            scores = [curves[trial, c].tolist() for c in columns]
            hit = next((k for k, s in enumerate(scores) if table.hopeless(k, s)), None)
            if hit is not None and is_audited(seed, str(trial), audit):
                audited += 1
                audit_lost += bool(best is not None and finals[trial] < best)
            elif hit is not None:
                run[trial] = plan.rungs[hit]
        for trial in range(first, min(first + batch, n)):
            if run[trial] == epochs and np.isfinite(finals[trial]):
                scores = [curves[trial, c].tolist() for c in columns]
                values = tuple(value_at_rung(s) for s in scores)
                known.append(FinishedCurve(values, float(finals[trial])))
    winner = int(np.nanargmin(finals))
    found = min(c.final for c in known)
    return Replay(
        saved=float(1 - run.sum() / (n * epochs)),
        stopped=int((run < epochs).sum()),
        audited=audited,
        audit_lost=audit_lost,
        best_lost=bool(run[winner] < epochs),
        regret=float(found - finals[winner]),
    )


def risk_interval(lost: int, audited: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of the share of stopped trials that would have become the best.

    Args:
        lost: Audited trials that ended better than the incumbent.
        audited: Audited trials that the rule would have stopped.
        level: Confidence.

    Returns:
        The exact binomial interval (C. Clopper, E. Pearson, Biometrika 26, 1934).

    >>> low, high = risk_interval(0, 10)
    >>> low, round(high, 3)
    (0.0, 0.308)
    """
    away = (1 - level) / 2
    low = betaincinv(lost, audited - lost + 1, away) if lost else 0.0
    sure = lost == audited
    high = 1.0 if sure else betaincinv(lost + 1, audited - lost, 1 - away)
    return float(low), float(high)


def mean_outcome(replays: Sequence[Replay]) -> tuple[float, float, float]:
    """Means over replays: epochs saved, best lost, regret."""
    return (
        float(np.mean([r.saved for r in replays])),
        float(np.mean([r.best_lost for r in replays])),
        float(np.mean([r.regret for r in replays])),
    )
