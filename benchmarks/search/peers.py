"""The tuners that a user would pick instead, behind the contract of `simulation`.

They see index coordinates and the same information as our own strategies. A failed
trial is told as the worst value seen so far; before there is one, as a failure.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from landscapes import Parameter
from numpy.typing import NDArray

Array = NDArray[np.float64]
Config = tuple[int, ...]

REFIT_EVERY = 5  # results between two searches for hyperparameters of the BoTorch peer


class OptunaMethod:
    """An Optuna sampler; categorical axes are told as such where the sampler can."""

    repeats = False
    short_batches = False

    def __init__(
        self,
        parameters: Sequence[Parameter],
        *,
        seed: int,
        slots: int,
        budget: int,
        limited: bool,
        sampler: str,
    ) -> None:
        import optuna

        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna, self.limited = optuna, limited
        self.names = [f"x{k}" for k in range(len(parameters))]
        kinds = optuna.distributions
        self.kinds = {
            name: kinds.CategoricalDistribution(list(range(len(p.values))))
            if p.categorical and sampler != "cma"
            else kinds.IntDistribution(0, len(p.values) - 1)
            for name, p in zip(self.names, parameters, strict=True)
        }
        self.study = optuna.create_study(sampler=self._sampler(sampler, seed, slots))
        self.open: dict[Config, list[Any]] = {}
        self.worst: float | None = None

    def _sampler(self, name: str, seed: int, slots: int) -> Any:
        samplers = self.optuna.samplers
        limit = (lambda t: (t.user_attrs.get("excess", 0.0),)) if self.limited else None
        if name == "tpe":
            return samplers.TPESampler(
                multivariate=True,
                constant_liar=True,
                seed=seed,
                constraints_func=limit,
            )
        if name == "gp":
            return samplers.GPSampler(
                seed=seed, deterministic_objective=False, constraints_func=limit
            )
        size = slots if slots >= 8 else None
        return samplers.CmaEsSampler(seed=seed, popsize=size, with_margin=True)

    def ask(self, n: int) -> list[Config]:
        chosen = []
        for _ in range(n):
            trial = self.study.ask(self.kinds)
            config = tuple(int(trial.params[name]) for name in self.names)
            self.open.setdefault(config, []).append(trial)
            chosen.append(config)
        return chosen

    def tell(self, config: Config, value: float, excess: float | None) -> None:
        if np.isfinite(value):
            self.worst = value if self.worst is None else max(self.worst, value)
        shown = value if np.isfinite(value) else self.worst
        trials = self.open.get(config)
        if not trials:
            if shown is not None:
                params = dict(zip(self.names, config, strict=True))
                extra = {} if excess is None else {"excess": excess}
                self.study.add_trial(
                    self.optuna.trial.create_trial(
                        params=params,
                        distributions=self.kinds,
                        value=shown,
                        user_attrs=extra,
                    )
                )
            return
        trial = trials.pop(0)
        if excess is not None:
            trial.set_user_attr("excess", excess)
        if shown is None:
            self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, shown)


class SmacMethod:
    """SMAC's random forest with expected improvement (its default for tuning)."""

    repeats = False
    short_batches = False

    def __init__(
        self,
        parameters: Sequence[Parameter],
        *,
        seed: int,
        slots: int,
        budget: int,
        limited: bool,
    ) -> None:
        import ConfigSpace
        import smac

        if limited:
            raise SystemExit("smac knows no limits: leave it out of limited landscapes")
        logging.disable(logging.CRITICAL)
        warnings.simplefilter("ignore")
        space = ConfigSpace.ConfigurationSpace(seed=seed)
        self.names = [f"x{k}" for k in range(len(parameters))]
        for name, p in zip(self.names, parameters, strict=True):
            last = len(p.values) - 1
            space.add(
                ConfigSpace.Categorical(name, list(range(last + 1)))
                if p.categorical
                else ConfigSpace.Integer(name, (0, last))
            )
        self.folder = tempfile.TemporaryDirectory()
        scenario = smac.Scenario(
            space,
            deterministic=True,
            n_trials=4 * budget,
            seed=seed,
            output_directory=self.folder.name,
        )
        facade = smac.HyperparameterOptimizationFacade
        start = facade.get_initial_design(scenario, n_configs=max(20, min(50, slots)))
        self.tuner = facade(
            scenario, lambda config, seed=0: 0.0, initial_design=start, overwrite=True
        )
        self.outcome = smac.runhistory.dataclasses.TrialValue
        self.open: dict[Config, list[Any]] = {}
        self.worst = 1.0

    def ask(self, n: int) -> list[Config]:
        chosen = []
        for _ in range(n):
            trial = self.tuner.ask()
            config = tuple(int(trial.config[name]) for name in self.names)
            self.open.setdefault(config, []).append(trial)
            chosen.append(config)
        return chosen

    def tell(self, config: Config, value: float, excess: float | None) -> None:
        if np.isfinite(value):
            self.worst = max(self.worst, value)
        if self.open.get(config):
            shown = float(value if np.isfinite(value) else self.worst)
            trial = self.open[config].pop(0)
            self.tuner.tell(trial, self.outcome(cost=shown), save=False)


