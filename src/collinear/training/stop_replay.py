"""What a stop rule would have done to recorded learning curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from collinear.training.errors import TuningError, check_count, check_share
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
        saved_later: The same share among the trials that began when some rung had a
            threshold; NaN without any. It is what a long campaign comes to.
        stopped: Number of trials that were stopped.
        audited: Number of trials that would have been stopped, but were of the audit.
        audit_lost: Those of them that ended feasible and better than the incumbent that
            they were judged by.
        best_lost: Whether the best feasible trial was stopped.
        regret: By how much the best finished feasible trial is worse than the best
            feasible one of all; infinite without a finished one.
    """

    saved: float
    saved_later: float
    stopped: int
    audited: int
    audit_lost: int
    best_lost: bool
    regret: float


def replay(
    curves: NDArray[np.float64],
    plan: StopPlan,
    *,
    batch: int | Sequence[int],
    audit: float = 0.0,
    seed: int = 0,
    last: int = 1,
    feasible: NDArray[np.bool_] | None = None,
) -> Replay:
    """Run a campaign over recorded curves.

    Trials come in batches, in the order of the rows; the table of a batch is made from
    the trials that had finished before it. As in a campaign, the incumbent is the best
    feasible one, and margins come from all that finished.

    Args:
        curves: (trials, epochs), one score an epoch, lower is better; not finite where
            a training diverged. Column 0 is epoch 1.
        plan: Rungs, and the scores that belong to them, in whole epochs.
        batch: Trials that run at the same time: one number, or that of each batch;
            numpy's whole numbers will do.
        audit: Share that is never stopped.
        seed: Of the choice of the audit.
        last: The final value of a trial is the median of so many last scores, at most
            all.
        feasible: (trials,) whether a trial keeps the limits at its end; None: all do.

    Raises:
        TuningError: The curves are no table or shorter than the plan, a rung is no
            whole epoch, no feasible curve is finite, the batches are not the trials, or
            another argument is out of its range.
    """
    if not 0.0 <= audit <= 1.0:
        raise TuningError(f"audit must be a share in [0, 1], but got {audit!r}")
    n, epochs = _shape(curves)
    _check_last(last, epochs)
    plan.check_length(epochs, "a curve")
    columns = [_columns(plan, rung) for rung in plan.rungs]
    finals = np.median(curves[:, -last:], axis=1)
    # Whatever a diverged training ends in, -inf too, is never better than a score.
    finals = np.where(np.isfinite(finals), finals, np.nan)
    kept = np.ones(n, bool) if feasible is None else _flags(feasible, n)
    if not np.isfinite(finals[kept]).any():
        raise TuningError("at least one feasible curve must end in a finite value")
    values = [tuple(value_at_rung(row[c].tolist()) for c in columns) for row in curves]
    known: list[FinishedCurve] = []
    run = np.full(n, epochs, float)
    judged = np.zeros(n, bool)
    audited = audit_lost = 0
    best: float | None = None
    for trials in _batches(n, batch):
        table = make_table(plan, known, value="score", incumbent=best)
        judged[trials] = any(rung.threshold is not None for rung in table.rungs)
        for trial in trials:
            here = values[trial]
            hit = next((k for k, v in enumerate(here) if table.hopeless(k, [v])), None)
            if hit is not None and is_audited(seed, str(trial), audit):
                audited += 1
                better = best is not None and finals[trial] < best
                audit_lost += bool(kept[trial] and better)
            elif hit is not None:
                run[trial] = plan.rungs[hit]
        for trial in trials:
            if run[trial] == epochs and np.isfinite(finals[trial]):
                known.append(FinishedCurve(values[trial], float(finals[trial])))
                if kept[trial] and (best is None or finals[trial] < best):
                    best = float(finals[trial])
    winner = int(np.nanargmin(np.where(kept, finals, np.nan)))
    return Replay(
        saved=float(1 - run.sum() / (n * epochs)),
        saved_later=float(1 - run[judged].mean() / epochs)
        if judged.any()
        else math.nan,
        stopped=int((run < epochs).sum()),
        audited=audited,
        audit_lost=audit_lost,
        best_lost=bool(run[winner] < epochs),
        regret=(math.inf if best is None else best) - float(finals[winner]),
    )


