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


@dataclass(frozen=True)
class Variant:
    """A variant after the race.

    Attributes:
        name: Its name.
        losses: Smooth loss after each epoch that it ran, lower is better.
        seconds: Seconds of one epoch, observed or predicted by a cost model.
        longest: Epochs after which its own training ends; None: see `rank`.
    """

    name: str
    losses: tuple[float, ...]
    seconds: float
    longest: int | None = None

    @property
    def diverged(self) -> bool:
        """Whether it has a loss that is not finite, or none at all."""
        return not self.losses or not all(map(math.isfinite, self.losses))


@dataclass(frozen=True)
class Ranked:
    """A variant with what it promises.

    Attributes:
        name: Its name.
        epochs: Epochs at which it is judged; of a diverged one those that it ran.
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

    It falls by no more than as much for each doubling of the epochs as in the last
    doubling seen: against the logarithm of time, a curve that has left its start gets
    flatter. One that is still at its start bends the other way, and a form fitted to
    that would fall without end.

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


def rank(
    variants: Sequence[Variant],
    wall_seconds: float | None = None,
    longest: int | None = None,
) -> list[Ranked]:
    """Rank variants by the loss that they reach within a wall time.

    Args:
        variants: What each one showed. A loss that is not finite puts it last.
        wall_seconds: Time from the start of a training, the race included; None: as
            long as each one takes to its end.
        longest: Epochs after which a training ends anyway.

    Returns:
        The best first; on a tie the order given.

    Raises:
        TuningError: No or only one variant, a wall time that is not above 0 or too
            short for an epoch, neither a wall time nor a longest, a name twice, every
            variant diverged, or a curve that is short or noisy.
    """
    if wall_seconds is not None:
        check_positive("wall_seconds", wall_seconds)
    _check_field(variants)
    return _best_first([_ranked(v, wall_seconds, longest) for v in variants])


def rank_by_last(variants: Sequence[Variant], *, same_time: bool) -> list[Ranked]:
    """Rank variants by what they have shown, where no curve can be continued.

    That is the mean of the last `SMOOTHED` losses, or with `same_time` of the last
    ones that every variant had in the time of the shortest race, so that a slow one
    gets no more time than the others.

    Args:
        variants: What each one showed. A loss that is not finite puts it last.
        same_time: Whether variants are compared at the same time, not at their ends.

    Returns:
        The best first; on a tie the order given. The form of each is ``last``.

    Raises:
        TuningError: No or only one variant, a name twice, or every variant diverged.
    """
    _check_field(variants)
    shown = [variant for variant in variants if not variant.diverged]
    names = [variant.name for variant in shown]
    counted = dict(zip(names, _shown_epochs(shown, same_time), strict=True))
    ranked = []
    for variant in variants:
        if variant.diverged:
            ranked.append(Ranked(variant.name, len(variant.losses), None))
            continue
        seen = variant.losses[: counted[variant.name]]
        noise = float(np.std(seen[-SMOOTHED:]))
        found = Prediction(_last(seen), noise, "last")
        ranked.append(Ranked(variant.name, len(seen), found))
    return _best_first(ranked)


def continues_well(variants: Sequence[Variant], *, same_time: bool) -> bool:
    """Test the prediction on the race itself: does it rank better than last values?

    From the first half of each curve, its last value and its prediction both rank the
    variants as they stand at the end of the race. The prediction must get more pairs
    right; as many are not enough, because last values are right more often than not
    (`benchmarks/race`).

    Args:
        variants: As in `rank`; smooth.
        same_time: As in `rank_by_last`.

    Returns:
        Whether it did; False where a half has fewer than `LEAST_EPOCHS` losses.
    """
    shown = [variant for variant in variants if not variant.diverged]
    ends = _shown_epochs(shown, same_time)
    if len(shown) < 2 or min(ends) < 2 * LEAST_EPOCHS:
        return False
    half, continued, end = [], [], []
    for variant, epochs in zip(shown, ends, strict=True):
        first = variant.losses[: epochs // 2]
        half.append(_last(first))
        continued.append(predict(first, epochs).value)
        end.append(_last(variant.losses[:epochs]))
    return _pairs_right(continued, end) > _pairs_right(half, end)


def _pairs_right(values: Sequence[float], truth: Sequence[float]) -> int:
    pairs = [(i, j) for i in range(len(truth)) for j in range(i)]
    return sum((values[i] - values[j]) * (truth[i] - truth[j]) > 0 for i, j in pairs)


def _shown_epochs(variants: Sequence[Variant], same_time: bool) -> list[int]:
    """Epochs of each variant that count: all, or those in the shortest race's time."""
    counts = [len(variant.losses) for variant in variants]
    if not same_time:
        return counts
    shortest = min(c * v.seconds for c, v in zip(counts, variants, strict=True))
    within = [int(shortest / v.seconds * (1 + 1e-12)) for v in variants]
    return [max(1, min(w, c)) for w, c in zip(within, counts, strict=True)]


def _last(losses: Sequence[float]) -> float:
    return float(np.mean(losses[-SMOOTHED:]))


def _check_field(variants: Sequence[Variant]) -> None:
    if len(variants) < 2:
        raise TuningError(f"a race needs two variants or more, but got {len(variants)}")
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise TuningError(f"variants must have different names, but got {names}")
    if all(variant.diverged for variant in variants):
        raise TuningError(f"every variant diverged: {names}")


def _best_first(ranked: Sequence[Ranked]) -> list[Ranked]:
    return sorted(
        ranked, key=lambda r: r.prediction.value if r.prediction else math.inf
    )


def _ranked(
    variant: Variant, wall_seconds: float | None, longest: int | None
) -> Ranked:
    if variant.diverged:
        return Ranked(variant.name, len(variant.losses), None)
    check_positive(f"seconds of variant {variant.name!r}", variant.seconds)
    ends = [end for end in (longest, variant.longest) if end is not None]
    if wall_seconds is not None:
        within = int(wall_seconds / variant.seconds * (1 + 1e-12))
        if within < 1:
            raise TuningError(
                f"wall_seconds {wall_seconds:g} is shorter than an epoch of variant "
                f"{variant.name!r}, {variant.seconds:g} s"
            )
        ends.append(within)
    if not ends:
        raise TuningError(
            f"variant {variant.name!r} needs an end: give wall_seconds, or longest, "
            "the epochs of a whole training"
        )
    epochs = min(ends)
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
