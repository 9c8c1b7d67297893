"""Who proposes what: the draws of the models, and the points that each may choose.

With one model every second draw is confined to lines, the others range over the grid.
With a second model every second draw is that one's, over points near the best results
and random ones (`collinear.search.near`), and the first one's alternate as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collinear.search.goal import Goal
from collinear.search.grid_model import Array, Indices
from collinear.search.history import FIRST_SEED, History, Proposal
from collinear.search.lines import lines_through
from collinear.search.near import near_best
from collinear.search.observations import Observations, full_point
from collinear.search.space import Point, SearchSpace
from collinear.search.surrogate import Models
from collinear.search.warm import Shift

_DRAWN_AT_ONCE = 4_000_000  # numbers in one block of draws: 32 MB
_N_BASES = 3  # incumbents through which lines are drawn
_LINE_AXES = 2  # axes that may change along such a line
_NOISE = 1e-3  # variance, as a share of the data's, from which repeats make sense
_LAST_SEED = FIRST_SEED - 1  # that a repeat may have
_OVER_LIMIT = 1e6  # larger than any standardised draw
_ONE_MODEL = ("global", "line")  # turns of the draws
_TWO_MODELS = ("near", "global", "near", "line")
SECOND = 0x2ED  # streams of random numbers of the second model start here
_NEAR = 0x9EA2

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class View:
    """A model of the grid, and what an earlier search adds to it.

    Attributes:
        models: The models of the objective and of the limits.
        shift: Of a warm start, or None.
        stream: Start of its streams of random numbers.
    """

    models: Models
    shift: Shift | None = None
    stream: int = 0


@dataclass
class Desk:
    """What one `ask` works with; positions on the grid are flat, in C order.

    A model whose turn does not come is not asked for: its fit is most of the time that
    a single proposal takes.

    Attributes:
        first: Returns the model with lines.
        second: Returns the one that draws near the best results; None: there is none.
        seen: What both are given.
        space: The grid.
        seeds: The highest seed of the search at each point asked or told.
        goal: What is minimised, under which limits.
        seed: Campaign seed.
    """

    first: Callable[[], View]
    second: Callable[[], View] | None
    seen: Observations
    space: SearchSpace
    seeds: dict[Point, int]
    goal: Goal
    seed: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes of two or more values."""
        return tuple(n for n in self.space.shape if n > 1)

    def proposals(
        self, taken: Mask, slots: range, repeat_every: int
    ) -> Iterator[Proposal]:
        """One proposal for each slot, while there are free points."""
        taken = taken.copy()
        kinds = [self._kind(slot) for slot in slots]
        allowed = {kind: self._allowed(kind, slots) for kind in set(kinds)}
        repeatable = self._repeatable(repeat_every)
        for slot, kind, score in self._scores(slots, kinds):
            level = slot % len(self._labels)
            label = self._labels[level]
            if taken.all():
                return
            if len(repeatable) and slot % repeat_every == repeat_every - 1:
                flat = repeatable[np.argmin(score[repeatable])]
                again = self._proposal(flat, "repeat" + label)
                if again.seed >= _LAST_SEED:
                    repeatable = repeatable[repeatable != flat]
                yield again
                continue
            free = allowed[kind][level]
            free = free[~taken[free]]
            if len(free):
                flat, reason = free[np.argmin(score[free])], kind
            else:
                flat, reason = np.argmin(np.where(taken, np.inf, score)), "global"
            taken[flat] = True
            yield self._proposal(flat, reason + label)

    @property
    def _labels(self) -> tuple[str, ...]:
        """What a reason says of each of several limits."""
        swept = self.goal.swept
        if swept is None:
            return ("",)
        return tuple(f" for {swept.name} <= {maximum:g}" for maximum in swept.maxima)

    def _kind(self, slot: int) -> str:
        """Which draw a slot gets; every one of several limits gets all kinds."""
        kinds = _ONE_MODEL if self.second is None else _TWO_MODELS
        turn, level = divmod(slot, len(self._labels))
        return kinds[(turn + level) % len(kinds)]

    def _view(self, kind: str) -> View:
        if kind == "near":
            assert self.second is not None
            return self.second()
        return self.first()

    def _is_noisy(self) -> bool:
        return self.first().models.objective.posterior.model.hyper.noise > _NOISE

    def _scores(
        self, slots: range, kinds: Sequence[str]
    ) -> Iterator[tuple[int, str, Array]]:
        """Each slot, its kind and a joint draw of its model; lower is better."""
        pairs = list(zip(slots, kinds, strict=True))
        near = [slot for slot, kind in pairs if kind == "near"]
        others = [slot for slot, kind in pairs if kind != "near"]
        draws = {
            True: self._draws("near", near) if near else iter(()),
            False: self._draws("global", others) if others else iter(()),
        }
        for slot, kind in pairs:
            yield slot, kind, next(draws[kind == "near"])

    def _draws(self, kind: str, slots: Sequence[int]) -> Iterator[Array]:
        view = self._view(kind)
        return _scores(self._levels(view), view, self.seed, slots)

    def _allowed(self, kind: str, slots: range) -> list[Indices]:
        """The points that a kind of draw may choose, for each limit; none: all."""
        if kind == "global":
            return [np.zeros(0, dtype=np.intp)] * len(self._labels)
        levels = self._levels(self._view(kind))
        if kind == "line":
            return [self._near_lines(models) for models in levels]
        seeds = (self.seed, slots.start)
        return [
            self._near_best(models, (*seeds, _NEAR + k))
            for k, models in enumerate(levels)
        ]

    def _levels(self, view: View) -> list[Models]:
        """The models for each of several limits."""
        return [view.models.at(level) for level in range(len(self._labels))]

    def _proposal(self, flat: np.intp, reason: str) -> Proposal:
        point = self._point(flat)
        self.seeds[point] = self.seeds.get(point, 0) + 1
        return Proposal(point, self.seeds[point], reason)

    def _point(self, flat: np.intp) -> Point:
        indices = np.array(np.unravel_index(flat, self.shape))
        return full_point(indices, self.space)

    def _repeatable(self, repeat_every: int) -> Indices:
        """Under noise the measured points that have a seed left.

        Where every measured point also lost a trial, none is worth a repeat.
        """
        flat = self._measured()
        if repeat_every == 0 or not len(flat) or not self._is_noisy():
            return flat[:0]
        left = [self.seeds.get(self._point(f), 0) < _LAST_SEED for f in flat]
        return flat[np.array(left, dtype=bool)]

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

    def _near_best(self, models: Models, seeds: Sequence[int]) -> Indices:
        """Points near the best results that probably keep the limits."""
        posterior, flat = models.objective.posterior, self._measured()
        points = np.stack(np.unravel_index(flat, self.shape), axis=1)
        lowest = np.full(posterior.model.size, np.inf)
        at = np.ravel_multi_index(tuple(posterior.points.T), self.shape)
        np.minimum.at(lowest, at, posterior.values)
        return near_best(
            posterior.model.axes,
            points,
            lowest[flat],
            models.feasibility(points) < 0.5,
            np.random.default_rng(seeds),
        )


