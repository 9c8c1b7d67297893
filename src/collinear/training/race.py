"""Racing: run k variants for a while, predict their end, go on with the best.

Y. Oyama, "Automatic performance optimisation that respects the accuracy of deep
learning" (Tokyo Institute of Technology, a research plan): idle computers run several
algorithms at the same time for a while; learning curves predict the quality of each, a
performance model its speed, and the best trade-off of both goes on. It names no
formula. Ours: the smooth loss of each variant is continued (`continuation`); the number
of epochs that fit into the wall time follows from the seconds of an epoch; variants are
ranked by the loss predicted for that epoch. A noisy score, as that of a GAN, must not
be used: see `continuation.check_smooth`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from collinear.training.continuation import (
    LEAST_EPOCHS,
    SMOOTHED,
    Prediction,
    check_smooth,
    predict,
)
from collinear.training.errors import TuningError, check_count, check_positive


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
        TuningError: No or only one variant, a wall time that is not above 0, without
            end or too short for an epoch, a longest below 1, neither a wall time nor a
            longest, a name twice, every variant diverged, or a curve that is short or
            noisy.
    """
    if wall_seconds is not None:
        check_positive("wall_seconds", wall_seconds)
        if math.isinf(wall_seconds):
            raise TuningError(
                "wall_seconds must be finite, but got inf; leave it out and give "
                "longest, the epochs of a whole training"
            )
    if longest is not None:
        check_count("longest", longest)
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
        TuningError: No or only one variant, a name twice, every variant diverged, or
            with `same_time` seconds that are not above 0 and finite.
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

    Raises:
        TuningError: With `same_time`, seconds that are not above 0 and finite.
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
    for variant in variants:
        _check_seconds(variant)
    shortest = min(c * v.seconds for c, v in zip(counts, variants, strict=True))
    within = [int(shortest / v.seconds * (1 + 1e-12)) for v in variants]
    return [max(1, min(w, c)) for w, c in zip(within, counts, strict=True)]


def _check_seconds(variant: Variant) -> None:
    check_positive(f"seconds of variant {variant.name!r}", variant.seconds)
    if math.isinf(variant.seconds):
        raise TuningError(
            f"seconds of variant {variant.name!r} must be finite, but got inf; give "
            "the seconds of an epoch that it ran"
        )


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
    if variant.longest is not None:
        check_count(f"longest of variant {variant.name!r}", variant.longest)
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
