"""`anova`: one model shared by all lines, and posterior draws that choose from it.

Each proposal is a Thompson draw (W. Thompson, Biometrika 25, 1933): the point that is
best, and keeps the limits, in one joint draw from the posterior over the grid. Draws
differ as far as the model is uncertain, so a batch of any size spreads by itself, and
a pending trial needs no made-up result: it is only not proposed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collinear.search.grid_model import Array, Indices
from collinear.search.history import Goal, History, Proposal
from collinear.search.kernels import AxisShape, has_zero_level
from collinear.search.lines import Line, lines_through
from collinear.search.observations import Observations, full_point, observe
from collinear.search.recommend import (
    ROUGHNESS,
    SAFE,
    Recommendation,
    rank_measured,
)
from collinear.search.replay import StrategyError, taken_points
from collinear.search.space import Point, SearchSpace
from collinear.search.start import start_order
from collinear.search.surrogate import Models, build
from collinear.search.warm import Prior, Shift, prior_models, shift

_DRAWN_AT_ONCE = 4_000_000  # numbers in one block of draws: 32 MB
_N_BASES = 3  # incumbents through which lines are drawn
_LINE_AXES = 2  # axes that may change along such a line
_NOISE = 1e-3  # variance, as a share of the data's, from which repeats make sense
_OVER_LIMIT = 1e6  # larger than any standardised draw

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Anova:
    """Search with a shared model of the whole grid; see the module.

    Every second draw is confined to the lines through the three best points, the
    others range over the grid. `Proposal.reason` says which: ``line``, ``global``,
    ``repeat`` (a measured point with its next seed), ``fill`` (there is no model yet)
    or ``warm`` (nor is there, and the point is a draw from the model of an earlier
    search). The search ends when every point of the grid was asked.

    With several limits on one value (`Limit.tighter`) the draws take turns over them,
    and `Proposal.reason` names the limit; all of them share every trial.

    Attributes:
        space: The grid.
        goal: What is minimised, under which limits.
        seed: Campaign seed, >= 0.
        categorical: Names of the axes whose values have no order.
        repeat_every: Under noise, every so many proposals one repeats a measured
            point; 0 for never. Finals repeat better: see `collinear.search.finals`.
        prior: Trials of an earlier search, or None; see `collinear.search.warm`.
    """

    space: SearchSpace
    goal: Goal
    seed: int = 0
    categorical: tuple[str, ...] = ()
    repeat_every: int = 0
    prior: Prior | None = None

    def __post_init__(self) -> None:
        for name in ("seed", "repeat_every"):
            if getattr(self, name) < 0:
                raise StrategyError(
                    f"{name} must be >= 0, but got {getattr(self, name)!r}"
                )
        for name in self.categorical:
            if name not in self.space.names:
                raise StrategyError(
                    f"categorical must name axes of {sorted(self.space.names)}, but "
                    f"got {name!r}"
                )

    def ask(self, history: History, k: int) -> tuple[Proposal, ...]:
        """See `Strategy.ask`; exactly k proposals while that many points are left."""
        if k < 0:
            raise StrategyError(f"ask needs k >= 0, but got k={k!r}")
        taken = self.taken(history)
        if k == 0 or taken.all():
            return ()
        models, seen = self.models(history)
        if models is None:
            return tuple(self._first(taken, len(history.proposals), k))
        desk = _Desk(models, seen, self.space, _highest_seeds(history), self.goal)
        if self.prior is not None and self.axes:
            earlier = prior_models(self.prior, self.space, self.axes)
            desk.shift = shift(earlier, models.objective.posterior)
        asked = len(history.proposals)
        slots = range(asked, asked + k)
        return tuple(desk.proposals(taken, self.seed, slots, self.repeat_every))

    def _first(self, taken: Mask, asked: int, k: int) -> Iterator[Proposal]:
        """Trials before there is a model: spread out, every second one by the prior."""
        taken, order = taken.copy(), start_order(self.space.shape, self.seed)
        earlier = None
        if self.prior is not None and self.axes:
            earlier = prior_models(self.prior, self.space, self.axes)
        for slot in range(asked, asked + k):
            if taken.all():
                return
            flat, reason = order[np.argmin(taken[order])], "fill"
            if earlier is not None and slot % 2 == 0:
                generators = _generators(self.seed, range(slot, slot + 1), 0)
                score = earlier.objective.posterior.draws(generators)[0]
                flat, reason = np.argmin(np.where(taken, np.inf, score)), "warm"
            taken[flat] = True
            yield Proposal(self._point(flat), 1, reason)

    def lines(self, history: History) -> tuple[Line, ...]:
        """The lines of one axis through the incumbent; none before there is one."""
        best = history.incumbent(self.goal)
        if best is None or best.point not in self.space:
            return ()
        return lines_through(best.point, self.space.shape, 1)

    def recommend(
        self, history: History, *, roughness: float = ROUGHNESS, safe: float = SAFE
    ) -> tuple[Recommendation, ...]:
        """The measured points that the model thinks best, the one to take home first.

        Args:
            history: Everything asked and told.
            roughness: While no point was repeated, the share in [0, 1] of a result's
                distance from the model that is taken for real: 0 follows the model,
                1 the results.
            safe: Probability of keeping the limits from which a point counts as safe.

        Returns:
            At most 100 points; none while there are too few results for a model.
        """
        models, seen = self.models(history)
        if models is None:
            return ()
        return rank_measured(
            models, seen, self.space, self.seed, roughness=roughness, safe=safe
        )

    @property
    def axes(self) -> tuple[AxisShape, ...]:
        """The axes of two or more values, as the model sees them."""
        found = []
        for axis in self.space.axes:
            categorical = axis.name in self.categorical
            zero = not categorical and has_zero_level(axis.values)
            if len(axis) > 1:
                found.append(AxisShape(len(axis), categorical, zero))
        return tuple(found)

    def models(self, history: History) -> tuple[Models | None, Observations]:
        """What the results say of the grid (None: too few), and the results."""
        seen = observe(history, self.space, self.goal)
        return build(self.axes, seen, self.goal.limits), seen

    def taken(self, history: History) -> Mask:
        """N booleans, the grid in C order: which points were asked or told."""
        taken = np.zeros(self.space.size, dtype=bool)
        points = [p for p in taken_points(history) if p in self.space]
        if points:
            flat = np.ravel_multi_index(tuple(np.array(points).T), self.space.shape)
            taken[flat] = True
        return taken

    def _point(self, flat: np.intp) -> Point:
        return tuple(int(i) for i in np.unravel_index(flat, self.space.shape))


@dataclass
class _Desk:
    """What one `ask` works with; positions on the grid are flat, in C order."""

    models: Models
    seen: Observations
    space: SearchSpace
    seeds: dict[Point, int]
    goal: Goal
    shift: Shift | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.models.objective.posterior.model.shape

    def proposals(
        self, taken: Mask, seed: int, slots: range, repeat_every: int
    ) -> Iterator[Proposal]:
        """One proposal for each slot, while there are free points."""
        taken = taken.copy()
        each, measured = self._levels(), self._measured()
        near = [self._near_lines(models) for models, _ in each]
        noisy = self.models.objective.posterior.model.hyper.noise > _NOISE
        for slot, score in _scores([models for models, _ in each], seed, slots):
            turn, level = divmod(slot, len(each))
            label = each[level][1]
            if self.shift is not None:
                score = score + self.shift.drawn(seed, slot)
            if taken.all():
                return
            if noisy and repeat_every and slot % repeat_every == repeat_every - 1:
                flat = measured[np.argmin(score[measured])]
                yield self._proposal(flat, "repeat" + label)
                continue
            # As slot % 2, but so that every limit has both kinds.
            on_line = (turn + level) % 2
            free = near[level][~taken[near[level]]] if on_line else near[level][:0]
            if len(free):
                flat, reason = free[np.argmin(score[free])], "line"
            else:
                flat, reason = np.argmin(np.where(taken, np.inf, score)), "global"
            taken[flat] = True
            yield self._proposal(flat, reason + label)

    def _levels(self) -> list[tuple[Models, str]]:
        """The models for each of several limits, and what a reason says of it."""
        swept = self.goal.swept
        if swept is None:
            return [(self.models, "")]
        return [
            (self.models.at(level), f" for {swept.name} <= {maximum:g}")
            for level, maximum in enumerate(swept.maxima)
        ]

    def _proposal(self, flat: np.intp, reason: str) -> Proposal:
        indices = np.array(np.unravel_index(flat, self.shape))
        point = full_point(indices, self.space)
        self.seeds[point] = self.seeds.get(point, 0) + 1
        return Proposal(point, self.seeds[point], reason)

    def _measured(self) -> Indices:
        """Measured points, without those where a trial gave no finite cost."""
        flat = np.ravel_multi_index(tuple(self.seen.points.T), self.shape)
        return np.setdiff1d(flat, flat[~self.seen.measured])

    def _near_lines(self, models: Models) -> Indices:
        """Points on the lines through the best measured points."""
        flat = self._measured()
        points = np.stack(np.unravel_index(flat, self.shape), axis=1)
        mean = models.objective.posterior.mean[flat]
        unlikely = models.feasibility(points) < 0.5
        best = np.lexsort((mean, unlikely))[:_N_BASES]
        found: set[Point] = set()
        for base in points[best].tolist():
            for line in lines_through(tuple(base), self.shape, _LINE_AXES):
                found.update(line.points)
        if not found:
            return flat[:0]
        columns = tuple(np.array(sorted(found)).T)
        return np.ravel_multi_index(columns, self.shape)


def _highest_seeds(history: History) -> dict[Point, int]:
    """The highest seed index of each point asked or told."""
    seeds: dict[Point, int] = {}
    keys = [p.key for p in history.proposals] + [r.key for r in history.results]
    for point, seed in keys:
        seeds[point] = max(seeds.get(point, 0), seed)
    return seeds


def _scores(
    levels: Sequence[Models], seed: int, slots: range
) -> Iterator[tuple[int, Array]]:
    """One joint draw over the grid for each slot; lower is better.

    A point over a limit in the draw ranks behind all others, by its excess. The limit
    is that of `levels` in turn; everything else in them is the same.
    """
    models = levels[0]
    posterior = models.objective.posterior
    block = max(1, _DRAWN_AT_ONCE // posterior.model.size)
    for first in range(slots.start, slots.stop, block):
        part = range(first, min(first + block, slots.stop))
        scores = posterior.draws(_generators(seed, part, 0))
        excess = np.zeros_like(scores) if models.limits else None
        for k, limit in enumerate(models.limits):
            values = limit.surrogate.posterior.draws(_generators(seed, part, k + 1))
            turns = [levels[slot % len(levels)].limits[k].maximum for slot in part]
            excess += np.maximum(values - np.array(turns)[:, None], 0.0)
        if excess is not None:
            scores = np.where(excess > 0.0, _OVER_LIMIT + excess, scores)
        yield from zip(part, scores, strict=True)


def _generators(seed: int, slots: range, stream: int) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, slot, stream]) for slot in slots]
