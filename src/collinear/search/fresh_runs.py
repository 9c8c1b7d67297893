"""What fresh runs of a few settings say: means, paired differences, chances.

All runs of one seed index share a training seed, so settings are compared run by run.
A handful of runs is too few for a bootstrap; everything here rests on normal noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from collinear.search.goal import LARGEST_COST, Goal
from collinear.search.history import Result, Status

Array = NDArray[np.float64]

CONFIDENCE = 0.95
_N_DRAWS = 20_000
_N_SHRINKAGES = 40  # steps of the grid of shrinkages
_TINY = 1e-12  # of the scale of the costs: below it there is no noise


@dataclass(frozen=True)
class FreshRuns:
    """The fresh runs of one setting.

    Attributes:
        costs: Cost to be minimised by seed index, of the runs with a value.
        values: Mean of each recorded value over those runs, None where one is missing
            or beyond `LARGEST_COST`.
        mean: Mean objective, or None without a run.
        sd: Standard deviation of a run (n - 1), or None below two runs.
        n: Number of runs with a value.
        kept: How many of them kept every limit.
        feasible: Whether the mean of every limited value keeps its limit.
        sound: Whether no run diverged or was stopped, and enough have a value.
    """

    costs: Mapping[int, float]
    values: Mapping[str, float | None]
    mean: float | None
    sd: float | None
    n: int
    kept: int
    feasible: bool
    sound: bool


@dataclass(frozen=True)
class Difference:
    """A setting minus another one, over the seeds that both have.

    Attributes:
        mean: Mean difference of the objective, in its units and with its sign.
        low: Lower end of the 95 % confidence interval, None below two pairs.
        high: Upper end of it.
        n: Number of pairs.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


def fresh_runs(goal: Goal, results: Sequence[Result]) -> FreshRuns:
    """Summarises the fresh runs of one setting.

    A failed run taught nothing and is left out; a setting is sound as long as two runs
    are left (one, when no more were wanted).
    """
    done = [r for r in results if goal.cost(r) is not None]
    costs = {r.seed: float(goal.cost(r) or 0.0) for r in done}
    names = sorted({name for r in done for name in r.values})
    values = {name: _mean_or_none([r.values.get(name) for r in done]) for name in names}
    mean = values.get(goal.objective)
    sd = float(np.std(list(costs.values()), ddof=1)) if len(done) > 1 else None
    lost = [r for r in results if goal.cost(r) is None]
    return FreshRuns(
        costs=costs,
        values=values,
        mean=mean,
        sd=sd,
        n=len(done),
        kept=sum(goal.feasible(r) for r in done),
        feasible=bool(done) and goal.feasible(Result((), 1, Status.DONE, values)),
        sound=all(r.status is Status.FAILED for r in lost)
        and len(done) >= min(2, max(1, len(results))),
    )


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None and abs(v) <= LARGEST_COST]
    return math.fsum(known) / len(known) if len(known) == len(values) else None


def choose(settings: Sequence[FreshRuns]) -> int | None:
    """The number of the best setting: sound, feasible on average, lowest mean cost.

    The first one on a tie; None when no setting is sound and feasible.
    """
    best, lowest = None, math.inf
    for number, runs in enumerate(settings):
        cost = _mean_or_none(list(runs.costs.values())) if runs.costs else None
        if runs.sound and runs.feasible and cost is not None and cost < lowest:
            best, lowest = number, cost
    return best


def paired_difference(
    goal: Goal, ours: FreshRuns, theirs: FreshRuns
) -> Difference | None:
    """The mean of ours minus theirs with its interval (Student t, n - 1 degrees).

    None when no seed has a value in both.
    """
    seeds = [seed for seed in ours.costs if seed in theirs.costs]
    if not seeds:
        return None
    sign = 1.0 if goal.lower_is_better else -1.0
    gaps = [sign * (ours.costs[s] - theirs.costs[s]) for s in seeds]
    mean, n = math.fsum(gaps) / len(gaps), len(gaps)
    if n < 2:
        return Difference(mean, None, None, n)
    half = stdtrit(n - 1, 0.5 + CONFIDENCE / 2) * np.std(gaps, ddof=1) / n**0.5
    return Difference(mean, float(mean - half), float(mean + half), n)


