"""Hyperparameters of a grid model by penalised marginal likelihood.

The fit starts at a fixed point and knows nothing of earlier fits, so it is a pure
function of its data. The gradient needs no n x n derivative matrices: a derivative is
a table over the values of one axis, so the weights of its entries are summed over
pairs of observations first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import LinAlgError, cholesky, lapack, solve_triangular

from collinear.search.grid_model import CONSTANT_VARIANCE, Array, Hyper, Indices
from collinear.search.kernels import AxisShape, correlation, main_parts

_JITTER = 1e-8
_DIGITS = 4  # of a fitted log hyperparameter: the last bits of BLAS must not matter
_NONE = (-40.0, -40.0, -40.0)  # a variance of exp(-40)

Belief = tuple[float, float, float]  # log start, lower and upper bound


@dataclass(frozen=True)
class HyperPrior:
    """What is believed of hyperparameters before the data, on their logarithms.

    Attributes:
        curve: See `Hyper`, as the others.
        line: The same for every axis.
        length: The same for every axis.
        offset: See `Hyper`.
        interaction: See `Hyper`.
        noise: See `Hyper`.
        weight: Pull of each towards its start.
    """

    curve: Belief
    line: Belief
    length: Belief
    offset: Belief
    interaction: Belief
    noise: Belief
    weight: float


ANOVA = HyperPrior(
    curve=(math.log(0.3), -7.0, 3.0),
    line=(math.log(0.3), -7.0, 3.0),
    length=(math.log(0.5), -2.5, 1.5),
    offset=(math.log(0.1), -6.0, 1.0),
    interaction=(math.log(0.3), -6.0, 2.0),
    noise=(math.log(0.01), -9.0, 1.0),
    weight=0.02,
)


def product_prior(n_axes: int) -> HyperPrior:
    """The interaction alone, with lengths that grow with the number of axes.

    The lengths have the density LogNormal(sqrt 2 + log(d) / 2, sqrt 3) of C. Hvarfner
    et al., Vanilla Bayesian Optimization Performs Great in High Dimensions, 2024,
    section 5, whose mode is the start here; the weight is that of its spread.
    """
    return HyperPrior(
        curve=_NONE,
        line=_NONE,
        length=(math.sqrt(2.0) + math.log(n_axes) / 2.0 - 3.0, -3.0, 3.0),
        offset=_NONE,
        interaction=(0.0, -2.0, 2.0),
        noise=(math.log(0.05), -9.0, 1.0),
        weight=1.0 / 6.0,
    )


@dataclass(frozen=True)
class Fit:
    """The outcome of a fit.

    Attributes:
        hyper: The hyperparameters.
        loss: Negative log marginal likelihood plus penalty; lower is better.
    """

    hyper: Hyper
    loss: float


def fit_hyper(
    axes: tuple[AxisShape, ...],
    points: Indices,
    values: Array,
    *,
    prior: HyperPrior = ANOVA,
    max_steps: int = 25,
) -> Fit:
    """Fits the hyperparameters to standardised data.

    Args:
        axes: The d axes.
        points: n x d indices.
        values: n numbers with a spread of about 1.
        prior: What is believed of them before the data.
        max_steps: Steps of L-BFGS-B at most.
    """
    task = Likelihood(axes, points, values, prior)
    limits = _limits(len(axes), prior)
    # Here: most jobs of a campaign start without a fit, and this import is slow.
    from scipy.optimize import minimize

    found = minimize(
        task.loss,
        limits[:, 0],
        jac=True,
        method="L-BFGS-B",
        bounds=limits[:, 1:],
        options={"maxiter": max_steps},
    )
    return Fit(unpack(np.round(found.x, _DIGITS)), float(found.fun))


def unpack(logs: Array) -> Hyper:
    """From 3 d + 3 log hyperparameters to a `Hyper`."""
    raw = np.exp(logs)
    d = (len(raw) - 3) // 3
    curve, line, length = (tuple(raw[i : i + d].tolist()) for i in (0, d, 2 * d))
    return Hyper(curve, line, length, float(raw[-3]), float(raw[-2]), float(raw[-1]))


def _limits(d: int, prior: HyperPrior) -> Array:
    rows = [prior.curve] * d + [prior.line] * d + [prior.length] * d
    return np.array([*rows, prior.offset, prior.interaction, prior.noise])


@dataclass(frozen=True)
class Likelihood:
    """Negative log marginal likelihood of a data set, with its gradient."""

    axes: tuple[AxisShape, ...]
    points: Indices
    values: Array
    prior: HyperPrior = ANOVA

    @cached_property
    def _parts(self) -> list[tuple[Array, Array, Array]]:
        return [main_parts(axis) for axis in self.axes]

    @cached_property
    def _hot(self) -> list[Array]:
        """One n x s indicator matrix for each axis."""
        return [
            np.eye(axis.n_values)[self.points[:, k]] for k, axis in enumerate(self.axes)
        ]

    @cached_property
    def _at(self) -> list[tuple[Indices, ...]]:
        return [np.ix_(column, column) for column in self.points.T]

    def loss(self, logs: Array) -> tuple[float, Array]:
        """Penalised negative log likelihood and gradient at 3 d + 3 log parameters."""
        h, start = unpack(logs), _limits(len(self.axes), self.prior)[:, 0]
        pairs = zip(self.axes, h.length, strict=True)
        tables = [correlation(axis, length) for axis, length in pairs]
        gram = np.full((len(self.values),) * 2, CONSTANT_VARIANCE)
        product = np.full_like(gram, h.interaction)
        for k, (curve, line, offset) in enumerate(self._parts):
            main = h.curve[k] * curve + h.line[k] * line + h.offset * offset
            gram += main[self._at[k]]
            product *= tables[k][0][self._at[k]]
        gram += product
        gram[np.diag_indices_from(gram)] += h.noise + _JITTER
        try:
            lower = cholesky(gram, lower=True, check_finite=False)
        except LinAlgError:
            return 1e10, np.zeros_like(logs)
        white = solve_triangular(lower, self.values, lower=True, check_finite=False)
        fit = 0.5 * white @ white + np.log(np.diag(lower)).sum()
        pull = logs - start
        weight = self.prior.weight
        loss = float(fit + weight * pull @ pull)
        slopes = [table[1] for table in tables]
        gradient = self._gradient(h, lower, white, product, slopes)
        return loss, gradient + 2.0 * weight * pull

    def _gradient(
        self, h: Hyper, lower: Array, white: Array, product: Array, slopes: list[Array]
    ) -> Array:
        """Half the trace of (K^-1 - a a') dK for each parameter.

        Source: C. Rasmussen and C. Williams, 2006, eq. 5.9.
        """
        half, _ = lapack.dtrtri(lower, lower=1)
        solved = solve_triangular(lower, white, lower=True, trans=1, check_finite=False)
        weights = 0.5 * (half.T @ half - np.outer(solved, solved))
        shared = weights * product
        curves, lines, lengths, offset = [], [], [], 0.0
        for k, (hot, parts) in enumerate(zip(self._hot, self._parts, strict=True)):
            on_axis = hot.T @ weights @ hot
            curves.append(h.curve[k] * np.sum(on_axis * parts[0]))
            lines.append(h.line[k] * np.sum(on_axis * parts[1]))
            offset += h.offset * np.sum(on_axis * parts[2])
            lengths.append(np.sum((hot.T @ shared @ hot) * slopes[k]))
        noise = h.noise * np.trace(weights)
        return np.array([*curves, *lines, *lengths, offset, shared.sum(), noise])
