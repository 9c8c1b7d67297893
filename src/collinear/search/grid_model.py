"""A Gaussian process on a whole grid, exact and without a large matrix.

    f(x) = c + sum_k g_k(x_k) + h(x),     y = f(x) + noise

with a main effect g_k for each axis (a d-spline prior, `kernels.main_parts`) and one
interaction h whose covariance is a product over the axes. Both parts act on the grid
axis by axis, so the posterior mean and joint posterior draws over all N points cost
O(N sum_k s_k) each, after one n x n factorisation for n observations. Draws follow
Matheron's rule: a draw from the prior, corrected at the data (J. Wilson et al.,
Efficiently sampling functions from Gaussian process posteriors, 2020, eq. 8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from collinear.search.kernels import AxisShape, correlation, main_parts, root

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

CONSTANT_VARIANCE = 4.0  # of the constant c, in units of the standardised data
_JITTER = 1e-8


@dataclass(frozen=True)
class Hyper:
    """Variances and lengths, in units of standardised data and whole axes.

    Attributes:
        curve: Variance of the curve of each main effect; d numbers.
        line: Variance of its straight line; d numbers.
        length: Correlation length of each axis in the interaction; d numbers.
        offset: Variance of the offset at a zero level.
        interaction: Variance of the interaction.
        noise: Variance of the noise of one observation.
    """

    curve: tuple[float, ...]
    line: tuple[float, ...]
    length: tuple[float, ...]
    offset: float
    interaction: float
    noise: float


@dataclass(frozen=True)
class GridModel:
    """The prior on a grid.

    Attributes:
        axes: Axes of the grid, two or more values each.
        hyper: Its hyperparameters.
    """

    axes: tuple[AxisShape, ...]
    hyper: Hyper

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(axis.n_values for axis in self.axes)

    @property
    def size(self) -> int:
        """Number N of grid points."""
        return math.prod(self.shape)

    @cached_property
    def mains(self) -> tuple[Array, ...]:
        """Covariance of each main effect."""
        h, found = self.hyper, []
        for axis, curve, line in zip(self.axes, h.curve, h.line, strict=True):
            parts = main_parts(axis)
            found.append(curve * parts[0] + line * parts[1] + h.offset * parts[2])
        return tuple(found)

    @cached_property
    def factors(self) -> tuple[Array, ...]:
        """Correlation of each axis in the interaction."""
        pairs = zip(self.axes, self.hyper.length, strict=True)
        return tuple(correlation(axis, length)[0] for axis, length in pairs)

    @cached_property
    def _roots(self) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        return (
            tuple(root(m) for m in self.mains),
            tuple(root(r) for r in self.factors),
        )

    def covariance(self, first: Indices, second: Indices) -> Array:
        """Prior covariance of f between two sets of points, m x d and n x d indices."""
        total = np.full((len(first), len(second)), CONSTANT_VARIANCE)
        product = np.full_like(total, self.hyper.interaction)
        for k, (main, factor) in enumerate(zip(self.mains, self.factors, strict=True)):
            at = np.ix_(first[:, k], second[:, k])
            total += main[at]
            product *= factor[at]
        return total + product

    def variance(self, points: Indices) -> Array:
        """Prior variance of f at m points (m x d indices)."""
        total = np.full(len(points), CONSTANT_VARIANCE + self.hyper.interaction)
        for k, main in enumerate(self.mains):
            total += np.diag(main)[points[:, k]]
        return total

    def times_weights(self, points: Indices, weights: Array) -> Array:
        """Sum over n points of covariance(grid, point) times weight, without N x n.

        Args:
            points: n x d indices.
            weights: b x n.

        Returns:
            b x N, the grid in C order.
        """
        b = len(weights)
        spread = np.zeros((b, self.size))
        flat = np.ravel_multi_index(tuple(points.T), self.shape)
        np.add.at(spread.T, flat, weights.T)
        total = self.hyper.interaction * along_axes(spread, self.factors, self.shape)
        total += CONSTANT_VARIANCE * weights.sum(axis=1)[:, None]
        margins = []
        for k, main in enumerate(self.mains):
            margin = np.zeros((b, len(main)))
            np.add.at(margin.T, points[:, k], weights.T)
            margins.append(margin @ main)
        return self._add_margins(total, margins)

    def prior_draws(self, generators: Sequence[np.random.Generator]) -> Array:
        """Joint draws of f over the grid, one for each generator: b x N."""
        main_roots, factor_roots = self._roots
        noise = np.empty((len(generators), self.size))
        constant = np.empty(len(generators))
        margins = [np.empty((len(generators), n)) for n in self.shape]
        for j, generator in enumerate(generators):
            constant[j] = generator.standard_normal()
            for margin, main_root in zip(margins, main_roots, strict=True):
                margin[j] = main_root @ generator.standard_normal(len(main_root))
            generator.standard_normal(out=noise[j])
        total = along_axes(noise, factor_roots, self.shape)
        total *= math.sqrt(self.hyper.interaction)
        total += math.sqrt(CONSTANT_VARIANCE) * constant[:, None]
        return self._add_margins(total, margins)

    def _add_margins(self, flat: Array, margins: Sequence[Array]) -> Array:
        grid = flat.reshape(len(flat), *self.shape)
        for k, margin in enumerate(margins):
            sizes = [1] * len(self.shape)
            sizes[k] = self.shape[k]
            grid += margin.reshape(len(flat), *sizes)
        return flat


def along_axes(flat: Array, matrices: Sequence[Array], shape: tuple[int, ...]) -> Array:
    """Applies the Kronecker product of s_k x s_k matrices to b x N grid vectors."""
    moved, right = flat, flat.shape[1]
    for matrix, n in zip(matrices, shape, strict=True):
        right //= n
        if right == 1:
            moved = moved.reshape(-1, n) @ matrix.T
        else:
            moved = np.matmul(matrix, moved.reshape(-1, n, right))
    return np.ascontiguousarray(moved.reshape(flat.shape))


@dataclass(frozen=True)
class Posterior:
    """The model given data.

    Attributes:
        model: The prior.
        points: n x d indices of the observations; repeats are allowed.
        values: n standardised observations.
    """

    model: GridModel
    points: Indices
    values: Array

    @cached_property
    def _factor(self) -> tuple[Array, bool]:
        gram = self.model.covariance(self.points, self.points)
        gram[np.diag_indices_from(gram)] += self.model.hyper.noise + _JITTER
        factor, lower = cho_factor(gram, lower=True, check_finite=False)
        return np.tril(factor), lower

    @cached_property
    def solved(self) -> Array:
        """K^-1 y for the n observations, K with the noise: n numbers."""
        return np.asarray(cho_solve(self._factor, self.values))

    @cached_property
    def mean(self) -> Array:
        """Posterior mean of f over the grid: N numbers."""
        return self.model.times_weights(self.points, self.solved[None])[0]

    def moments(self, points: Indices) -> tuple[Array, Array]:
        """Posterior mean (m) and covariance (m x m) of f at m points."""
        cross = self.model.covariance(self.points, points)
        half = solve_triangular(self._factor[0], cross, lower=True)
        prior = self.model.covariance(points, points)
        return cross.T @ self.solved, prior - half.T @ half

    def deviations(self, points: Indices) -> Array:
        """Posterior standard deviation of f at m points."""
        cross = self.model.covariance(self.points, points)
        half = solve_triangular(self._factor[0], cross, lower=True)
        variance = self.model.variance(points) - np.sum(half**2, axis=0)
        return np.sqrt(np.maximum(variance, 0.0))

    def draws(self, generators: Sequence[np.random.Generator]) -> Array:
        """Joint posterior draws of f over the grid, one for each generator: b x N."""
        prior = self.model.prior_draws(generators)
        flat = np.ravel_multi_index(tuple(self.points.T), self.model.shape)
        sd = math.sqrt(self.model.hyper.noise)
        noise = [sd * g.standard_normal(len(flat)) for g in generators]
        gap = self.values - prior[:, flat] - np.array(noise)
        weights = np.asarray(cho_solve(self._factor, gap.T)).T
        return prior + self.model.times_weights(self.points, weights)