def _shape(curves: NDArray[np.float64]) -> tuple[int, int]:
    if np.ndim(curves) != 2:
        raise TuningError(
            "curves must be a table (trials, epochs), but got an array of "
            f"{np.ndim(curves)} axes; give a single curve as curve[None]"
        )
    n, epochs = curves.shape
    return n, epochs


def _check_last(last: int, epochs: int) -> None:
    check_count("last", last)
    if last > epochs:
        raise TuningError(
            f"last must be at most the {epochs} epochs of a curve, but got {last}"
        )


def _columns(plan: StopPlan, rung: float) -> NDArray[np.int_]:
    """The columns of a rung's scores."""
    epochs = np.array(plan.score_epochs(rung))
    columns = epochs.round()
    if not np.allclose(epochs, columns, rtol=0, atol=1e-6):
        raise TuningError(
            "a replay has one score a whole epoch, but rung "
            f"{rung:g} needs those of epochs {', '.join(f'{e:g}' for e in epochs)}; "
            "give rungs, and epochs between scores, as whole numbers"
        )
    return columns.astype(int) - 1


def _flags(feasible: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    flags = np.asarray(feasible)
    if flags.shape != (n,) or flags.dtype != bool:
        raise TuningError(
            f"feasible must be true or false for each of {n} trials, but got "
            f"{flags.dtype} of shape {flags.shape}"
        )
    return flags


def _batches(n: int, batch: int | Sequence[int]) -> list[range]:
    if not isinstance(batch, Sequence | np.ndarray):
        size = _batch_size(batch)
        return [range(first, min(first + size, n)) for first in range(0, n, size)]
    sizes = [_batch_size(size) for size in batch]
    if sum(sizes) != n:
        raise TuningError(
            f"batch must have the sizes of batches of {n} trials in all, but got "
            f"{sum(sizes)}"
        )
    ends = list(accumulate(sizes))
    return [range(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _batch_size(size: int | np.integer) -> int:
    """Return a whole number from 1 on; numpy's will do."""
    plain = int(size) if isinstance(size, np.integer) else size
    check_count("batch", plain)
    return plain


def risk_interval(lost: int, audited: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of the share of stopped trials that would have become the best.

    Args:
        lost: Audited trials that ended better than the incumbent.
        audited: Audited trials that the rule would have stopped.
        level: Confidence, between 0 and 1.

    Returns:
        The exact binomial interval (C. Clopper, E. Pearson, Biometrika 26, 1934).

    Raises:
        TuningError: Not 0 <= lost <= audited, or a level that is not between 0 and 1.

    >>> low, high = risk_interval(0, 10)
    >>> low, round(high, 3)
    (0.0, 0.308)
    """
    if not 0 <= lost <= audited:
        raise TuningError(
            "lost must be of the audited trials, but got "
            f"lost={lost!r} of audited={audited!r}"
        )
    check_share("level", level)
    away = (1 - level) / 2
    low = betaincinv(lost, audited - lost + 1, away) if lost else 0.0
    sure = lost == audited
    high = 1.0 if sure else betaincinv(lost + 1, audited - lost, 1 - away)
    return float(low), float(high)


def mean_outcome(replays: Sequence[Replay]) -> tuple[float, float, float, float]:
    """Means over replays: epochs saved, the same later, best lost, regret.

    Replays in which nothing could be judged do not count for the second.
    """
    later = [r.saved_later for r in replays if not math.isnan(r.saved_later)]
    return (
        float(np.mean([r.saved for r in replays])),
        float(np.mean(later)) if later else math.nan,
        float(np.mean([r.best_lost for r in replays])),
        float(np.mean([r.regret for r in replays])),
    )
