"""Continuing a learning curve: the smooth loss of a training to come.

A curve follows a power law or an exponential,

    loss(t) = a + b (t + c)^-d    or    loss(t) = a + b exp(-t / c).

A noisy score, as that of a GAN, must not be continued: see `check_smooth`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from collinear.training.errors import TuningError, check_count

_Array = NDArray[np.float64]

LEAST_EPOCHS = 5
"""Epochs of a curve below which four parameters mean nothing."""
SMOOTHED = 3
"""Losses at the end of a curve whose mean counts as its last value."""
MOST_NOISE = 0.1
"""Noise of a curve, as a share of its fall, above which it is not smooth."""


@dataclass(frozen=True)
class Prediction:
    """What a curve is expected to become.

    Attributes:
        value: Predicted loss.
        error: Root mean square deviation of the fit from the second half of the curve.
        form: ``power``, ``exponential`` or, where neither fits better, ``last``.
    """

    value: float
    error: float
    form: str


def predict(losses: Sequence[float], epoch: int) -> Prediction:
    """Predict a smooth loss.

    The form with the smaller error over the second half of the curve is used, weighted
    towards the end, and what it still falls is taken off the mean of the last three
    losses. So a prediction never lies above these, nor below 0 for a positive loss. At
    an epoch of the curve nothing is predicted: the value is the loss there.

    It falls by no more than as much for each doubling of the epochs as in the last
    doubling seen: against the logarithm of time, a curve that has left its start gets
    flatter. One that is still at its start bends the other way, and a form fitted to
    that would fall without end.

    Args:
        losses: After epochs 1, 2, ...
        epoch: The epoch to predict.

    Raises:
        TuningError: Fewer than `LEAST_EPOCHS` losses, one that is not finite, or an
            epoch below 1.
    """
    y = np.asarray(losses, float)
    if len(y) < LEAST_EPOCHS or not np.isfinite(y).all():
        raise TuningError(
            f"a curve must have {LEAST_EPOCHS} epochs or more with finite losses, but "
            f"got {list(losses)}"
        )
    check_count("epoch", epoch)
    if epoch <= len(y):
        return Prediction(float(y[epoch - 1]), 0.0, "last")
    # The solver's tolerances are absolute: a curve in another unit must end alike.
    unit = float(np.abs(y).max()) or 1.0
    found = _continued(y / unit, epoch)
    return Prediction(found.value * unit, found.error * unit, found.form)


def _continued(y: _Array, epoch: int) -> Prediction:
    """Predict a curve whose largest value is 1, at an epoch behind its end."""
    t = np.arange(1, len(y) + 1, dtype=float)
    spread = float(y.max() - y.min()) or 1.0
    late = t > len(y) / 2
    level = float(np.mean(y[-SMOOTHED:]))
    best = Prediction(level, float(np.sqrt(np.mean((y[late] - level) ** 2))), "last")
    low = 0.0 if (y > 0).all() else float(y.min()) - 10 * spread
    for form, curve, start, upper in (
        ("power", _power, [level, spread, 1.0, 0.5], [np.inf, np.inf, len(y), 3.0]),
        ("exponential", _exponential, [level, spread, len(y) / 3], [np.inf] * 3),
    ):
        lower = [low, 0.0, 1e-3, 0.05][: len(start)]
        begin = np.clip(start, np.array(lower) + 1e-9, upper)
        weights = np.sqrt(t / len(y))

        def deviations(
            p: _Array, curve: object = curve, weights: _Array = weights
        ) -> _Array:
            assert callable(curve)
            return np.asarray(weights * (curve(t, p) - y))

        fitted = least_squares(deviations, begin, bounds=(lower, upper)).x
        error = float(np.sqrt(np.mean((curve(t[late], fitted) - y[late]) ** 2)))
        if error < best.error:
            now, ahead = (
                curve(t[-SMOOTHED:], fitted).mean(),
                curve(np.array([epoch]), fitted),
            )
            fall = max(0.0, float(now - ahead[0]))
            fall = min(fall, _last_doubling(y) * math.log2(epoch / len(y)))
            best = Prediction(max(level - fall, low), error, form)
    return best


def _last_doubling(y: _Array) -> float:
    """How far a curve has fallen since half its length; not below 0."""
    half, around = len(y) // 2, SMOOTHED // 2
    before = float(np.mean(y[max(0, half - around - 1) : half + around]))
    return max(0.0, before - float(np.mean(y[-SMOOTHED:])))


def _power(t: _Array, p: _Array) -> _Array:
    return np.asarray(p[0] + p[1] * (t + p[2]) ** -p[3])


def _exponential(t: _Array, p: _Array) -> _Array:
    return np.asarray(p[0] + p[1] * np.exp(-t / p[2]))


def noise_share(losses: Sequence[float]) -> float:
    """Noise of successive differences, as a share of the fall of the curve.

    >>> noise_share([5.0, 4.0, 3.0, 2.0])
    0.0
    """
    y = np.asarray(losses, float)
    if len(y) < 3:
        return 0.0
    # Second differences: a smooth fall, however steep, is no noise.
    noise = math.sqrt(float(np.mean(np.diff(y, 2) ** 2)) / 6)
    fall = float(y.max() - y.min())
    return noise / fall if fall > 0 else 0.0


def check_smooth(name: str, losses: Sequence[float]) -> None:
    """Check that a curve may be extrapolated.

    Raises:
        TuningError: It is too noisy.
    """
    share = noise_share(losses)
    if share > MOST_NOISE:
        raise TuningError(
            f"variant {name!r}: its curve jumps from epoch to epoch by {share:.0%} of "
            f"its fall, above {MOST_NOISE:.0%}, so its end cannot be predicted; race "
            "on a smooth loss (not on the score of a GAN), average it over more "
            "updates, or run for longer"
        )
