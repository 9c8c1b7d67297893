"""Short-term pre-training: choosing the learning rate once an epoch by trying it.

K. Yamada et al., "Adaptive Learning Rate Adjustment with Short-Term Pre-Training in
Data-Parallel Deep Learning" (Kobe University). An epoch begins with alpha iterations
for each of m candidates, all from the same state; candidate i has the learning rate of
the epoch before times factor i. The most accurate one goes on for the rest of the
epoch, and its learning rate is the base of the next.

This module holds the candidates, their choice and what they cost; `stpt_policy` runs
them on a training. Ours, because the published rule diverges without: ties go to the
factor nearest 1, results that are not finite are out, and the learning rate has bounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from collinear.training.errors import (
    TuningError,
    check_count,
    check_finite,
    check_positive,
    check_share,
)

Factors = tuple[float, ...]


def candidate_set(most: float, least: float, above: int = 3, below: int = 4) -> Factors:
    """Factors around 1, evenly spaced on either side, as in table 3 of the document.

    Args:
        most: Largest factor, above 1.
        least: Smallest factor, between 0 and 1.
        above: Number of factors above 1, from 1 on.
        below: Number of factors below 1, from 1 on.

    Returns:
        above + 1 + below factors, descending, rounded to two decimals.

    Raises:
        TuningError: A value is out of its range, or the smallest factor is rounded
            to 0.

    >>> candidate_set(2.5, 0.4)
    (2.5, 2.0, 1.5, 1.0, 0.85, 0.7, 0.55, 0.4)
    """
    check_finite("most", most)
    check_share("least", least)
    if most <= 1:
        raise TuningError(f"most, the largest factor, must be above 1, but got {most}")
    check_count("above", above)
    check_count("below", below)
    upper = np.linspace(most, 1, above + 1)
    lower = np.linspace(1, least, below + 1)[1:]
    factors = tuple(round(float(x), 2) for x in (*upper, *lower))
    if factors[-1] == 0:
        raise TuningError(
            "least, rounded to two decimals as the factors are, must be above 0, but "
            f"got {least}; give 0.01 or more"
        )
    return factors


NARROW = candidate_set(1.25, 0.8)
MIDDLE = candidate_set(2.5, 0.4)
WIDE = candidate_set(5.0, 0.2)
ALPHA_STUDY: Factors = (10.0, 5.0, 3.0, 1.5, 1.0, 0.9, 0.5, 0.4)
"""Table 2: the set with which the document chose alpha."""
WARM_UP_EPOCHS, WARM_UP_RATE = 4, 0.005
"""Table 1. The form of the warm-up is not stated; we keep the rate constant."""
SETS = {"narrow": NARROW, "middle": MIDDLE, "wide": WIDE, "alpha_study": ALPHA_STUDY}
MIX = ((1, NARROW), (20, MIDDLE), (30, WIDE))
"""Table 4 (its epochs 1 to 4 are the warm-up): first epoch of each set."""
MIX_EPOCHS = 40


def mix_for(epochs: int) -> tuple[tuple[int, Factors], ...]:
    """Mix with its changes at the same shares of another number of epochs.

    Changes that fall together leave out the set between them.
    """
    check_count("epochs", epochs)
    found: dict[int, Factors] = {}
    for first, factors in MIX:
        found[1 + round((first - 1) * epochs / MIX_EPOCHS)] = factors
    return tuple(sorted(found.items()))


@dataclass(frozen=True)
class StptPlan:
    """What is tried, and when.

    Attributes:
        iterations: Updates of an epoch.
        alpha: Updates of each candidate, within the epoch.
        schedule: First epoch (from 1) and factors, ascending by epoch.
        warm_up: Epochs before the first candidates; whole.
        warm_up_rate: Learning rate of these: see `check_warm_up`.
        least: Lower bound of the learning rate.
        most: Upper bound.

    Raises:
        TuningError: An empty candidate set, a factor that is not above 0 and finite,
            alpha longer than an epoch, a schedule that does not begin with epoch 1 and
            ascend in whole epochs, bounds in the wrong order, or a warm-up that is not
            whole.
    """

    iterations: int
    alpha: int
    schedule: tuple[tuple[int, Factors], ...]
    warm_up: int = 0
    warm_up_rate: float = WARM_UP_RATE
    least: float = 1e-6
    most: float = 1.0

    def __post_init__(self) -> None:
        check_count("iterations", self.iterations)
        check_count("alpha", self.alpha)
        check_positive("warm_up_rate", self.warm_up_rate)
        if not isinstance(self.warm_up, int) or self.warm_up < 0:
            raise TuningError(
                f"warm_up must be a whole number from 0 on, but got {self.warm_up!r}"
            )
        if self.alpha > self.iterations:
            raise TuningError(
                "alpha, the updates of a candidate, must not be longer than an epoch, "
                f"but got alpha {self.alpha} with {self.iterations} updates an epoch; "
                "lower alpha"
            )
        if not 0 < self.least <= self.most < math.inf:
            raise TuningError(
                "bounds of the learning rate must be 0 < least <= most, but got "
                f"{self.least!r} and {self.most!r}"
            )
        firsts = [first for first, _ in self.schedule]
        if not firsts or firsts[0] != 1 or any(b <= a for a, b in pairwise(firsts)):
            raise TuningError(
                "a schedule must begin with epoch 1 and ascend, but its sets begin "
                f"with {firsts}"
            )
        for first, factors in self.schedule:
            check_count("the first epoch of a set", first)
            if not factors:
                raise TuningError(
                    f"the candidate set from epoch {first} on is empty; name at least "
                    "one factor (1.0 alone is the plain training)"
                )
            for factor in factors:
                check_finite(f"a factor of the set from epoch {first} on", factor)

    def check_warm_up(self) -> None:
        """Check that the rate of the warm-up lies within the bounds.

        Whoever trains calls it, and may name the rate otherwise. Without a warm-up it
        is used nowhere.

        Raises:
            TuningError: It does not.
        """
        if self.warm_up and not self.least <= self.warm_up_rate <= self.most:
            raise TuningError(
                "warm_up_rate must lie within the bounds of the learning rate, least "
                f"{self.least:g} and most {self.most:g}, but got {self.warm_up_rate:g}"
            )

    def factors(self, epoch: int) -> Factors:
        """The candidates of an epoch (from 1); none while it warms up."""
        if epoch <= self.warm_up:
            return ()
        return [f for first, f in self.schedule if first <= epoch][-1]

    def bounded(self, rate: float) -> float:
        """The learning rate within its bounds."""
        return min(max(rate, self.least), self.most)


def choose(
    factors: Sequence[float], scores: Sequence[float], tolerance: float = 0.0
) -> int | None:
    """The candidate that goes on.

    Args:
        factors: Of the learning rate, above 0.
        scores: Of each candidate, higher is better; NaN or infinite when it diverged.
        tolerance: Scores that close to the best count as equal; 0 or more.

    Returns:
        Its index; None when no score is finite. Of equal ones that with the factor
        nearest 1 (by ratio), and of two as near the smaller factor: an accuracy that is
        saturated says nothing, and must not push the learning rate.

    Raises:
        TuningError: The tolerance is below 0 or no number.

    >>> choose([5.0, 1.0, 0.2], [0.9, 0.9, 0.9])
    1
    """
    check_tolerance(tolerance)
    finite = [i for i, s in enumerate(scores) if math.isfinite(s)]
    if not finite:
        return None
    best = max(scores[i] for i in finite)
    equal = [i for i in finite if scores[i] >= best - tolerance]
    return min(equal, key=lambda i: (abs(math.log(factors[i])), factors[i]))


def check_tolerance(tolerance: float) -> None:
    """Check that a tolerance of scores is 0 or more.

    Raises:
        TuningError: It is not.
    """
    if not tolerance >= 0:
        raise TuningError(f"tolerance must be 0 or more, but got {tolerance!r}")


@dataclass(frozen=True)
class Cost:
    """Updates of one epoch with m candidates.

    Attributes:
        whole: Each candidate for a whole epoch, one after another.
        concurrent: With a worker for each candidate.
        sequential: On one worker.
    """

    whole: int
    concurrent: int
    sequential: int

    @property
    def saved_concurrent(self) -> float:
        """1 - 1/m, whatever alpha is: the document's 87.5 %."""
        return 1 - self.concurrent / self.whole

    @property
    def saved_sequential(self) -> float:
        """What is saved where candidates take turns."""
        return 1 - self.sequential / self.whole

    @property
    def over_plain(self) -> float:
        """Cost on one worker as a multiple of a plain epoch."""
        return self.sequential / self.concurrent


def cost(iterations: int, alpha: int, candidates: int) -> Cost:
    """What an epoch costs, in updates (figure 3 of the document).

    >>> cost(2500, 200, 8).saved_concurrent
    0.875
    """
    rest = iterations - alpha
    return Cost(candidates * iterations, iterations, candidates * alpha + rest)