class BotorchThompson:
    """Thompson sampling from a BoTorch SingleTaskGP over grid candidates.

    Start: scrambled Sobol points. Candidates: lines and random neighbours around the
    best eight trials, and random grid points. Bad costs are cut at the median plus
    twice the quartile distance.
    """

    repeats = False
    short_batches = False

    def __init__(
        self,
        parameters: Sequence[Parameter],
        *,
        seed: int,
        slots: int,
        budget: int,
        limited: bool,
    ) -> None:
        import torch
        from scipy.stats import qmc

        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.torch, self.parameters, self.limited = torch, parameters, limited
        self.shape = tuple(len(p.values) for p in parameters)
        self.chance = np.random.default_rng(seed)
        wanted = max(20, min(50, slots))
        unit = qmc.Sobol(len(self.shape), seed=seed).random(4 * wanted + 64)
        cells = np.minimum(unit * self.shape, np.array(self.shape) - 1).astype(int)
        unique = dict.fromkeys(tuple(int(i) for i in row) for row in cells)
        self.start = list(unique)[:wanted]
        self.seen: list[Config] = []
        self.values: list[float] = []
        self.excess: list[float | None] = []
        self.taken: set[Config] = set()
        self.models: list[Any] = []
        self.fitted = self.searched = -1

    def ask(self, n: int) -> list[Config]:
        chosen, self.start = self.start[:n], self.start[n:]
        while len(chosen) < n and len(self.values) < 10:
            chosen.append(tuple(int(self.chance.integers(s)) for s in self.shape))
        if len(chosen) < n:
            if self.fitted != len(self.values):
                self._fit()
            chosen += self._draw(n - len(chosen))
        self.taken.update(chosen)
        return chosen

    def tell(self, config: Config, value: float, excess: float | None) -> None:
        self.seen.append(config)
        self.values.append(value)
        self.excess.append(excess)
        self.taken.add(config)

    def _encode(self, configs: Sequence[Config]) -> Any:
        table, columns = np.asarray(configs), []
        for k, parameter in enumerate(self.parameters):
            size = len(parameter.values)
            if parameter.categorical:
                columns += [(table[:, k] == j) * 0.7 for j in range(size)]
            else:
                columns.append(table[:, k] / max(1, size - 1))
        return self.torch.tensor(np.stack(columns, axis=1), dtype=self.torch.double)

    def _fit(self) -> None:
        y = np.array(self.values)
        known = np.isfinite(y)
        y = np.where(known, y, y[known].max() if known.any() else 0.0)
        low, high = np.percentile(y, [25, 75])
        y = np.minimum(y, np.median(y) + 2.0 * max(high - low, 1e-12))
        targets = [-y]
        if self.limited:
            targets.append(np.array([0.0 if e is None else e for e in self.excess]))
        # Where results come one by one, every fifth one searches anew.
        search = len(self.values) >= self.searched + REFIT_EVERY or not self.models
        kept = self.models or [None] * len(targets)
        self.models = [
            self._model(target, None if search else old)
            for target, old in zip(targets, kept, strict=True)
        ]
        self.fitted = len(self.values)
        self.searched = self.fitted if search else self.searched

    def _model(self, y: Array, known: Any) -> Any:
        """A model with fitted hyperparameters, or with those of a known model."""
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from botorch.models.transforms import Standardize
        from gpytorch.mlls import ExactMarginalLogLikelihood

        target = self.torch.tensor(y)[:, None]
        inputs = self._encode(self.seen)
        model = SingleTaskGP(inputs, target, outcome_transform=Standardize(1))
        if known is not None:
            model.covar_module.load_state_dict(known.covar_module.state_dict())
            model.likelihood.load_state_dict(known.likelihood.state_dict())
            model.mean_module.load_state_dict(known.mean_module.state_dict())
            return model.eval()
        loss = ExactMarginalLogLikelihood(model.likelihood, model)
        # After a failed fit the start values stay, as in a user's loop.
        with contextlib.suppress(Exception):
            fit_gpytorch_mll(loss, optimizer_kwargs={"options": {"maxiter": 75}})
        return model

    def _candidates(self) -> list[Config]:
        found: set[Config] = set()
        shown = [
            v if np.isfinite(v) and (e is None or e <= 0.0) else np.inf
            for v, e in zip(self.values, self.excess, strict=True)
        ]
        for place, best in enumerate(np.argsort(shown)[:8]):
            centre = self.seen[best]
            for k, size in enumerate(self.shape):
                for j in range(size):
                    if place == 0 or abs(j - centre[k]) <= 2:
                        found.add((*centre[:k], j, *centre[k + 1 :]))
            reach = np.maximum(1.0, 0.12 * np.array(self.shape))
            steps = self.chance.standard_normal((40, len(centre))) * reach
            near = np.clip(np.rint(centre + steps), 0, np.array(self.shape) - 1)
            found.update(tuple(int(i) for i in row) for row in near)
        for flat in self.chance.integers(0, int(np.prod(self.shape)), 1200):
            found.add(tuple(int(i) for i in np.unravel_index(flat, self.shape)))
        return sorted(found - self.taken)

    def _draw(self, n: int) -> list[Config]:
        candidates = self._candidates()
        inputs = self._encode(candidates)
        with self.torch.no_grad():
            size = self.torch.Size([n])
            draws = [
                m.posterior(inputs).rsample(size)[..., 0].numpy() for m in self.models
            ]
        score = draws[0]
        if self.limited:
            score = np.where(draws[1] <= 0.0, score, -1e9 - 1e3 * draws[1])
        chosen: list[Config] = []
        for row in score:
            order = (candidates[i] for i in np.argsort(-row)[: n + 1])
            chosen += [next(c for c in order if c not in chosen)]
        return chosen


def _optuna(sampler: str) -> Callable[..., OptunaMethod]:
    def make(parameters: Sequence[Parameter], **setting: Any) -> OptunaMethod:
        return OptunaMethod(parameters, sampler=sampler, **setting)

    return make


MAKERS: dict[str, Callable[..., Any]] = {
    "optuna-tpe": _optuna("tpe"),
    "optuna-cma": _optuna("cma"),
    "optuna-gp": _optuna("gp"),
    "smac": SmacMethod,
    "botorch-ts": BotorchThompson,
}
