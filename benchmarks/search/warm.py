"""Does a warm start help when the earlier search is related, and harm when it is not?

An earlier search of 60 trials on one landscape, then a new one on another landscape of
the same grid (10 x 11 x 11 values, rotated bowls with ripples and noise), in batches of
10. Three relations: *related* (the optimum moved by about one value an axis, other
units), *unrelated* (another rotation, optimum and ripples), *opposite* (the earlier
optimum is where the new landscape is worst). The new search runs with and without the
warm start from the same seeds. Prints the regret as a share of that of the median
setting, and writes one row a run.

    python warm.py --seeds 20 --out measured/warm.csv
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collinear.search import (
    Anova,
    EarlierTrial,
    Goal,
    History,
    Levelled,
    Prior,
    Result,
    SearchSpace,
    Status,
    make_prior,
)

SHAPE = (10, 11, 11)
SPACE = SearchSpace.from_values({f"x{k}": list(range(n)) for k, n in enumerate(SHAPE)})
GOAL = Goal("y")
NOISE, EARLIER, BATCH = 0.03, 60, 10
TRIALS = (10, 20, 30, 50, 80)
Table = NDArray[np.float64]


def landscape(chance: np.random.Generator, centre: NDArray[np.float64]) -> Table:
    """A rotated bowl with ripples; the range is about 5."""
    unit = np.stack(
        np.meshgrid(*(np.linspace(0, 1, n) for n in SHAPE), indexing="ij"), axis=-1
    )
    turn, _ = np.linalg.qr(chance.normal(size=(3, 3)))
    turned = (unit - centre) @ turn
    ripples = 0.15 * np.sin(chance.uniform(4, 9, 3) * turned).sum(-1)
    return np.asarray((turned**2 * np.array([8.0, 4.0, 1.0])).sum(-1) + ripples)


def pair(relation: str, seed: int) -> tuple[Table, Table]:
    """The earlier and the new landscape."""
    chance = np.random.default_rng([seed, 0xA2])
    centre = chance.uniform(0.2, 0.8, 3)
    new = landscape(np.random.default_rng([seed, 1]), centre)
    if relation == "opposite":
        return -new, new
    if relation == "unrelated":
        earlier = landscape(
            np.random.default_rng([seed, 2]), chance.uniform(0.1, 0.9, 3)
        )
        return earlier, new
    moved = centre + chance.uniform(-0.12, 0.12, 3)
    return 40.0 * landscape(np.random.default_rng([seed, 1]), moved) + 7.0, new


def search(
    strategy: Anova | Levelled, table: Table, noise: float, seed: int, trials: int
) -> History:
    """Runs a search; the observation of a point is the same in every run of a seed."""
    noisy = table + noise * np.random.default_rng([seed, 3]).normal(size=SHAPE)
    history = History()
    while len(history.results) < trials:
        batch = strategy.ask(history, min(BATCH, trials - len(history.results)))
        if not batch:
            break
        results = [
            Result(p.point, p.seed, Status.DONE, {"y": float(noisy[p.point])})
            for p in batch
        ]
        history = history.ask(batch).tell(results)
    return history


def earlier_prior(table: Table, seed: int) -> Prior:
    """What a search of the earlier landscape leaves behind."""
    noise = NOISE * float(np.ptp(table)) / 5.0
    found = search(Anova(SPACE, GOAL, seed=seed + 100), table, noise, seed, EARLIER)
    return make_prior(
        [EarlierTrial(SPACE.params(r.point), r.values["y"]) for r in found.results],
        SPACE,
    )


def regrets(history: History, table: Table) -> list[float]:
    """True regret of the best observed point after each number of trials."""
    scale = float(np.median(table) - table.min())
    observed = [r.values["y"] for r in history.results]
    true = [float(table[r.point] - table.min()) / scale for r in history.results]
    return [true[int(np.argmin(observed[:n]))] for n in TRIALS]


METHODS: dict[str, Callable[[Prior, int], Anova | Levelled]] = {
    "anova": lambda prior, seed: Anova(SPACE, GOAL, seed=seed),
    "anova warm": lambda prior, seed: Anova(SPACE, GOAL, seed=seed, prior=prior),
    "levelled": lambda prior, seed: Levelled(SPACE, GOAL),
    "levelled warm": lambda prior, seed: replace(
        Levelled(SPACE, GOAL), start=prior.best
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    for relation in ("related", "unrelated", "opposite"):
        for seed in range(given.seeds):
            earlier, new = pair(relation, seed)
            prior = earlier_prior(earlier, seed)
            for name, method in METHODS.items():
                found = search(method(prior, seed), new, NOISE, seed, max(TRIALS))
                rows.append([relation, name, seed, *regrets(found, new)])
        for name in METHODS:
            part = np.array([r[3:] for r in rows if r[:2] == [relation, name]], float)
            mean, error = part.mean(0), part.std(0, ddof=1) / np.sqrt(len(part))
            cells = " ".join(
                f"{m:.3f}±{e:.3f}" for m, e in zip(mean, error, strict=True)
            )
            print(f"{relation:10} {name:14} {cells}", flush=True)
    if given.out:
        with open(given.out, "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["relation", "method", "seed", *(f"at{n}" for n in TRIALS)])
            writer.writerows(rows)


if __name__ == "__main__":
    main()
