"""How much could better hyperparameters win? The search, told them beforehand.

A campaign has to learn the hyperparameters of its models from its own trials. Here they
are fitted to 400 trials of the landscape that cost nothing: half spread evenly, half
from its best tenth. The search does not see these trials, only the variances, lengths,
noise and warp that they ask for. A campaign can hardly learn these better than that,
so the lead over `anova` bounds what is left to win there. Writes one row a run and
prints the paired differences to the rows of `run.py`.

    python ceiling.py --mode sync50
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import landscapes
import numpy as np
import pandas as pd
from methods import Strategy
from run import GROUPS, HERE, KEYS, append, finished, parse_mode
from simulation import simulate
from summarise import paired, read_runs

from collinear.search import Anova
from collinear.search.grid_model import GridModel, Posterior
from collinear.search.hyper import Fit, HyperPrior, fit_hyper
from collinear.search.kernels import AxisShape
from collinear.search.observations import Observations
from collinear.search.proposing import View
from collinear.search.surrogate import Models, Surrogate, bounded
from collinear.search.warp import SHARES, make_warp

METHOD = "anova-informed"
N_KNOWN = 400
LUCK = 1_000_000  # seed of those trials; that of no run
MEASURES = ("reg100", "reg200", "reg363", "missed")
OTHERS = ("anova", "botorch-ts")


@dataclass(frozen=True)
class Informed(Anova):
    """`Anova` with hyperparameters fitted to a landscape, not to its own trials."""

    landscape: tuple[str, int] = ("", 0)

    def _view(self, seen: Observations, prior: HyperPrior, stream: int) -> View:
        share, fit = known_fit(*self.landscape, self.axes, prior)
        values = bounded(seen.costs)
        warp = make_warp(values, share)
        model = GridModel(self.axes, fit.hyper)
        posterior = Posterior(model, seen.points, warp.forward(values))
        return View(Models(Surrogate(posterior, warp), ()), None, stream)


class InformedStrategy(Strategy):
    """The same behind the contract of `simulation`."""

    def __init__(
        self,
        parameters: Sequence[landscapes.Parameter],
        landscape: tuple[str, int],
        **setting: Any,
    ) -> None:
        super().__init__(parameters, name="anova", **setting)
        plain = self.tuner
        assert isinstance(plain, Anova)
        self.tuner = Informed(
            plain.space,
            plain.goal,
            seed=plain.seed,
            categorical=plain.categorical,
            landscape=landscape,
        )


@lru_cache(maxsize=4)
def known_fit(
    name: str, seed: int, axes: tuple[AxisShape, ...], prior: HyperPrior
) -> tuple[float | None, Fit]:
    """The warp and the hyperparameters that a sample of the landscape asks for."""
    points, values = sample(landscapes.get(name, seed))
    values = bounded(values)
    tried = []
    for share in SHARES:
        warp = make_warp(values, share)
        scaled = warp.forward(values)
        fit = fit_hyper(axes, points, scaled, prior=prior)
        tried.append((fit.loss + warp.log_jacobian(scaled), share, fit))
    _, share, fit = min(tried, key=lambda entry: entry[0])
    return share, fit


def sample(
    landscape: landscapes.Landscape,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Indices on the axes of two or more values, and one result at each of them."""
    chance = np.random.default_rng(LUCK)
    order = np.argsort(landscape.regrets)
    tenth = order[: max(N_KNOWN // 2, len(order) // 10)]
    picked = [chance.permutation(part)[: N_KNOWN // 2] for part in (order, tenth)]
    flat = np.unique(np.concatenate(picked))
    values = [landscape.observe(int(i), 0, LUCK)[0] for i in flat]
    points = np.stack(np.unravel_index(flat, landscape.shape), axis=1)
    active = [k for k, n in enumerate(landscape.shape) if n > 1]
    return points[:, active], np.array(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--landscapes", default="all,published,kernels")
    parser.add_argument("--mode", default="sync50")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=HERE / "measured" / "ceiling.csv")
    given = parser.parse_args()
    groups = given.landscapes.split(",")
    unknown = set(groups) - set(GROUPS)
    if unknown:
        sys.exit(f"--landscapes takes groups of {sorted(GROUPS)}, but got {unknown}")
    names = [name for group in groups for name in GROUPS[group]]
    done = finished(given.out)
    for seed in range(given.seeds):
        for name in names:
            key = (METHOD, name, given.mode, str(seed))
            if key in done:
                continue
            row = simulate(
                partial(InformedStrategy, landscape=(name, seed)),
                landscapes.get(name, seed),
                seed=seed,
                mode=parse_mode(given.mode),
            )
            append(given.out, dict(zip(KEYS, key, strict=True)) | row)
    ours = pd.read_csv(given.out)
    report(pd.concat([ours, read_runs(HERE / "measured")]), given.mode, groups)


def report(runs: pd.DataFrame, mode: str, groups: Sequence[str]) -> None:
    """Prints the informed search less the others, on the runs that both have."""
    runs = runs[runs["mode"] == mode]
    runs = runs.assign(missed=(~np.isfinite(runs.to1)).astype(float))
    print("| landscapes | less | reg100 | reg200 | reg363 | do not reach 1 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    parts = {group: GROUPS[group] for group in groups}
    parts["together"] = tuple(n for names in parts.values() for n in names)
    for group, names in parts.items():
        part = runs[runs.landscape.isin(names)]
        for other in OTHERS:
            gaps = [paired(part, other, m, METHOD)[:2] for m in MEASURES]
            cells = [f"{gap:+.4f} ± {half:.4f}" for gap, half in gaps]
            print(f"| {group} | {other} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
