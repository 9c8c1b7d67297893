"""The methods under test behind one contract; see `simulation.Method`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from landscapes import Parameter

from collinear.search import (
    Anova,
    Goal,
    History,
    Limit,
    Result,
    SearchSpace,
    Status,
    make_strategy,
    waits,
)
from collinear.search.finals import FIRST_SEED, SHARE, race, reserved

Config = tuple[int, ...]


class Strategy:
    """Any strategy of `collinear.search`, with its history."""

    def __init__(
        self,
        parameters: Sequence[Parameter],
        *,
        seed: int,
        slots: int,
        budget: int,
        limited: bool,
        name: str,
        finals: float = 0.0,
        options: dict[str, Any] | None = None,
    ) -> None:
        space = SearchSpace.from_values({p.name: p.values for p in parameters})
        goal = Goal("y", (Limit("excess", 0.0),) if limited else ())
        options = dict(options or {})
        if name == "anova":
            categorical = [p.name for p in parameters if p.categorical]
            options["categorical"] = categorical
        self.repeats = name == "anova"
        self.short_batches = waits(name)
        self.tuner = make_strategy(name, options, space=space, goal=goal, seed=seed)
        self.history = History()
        self.searching = budget - reserved(budget, finals)

    def ask(self, n: int) -> list[Config]:
        left = self.searching - len(self.history.proposals)
        batch = self.tuner.ask(self.history, min(n, left)) if left > 0 else ()
        if isinstance(self.tuner, Anova) and len(batch) < n and left < n:
            batch += race(self.tuner, self.history.ask(batch), n - len(batch))
        self.history = self.history.ask(batch)
        return [p.point for p in batch]

    def recommend(self) -> Config | None:
        if not self.repeats:
            return None
        found = self.tuner.recommend(self.history)
        finals = {p.point for p in self.history.proposals if p.seed >= FIRST_SEED}
        kept = [r.point for r in found if r.point in finals or not finals]
        return kept[0] if kept else None

    def tell(self, config: Config, value: float, excess: float | None) -> None:
        waiting = [p for p in self.history.pending if p.point == config]
        seed = waiting[0].seed if waiting else 1
        status = Status.DONE if np.isfinite(value) else Status.DIVERGED
        values = {"y": value, "excess": excess} if status is Status.DONE else {}
        self.history = self.history.tell([Result(config, seed, status, values)])


def own(name: str, finals: float = 0.0, **options: Any) -> Callable[..., Strategy]:
    """A maker of one of our strategies."""

    def make(parameters: Sequence[Parameter], **setting: Any) -> Strategy:
        return Strategy(
            parameters, name=name, finals=finals, options=options, **setting
        )

    return make


def by_name(name: str) -> Callable[..., Any]:
    """The maker of a method."""
    if name == "anova-finals":
        return own("anova", finals=SHARE)
    if name in ("anova-one", "anova-one-finals"):  # without the second model
        finals = SHARE if name.endswith("finals") else 0.0
        return own("anova", finals=finals, second_model=False)
    if name in ("anova", "random", "levelled", "s2018"):
        return own(name)
    import peers  # needs the packages of the peers

    return peers.MAKERS[name]
