"""Time and memory of one `ask` of anova, hyperparameter fits included.

python cost.py                           writes measured/cost.csv
"""

from __future__ import annotations

import csv
import resource
import time
from pathlib import Path

import landscapes
import numpy as np

from collinear.search import (
    Anova,
    Goal,
    History,
    Limit,
    Proposal,
    Result,
    SearchSpace,
    Status,
    surrogate,
)

HERE = Path(__file__).parent
CASES = (
    ("valley_noise", (100, 300, 600, 1000, 2000)),
    ("limited_61k_noise", (600, 1000)),
)


def main() -> None:
    rows = []
    for name, sizes in CASES:
        landscape = landscapes.get(name, 0)
        values = {p.name: p.values for p in landscape.parameters}
        limits = (Limit("excess", 0.0),) if landscape.limited is not None else ()
        goal = Goal("y", limits)
        strategy = Anova(SearchSpace.from_values(values), goal)
        for n in sizes:
            history = random_history(landscape, n)
            for k in (1, 50):
                surrogate.forget_fits()
                start = time.perf_counter()
                strategy.ask(history, k)
                seconds = time.perf_counter() - start
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                case = [name, len(landscape.true), len(limits), n, k]
                rows.append([*case, f"{seconds:.3f}", f"{peak:.0f}"])
    head = ["landscape", "points", "limits", "observations", "k", "seconds", "MB"]
    with (HERE / "measured" / "cost.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])


def random_history(landscape: landscapes.Landscape, n: int) -> History:
    """n random trials told in batches of 50."""
    flats = np.random.default_rng(0).permutation(len(landscape.true))[:n]
    history = History()
    for first in range(0, n, 50):
        proposals, results = [], []
        for flat in flats[first : first + 50]:
            point = tuple(int(i) for i in np.unravel_index(flat, landscape.shape))
            value, excess = landscape.observe(int(flat), 0, 0)
            values = {"y": value, "excess": excess}
            proposals.append(Proposal(point))
            results.append(Result(point, 1, Status.DONE, values))
        history = history.ask(proposals).tell(results)
    return history


if __name__ == "__main__":
    main()
