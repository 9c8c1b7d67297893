"""The d-spline as a statistical model: its weight by REML, and its uncertainty.

Observations y_i = f[p_i] + e_i with e ~ N(0, s2), and second differences of f that are
N(0, s2 / alpha^2): a second-order random walk, whose posterior mean is the d-spline
with weight alpha. The ABIC that Kogakuin-HPCL's d-Spline-Fittings minimises,

    log det(E'E + alpha^2 D'D) - 2 (n - 2) log alpha + (m - 2) log RSS(alpha),

is minus twice the restricted log likelihood (REML; H. Patterson and R. Thompson,
Biometrika 58, 1971) of this model with s2 profiled out, up to a constant. On a line of
few points it says little, so sister lines share one alpha and one s2.

Nodes may lie at unequal places. The rows of D are then second derivatives times the
root of the step (`penalty`), so |D f|^2 approximates the integral of f''^2, and alpha^2
is the weight of a smoothing spline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

from collinear.search.dspline import DSplineError

Array = NDArray[np.float64]

SMALLEST_LOG10, LARGEST_LOG10 = -5.0, 5.0  # of alpha, as in d-Spline-Fittings
_GRID = 21  # starting values: the criterion may have several minima


@dataclass(frozen=True)
class LineData:
    """Nodes of a line and what was observed on it.

    Attributes:
        places: n ascending places of the nodes, n >= 3; indices, or logarithms of the
            values of an axis.
        at: m node numbers, repeats allowed, two or more of them distinct.
        values: m finite observations.

    Raises:
        DSplineError: The data break one of these rules.
    """

    places: tuple[float, ...]
    at: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        n = len(self.places)
        if n < 3 or not np.all(np.diff(self.places) > 0.0):
            raise DSplineError(
                f"a line needs three or more ascending places, but got {self.places}"
            )
        if len(self.at) != len(self.values):
            raise DSplineError(
                "at and values must have one length, but got "
                f"{len(self.at)} and {len(self.values)}"
            )
        if len(set(self.at)) < 2 or not all(0 <= i < n for i in self.at):
            raise DSplineError(
                f"a line needs data at two or more nodes of 0..{n - 1}, but has them "
                f"at {sorted(set(self.at))}"
            )
        if not all(math.isfinite(v) for v in self.values):
            raise DSplineError(f"observations must be finite, but got {self.values}")

    @cached_property
    def design(self) -> Array:
        """E: m x n, a one in each row."""
        return np.eye(len(self.places))[list(self.at)]

    @cached_property
    def penalty(self) -> Array:
        """D: (n - 2) x n; see `penalty`."""
        return penalty(self.places)


def penalty(places: Sequence[float]) -> Array:
    """Rows of D at n ascending places; on places 0, 1, 2, ... they are 1, -2, 1.

    A row is f''(node) times the root of the mean step at the node.
    """
    x = np.asarray(places, dtype=float)
    before, after = np.diff(x)[:-1], np.diff(x)[1:]
    both = before + after
    rows = np.zeros((len(x) - 2, len(x)))
    j = np.arange(len(rows))
    scale = 2.0 * np.sqrt(both / 2.0)
    rows[j, j] = scale / (before * both)
    rows[j, j + 1] = -scale / (before * after)
    rows[j, j + 2] = scale / (after * both)
    return rows


@dataclass(frozen=True)
class SmoothedLine:
    """The posterior of f at the nodes.

    Attributes:
        alpha: Weight of the second differences.
        noise: Variance s2 of one observation.
        mean: n posterior means.
        covariance: n x n posterior covariance, straight lines included.
    """

    alpha: float
    noise: float
    mean: Array
    covariance: Array

    @property
    def sd(self) -> Array:
        """n posterior standard deviations."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def degrees_of_freedom(self) -> Array:
        """Leverage of a single observation at each node: covariance over s2."""
        return np.diag(self.covariance) / self.noise


def deviance(lines: Sequence[LineData], alpha: float) -> float:
    """Minus twice the restricted log likelihood of lines that share alpha and s2.

    s2 is profiled out, and a constant that depends on neither alpha nor s2 is left
    out. For a single line this is the ABIC of the module's docstring.

    Args:
        lines: One or more lines; observations beyond two a line are needed.
        alpha: Weight, > 0.
    """
    total, residual, freedom = 0.0, 0.0, 0
    for line in lines:
        triangle, _, left = _solve(line, alpha)
        n = len(line.places)
        total += 2.0 * float(np.log(np.abs(np.diag(triangle))).sum())
        total -= 2.0 * (n - 2) * math.log(alpha)
        residual += left
        freedom += len(line.at) - 2
    floor = np.finfo(float).tiny
    return total + freedom * math.log(max(residual, floor))


def choose_alpha(lines: Sequence[LineData]) -> float:
    """The weight of highest restricted likelihood, shared by all lines.

    Raises:
        DSplineError: There is no observation beyond two a line.
    """
    if sum(len(line.at) - 2 for line in lines) < 1:
        raise DSplineError(
            "REML needs more than two observations on a line, but got "
            f"{[len(line.at) for line in lines]}"
        )
    logs = np.linspace(SMALLEST_LOG10, LARGEST_LOG10, _GRID)
    heights = [deviance(lines, 10.0**g) for g in logs]
    lowest = int(np.argmin(heights))
    step = logs[1] - logs[0]
    # Here: most jobs of a campaign start without a fit, and this import is slow.
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda g: deviance(lines, 10.0**g),
        bounds=(
            max(logs[lowest] - step, SMALLEST_LOG10),
            min(logs[lowest] + step, LARGEST_LOG10),
        ),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(10.0**found.x)


def pooled_noise(lines: Sequence[LineData], alpha: float) -> float:
    """REML estimate of s2: the sum of penalised residuals over (m - 2) of all lines.

    Raises:
        DSplineError: There is no observation beyond two a line.
    """
    freedom = sum(len(line.at) - 2 for line in lines)
    if freedom < 1:
        raise DSplineError(
            "the noise needs more than two observations on a line, but got "
            f"{[len(line.at) for line in lines]}"
        )
    return sum(_solve(line, alpha)[2] for line in lines) / freedom


def smooth(line: LineData, alpha: float, noise: float) -> SmoothedLine:
    """The posterior of a line.

    Args:
        line: Nodes and data.
        alpha: Weight, > 0; see `choose_alpha`.
        noise: Variance s2 of one observation, >= 0; see `pooled_noise`.
    """
    triangle, mean, _ = _solve(line, alpha)
    inverse = solve_triangular(triangle, np.eye(len(mean)))
    return SmoothedLine(alpha, noise, mean, noise * inverse @ inverse.T)


def _solve(line: LineData, alpha: float) -> tuple[Array, Array, float]:
    """R with R'R = E'E + alpha^2 D'D, the d-spline, and the penalised residual."""
    if not (math.isfinite(alpha) and alpha > 0.0):
        raise DSplineError(f"alpha must be finite and > 0, but got alpha={alpha!r}")
    matrix = np.vstack([line.design, alpha * line.penalty])
    target = np.concatenate([line.values, np.zeros(len(line.penalty))])
    orthogonal, triangle = qr(matrix, mode="economic")
    mean = solve_triangular(triangle, orthogonal.T @ target)
    left = matrix @ mean - target
    return triangle, mean, float(left @ left)