def chances_of_best(settings: Sequence[FreshRuns], seed: int = 0) -> list[float] | None:
    """The probability of each setting to have the lowest mean cost.

    A run's cost is the sum of a setting's mean, an effect of its seed and normal noise
    whose variance all settings share. Finalists resemble each other, so their means are
    normal too: around a common value, with a variance r times that of the noise. Under
    a flat prior for the means a luckiest one of equals would look like the best. The
    prior of r is that of uniform shrinkage (M. J. Daniels, Canadian Journal of
    Statistics 27, 1999), of the noise 1/variance. The chance is the share of 20,000
    draws from the posterior.

    Args:
        settings: Their fresh runs; one that is not sound and feasible has no chance.
        seed: Of the draws, >= 0.

    Returns:
        One probability a setting, with sum 1; settings that are equal without noise
        share theirs. None when no setting can win or the runs leave no degree of
        freedom for the noise.
    """
    rivals = [i for i, runs in enumerate(settings) if runs.sound and runs.feasible]
    found = [0.0] * len(settings)
    if not rivals:
        return None
    if len(rivals) == 1:
        found[rivals[0]] = 1.0
        return found
    sound = [i for i, runs in enumerate(settings) if runs.sound]
    fitted = _means(settings, sound)
    if fitted is None:
        return None
    means, shape, left, freedom = fitted
    rows = [sound.index(i) for i in rivals]
    if left == 0.0:
        shares = _shared(means[rows], _TINY * _scale(settings, sound))
    else:
        generator = np.random.default_rng([seed, 0xF17A1])
        draws = _posterior_draws(means, shape, left, freedom, generator)[:, rows]
        wins = np.bincount(np.argmin(draws, axis=1), minlength=len(rivals))
        shares = wins / _N_DRAWS
    for i, share in zip(rivals, shares.tolist(), strict=True):
        found[i] = share
    return found


def _shared(means: Array, tolerance: float) -> Array:
    """Chances without noise: the lowest means share them."""
    lowest = means <= means.min() + tolerance
    return np.asarray(lowest / np.sum(lowest))


def _scale(settings: Sequence[FreshRuns], chosen: Sequence[int]) -> float:
    """The largest absolute cost of the chosen settings."""
    return max(abs(cost) for i in chosen for cost in settings[i].costs.values())


def _posterior_draws(
    means: Array,
    shape: Array,
    left: float,
    freedom: int,
    generator: np.random.Generator,
) -> Array:
    """Joint draws of the means of n settings.

    Args:
        means: n least-squares means.
        shape: n x n, their covariance as a multiple of the noise's variance.
        left: Residual sum of squares, > 0.
        freedom: Its degrees of freedom, >= 1.
        generator: Source of the draws.

    Returns:
        20,000 x n means.
    """
    n = len(means)
    shrinkage = (np.arange(_N_SHRINKAGES) + 0.5) / _N_SHRINKAGES
    ratios = np.trace(shape) / n * (1.0 - shrinkage) / shrinkage
    weights = np.zeros(len(ratios))
    parts = []
    for k, ratio in enumerate(ratios):
        inverse = np.linalg.inv(shape + ratio * np.eye(n))
        total = inverse.sum()
        centre = float((inverse @ means).sum() / total)
        squares = left + float((means - centre) @ inverse @ (means - centre))
        determinant = np.linalg.slogdet(inverse)[1]
        power = (freedom + n - 1) / 2
        weights[k] = 0.5 * (determinant - np.log(total)) - power * np.log(squares)
        shrunk = centre + ratio * inverse @ (means - centre)
        lean = 1.0 - ratio * inverse.sum(axis=1)  # how the means follow the centre
        spread = ratio * np.eye(n) - ratio**2 * inverse + np.outer(lean, lean) / total
        parts.append((shrunk, spread, squares))
    weights = np.exp(weights - weights.max())
    counts = generator.multinomial(_N_DRAWS, weights / weights.sum())
    draws = []
    for count, (shrunk, spread, squares) in zip(counts, parts, strict=True):
        noise = squares / generator.chisquare(freedom + n - 1, count)
        values, vectors = np.linalg.eigh(spread)
        half = vectors * np.sqrt(np.maximum(values, 0.0))
        normal = generator.standard_normal((count, n)) @ half.T
        draws.append(shrunk + normal * np.sqrt(noise)[:, None])
    return np.concatenate(draws)


def _means(
    settings: Sequence[FreshRuns], chosen: Sequence[int]
) -> tuple[Array, Array, float, int] | None:
    """Least squares for settings and seeds, as `_posterior_draws` takes them.

    The residual sum of squares is 0 where there is no noise at all.
    """
    runs = [
        (row, seed, cost)
        for row, i in enumerate(chosen)
        for seed, cost in sorted(settings[i].costs.items())
    ]
    seeds = sorted({seed for _, seed, _ in runs})
    design = np.zeros((len(runs), len(chosen) + len(seeds)))
    for line, (row, seed, _) in enumerate(runs):
        design[line, row] = 1.0
        design[line, len(chosen) + seeds.index(seed)] = 1.0
    # A mean is that over all seeds: effects of seeds sum to zero.
    design[:, len(chosen) :] -= design[:, len(chosen) :].mean(axis=1, keepdims=True)
    costs = np.array([cost for *_, cost in runs])
    rank = int(np.linalg.matrix_rank(design))
    freedom = len(runs) - rank
    if freedom < 1:
        return None
    inverse = np.asarray(np.linalg.pinv(design.T @ design), dtype=np.float64)
    solution: Array = inverse @ design.T @ costs
    residuals = costs - design @ solution
    left = float(residuals @ residuals)
    if left <= freedom * (_TINY * _scale(settings, chosen)) ** 2:
        left = 0.0
    n = len(chosen)
    return solution[:n], inverse[:n, :n], left, freedom
