"""Racing: run k variants for a while, predict their end, go on with the best.

Y. Oyama, "Automatic performance optimisation that respects the accuracy of deep
learning" (Tokyo Institute of Technology, a research plan): idle computers run several
algorithms at the same time for a while; learning curves predict the quality of each, a
performance model its speed, and the best trade-off of both goes on. It names no
formula. Ours: the smooth loss of each variant follows a power law or an exponential,

    loss(t) = a + b (t + c)^-d    or    loss(t) = a + b exp(-t / c),

fitted to its curve; the number of epochs that fit into the wall time follows from the
seconds of an epoch; variants are ranked by the loss predicted for that epoch. A noisy
score, as that of a GAN, must not be used: see `check_smooth`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from collinear.training.errors import TuningError, check_positive

_Array = NDArray[np.float64]

LEAST_EPOCHS = 5
"""Epochs of a curve below which four parameters mean nothing."""
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


@dataclass(frozen=True)
class Variant:
    """A variant after the race.

    Attributes:
        name: Its name.
        losses: Smooth loss after each epoch that it ran, lower is better.
        seconds: Seconds of one epoch, observed or predicted by a cost model.
    """

    name: str
    losses: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Ranked:
    """A variant with what it promises.

    Attributes:
        name: Its name.
        epochs: Epochs that it completes within the wall time.
        prediction: Its loss there; None: it diverged, and comes last.
    """

    name: str
    epochs: int
    prediction: Prediction | None


def predict(losses: Sequence[float], epoch: int) -> Prediction:
    """Predict a smooth loss.

    The form with the smaller error over the second half of the curve is used, weighted
    towards the end, and what it still falls is taken off the mean of the last three
    losses. So a prediction never lies above these, nor below 0 for a positive loss.

    Args:
        losses: After epochs 1, 2, ...
        epoch: The epoch to predict.

    Raises:
        TuningError: Fewer than `LEAST_EPOCHS` losses, or one that is not finite.
    """
    y = np.asarray(losses, float)
    if len(y) < LEAST_EPOCHS or not np.isfinite(y).all():
        raise TuningError(
            f"a curve must have {LEAST_EPOCHS} epochs or more with finite losses, but "
            f"got {list(losses)}"
        )
    if epoch <= len(y):
        return Prediction(float(y[epoch - 1]), 0.0, "last")
    t = np.arange(1, len(y) + 1, dtype=float)
    spread = float(y.max() - y.min()) or 1.0
    late = t > len(y) / 2
    level = float(np.mean(y[-3:]))
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
            now, ahead = curve(t[-3:], fitted).mean(), curve(np.array([epoch]), fitted)
            fall = max(0.0, float(now - ahead[0]))
            best = Prediction(max(level - fall, low), error, form)
    return best


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


def rank(
    variants: Sequence[Variant], wall_seconds: float, longest: int | None = None
) -> list[Ranked]:
    """Rank variants by the loss that they reach within a wall time.

    Args:
        variants: What each one showed. A loss that is not finite puts it last.
        wall_seconds: Time from the start of a training, the race included.
        longest: Epochs after which a training ends anyway.

    Returns:
        The best first; on a tie the order given.

    Raises:
        TuningError: No or only one variant, a wall time that is not above 0 or too
            short for an epoch, a name twice, or a curve that is short or noisy.
    """
    check_positive("wall_seconds", wall_seconds)
    if len(variants) < 2:
        raise TuningError(f"a race needs two variants or more, but got {len(variants)}")
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise TuningError(f"variants must have different names, but got {names}")
    ranked = [_ranked(variant, wall_seconds, longest) for variant in variants]
    if all(r.prediction is None for r in ranked):
        raise TuningError(f"every variant diverged: {names}")
    return sorted(
        ranked, key=lambda r: r.prediction.value if r.prediction else math.inf
    )


def _ranked(variant: Variant, wall_seconds: float, longest: int | None) -> Ranked:
    check_positive(f"seconds of variant {variant.name!r}", variant.seconds)
    epochs = int(wall_seconds / variant.seconds * (1 + 1e-12))
    if epochs < 1:
        raise TuningError(
            f"wall_seconds {wall_seconds:g} is shorter than an epoch of variant "
            f"{variant.name!r}, {variant.seconds:g} s"
        )
    epochs = epochs if longest is None else min(epochs, longest)
    if not all(map(math.isfinite, variant.losses)):
        return Ranked(variant.name, epochs, None)
    check_smooth(variant.name, variant.losses)
    return Ranked(variant.name, epochs, predict(variant.losses, epochs))


def trade_off(
    variants: Sequence[Variant], times: Sequence[float]
) -> Mapping[float, str]:
    """The best variant for each wall time: the trade-off of speed and quality.

    Args:
        variants: As in `rank`.
        times: Wall times in seconds.
    """
    return {time: rank(variants, time)[0].name for time in times}