def highest_seeds(history: History) -> dict[Point, int]:
    """The highest seed index of each point asked or told, finals left out."""
    seeds: dict[Point, int] = {}
    keys = [p.key for p in history.proposals] + [r.key for r in history.results]
    for point, seed in keys:
        if seed < FIRST_SEED:
            seeds[point] = max(seeds.get(point, 0), seed)
    return seeds


def _scores(
    levels: Sequence[Models], view: View, seed: int, slots: Sequence[int]
) -> Iterator[Array]:
    """One joint draw over the grid for each slot; lower is better.

    A point over a limit in the draw ranks behind all others, by its excess. The limit
    is that of `levels` in turn; everything else in them is the same.
    """
    models, shift = levels[0], view.shift
    posterior = models.objective.posterior
    block = max(1, _DRAWN_AT_ONCE // posterior.model.size)
    for first in range(0, len(slots), block):
        part = slots[first : first + block]
        scores = posterior.draws(generators(seed, part, view.stream))
        excess = np.zeros_like(scores) if models.limits else None
        for k, limit in enumerate(models.limits):
            chances = generators(seed, part, view.stream + k + 1)
            values = limit.surrogate.posterior.draws(chances)
            turns = [levels[slot % len(levels)].limits[k].maximum for slot in part]
            excess += np.maximum(values - np.array(turns)[:, None], 0.0)
        if excess is not None:
            scores = np.where(excess > 0.0, _OVER_LIMIT + excess, scores)
        for slot, score in zip(part, scores, strict=True):
            yield score if shift is None else score + shift.drawn(seed, slot)


def generators(
    seed: int, slots: Sequence[int], stream: int
) -> list[np.random.Generator]:
    """A source of random numbers for each slot."""
    return [np.random.default_rng([seed, slot, stream]) for slot in slots]
