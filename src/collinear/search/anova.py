"""`anova`: one model shared by all lines, and posterior draws that choose from it.

Each proposal is a Thompson draw (W. Thompson, Biometrika 25, 1933): the point that is
best, and keeps the limits, in one joint draw from the posterior over the grid. Draws
differ as far as the model is uncertain, so a batch of any size spreads by itself, and
a pending trial needs no made-up result: it is only not proposed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from collinear.search.goal import Goal
from collinear.search.history import History, Proposal
from collinear.search.hyper import ANOVA, HyperPrior, product_prior
from collinear.search.kernels import AxisShape, has_zero_level
from collinear.search.lines import Line, lines_through
from collinear.search.observations import Observations, observe
from collinear.search.proposing import SECOND, Desk, View, generators, highest_seeds
from collinear.search.recommend import (
    ROUGHNESS,
    SAFE,
    Recommendation,
    check_shares,
    rank_measured,
)
from collinear.search.replay import StrategyError, taken_points
from collinear.search.space import Point, SearchSpace
from collinear.search.start import check_count, check_size, start_order
from collinear.search.surrogate import Models, build, enough
from collinear.search.warm import Prior, prior_models, shift

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Anova:
    """Search with a shared model of the whole grid; see the module.

    Every second draw is confined to the lines through the three best points, the
    others range over the grid; `second_model` gives half of them to another model.
    `Proposal.reason` says which: ``line``, ``global``, ``near``, ``repeat`` (a measured
    point with its next seed), ``fill`` (there is no model yet) or ``warm`` (nor is
    there, and the point is a draw from the model of an earlier search). The search ends
    when every point of the grid was asked.

    With several limits on one value (`Limit.tighter`) the draws take turns over them,
    and `Proposal.reason` names the limit; all of them share every trial.

    Attributes:
        space: The grid, of at most `LARGEST_GRID` points.
        goal: What is minimised, under which limits.
        seed: Campaign seed, >= 0.
        categorical: Names of the axes whose values have no order.
        repeat_every: Under noise, every so many proposals one repeats a measured
            point, up to seed 100; 0 for never. Finals repeat better: see
            `collinear.search.finals`.
        prior: Trials of an earlier search, or None; see `collinear.search.warm`.
        second_model: Whether every second draw is that of a model of fewer
            assumptions, near the best results; see `collinear.search.proposing`.
    """

    space: SearchSpace
    goal: Goal
    seed: int = 0
    categorical: tuple[str, ...] = ()
    repeat_every: int = 0
    prior: Prior | None = None
    second_model: bool = True

    def __post_init__(self) -> None:
        for name in ("seed", "repeat_every"):
            check_count(name, getattr(self, name))
        for name in self.categorical:
            if name not in self.space.names:
                raise StrategyError(
                    f"categorical must name axes of {sorted(self.space.names)}, but "
                    f"got {name!r}"
                )
        check_size("anova", self.space)

    def ask(self, history: History, k: int) -> tuple[Proposal, ...]:
        """See `Strategy.ask`; exactly k proposals while that many points are left."""
        if k < 0:
            raise StrategyError(f"ask needs k >= 0, but got k={k!r}")
        taken = self.taken(history)
        if k == 0 or taken.all():
            return ()
        if self.repeat_every == 0:
            k = min(k, int(np.sum(~taken)))
        asked, seen = len(history.proposals), observe(history, self.space, self.goal)
        if not enough(self.axes, seen):
            return tuple(self._first(taken, asked, k))
        other = product_prior(len(self.axes))
        desk = Desk(
            cache(lambda: self._view(seen, ANOVA, 0)),
            cache(lambda: self._view(seen, other, SECOND))
            if self.second_model
            else None,
            seen,
            self.space,
            highest_seeds(history),
            self.goal,
            self.seed,
        )
        slots = range(asked, asked + k)
        return tuple(desk.proposals(taken, slots, self.repeat_every))

    def _view(self, seen: Observations, prior: HyperPrior, stream: int) -> View:
        models = build(self.axes, seen, self.goal.limits, prior)
        assert models is not None
        if self.prior is None:
            return View(models, None, stream)
        earlier = prior_models(self.prior, self.space, self.axes)
        return View(models, shift(earlier, models.objective.posterior), stream)

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
                chances = generators(self.seed, (slot,), 0)
                score = earlier.objective.posterior.draws(chances)[0]
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
            safe: Probability of keeping the limits from which a point counts as safe,
                in (0, 1].

        Returns:
            At most 100 points, all of whose trials gave a finite cost; none while
            there is no such point or there are too few results for a model.

        Raises:
            StrategyError: `roughness` or `safe` is out of range.
        """
        check_shares(roughness, safe)
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
