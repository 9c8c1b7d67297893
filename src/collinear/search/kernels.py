"""Covariance of one axis: the d-spline as a Gaussian prior, and a correlation.

All matrices are s x s over the indices of an axis with s values. `main_parts` holds
the prior of a main effect. The penalty alpha^2 |D f|^2 of a d-spline is the second-
order random walk prior D f ~ N(0, sigma^2 / alpha^2) (H. Rue and L. Held, Gaussian
Markov Random Fields, 2005, section 3.4.1): its covariance is pinv(D'D), up to the
straight lines that the penalty does not see, which get a part of their own.
`correlation` is the factor of an axis in the interaction of all axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_SQRT5 = float(np.sqrt(5.0))
_LOG_RATIO = 1.5  # steps of a linear list fall below this ratio within a few values


@dataclass(frozen=True)
class AxisShape:
    """What the model needs to know of one axis.

    Attributes:
        n_values: Number s of values, >= 2.
        categorical: True when the order of the values means nothing.
        zero_level: True when index 0 is a "switched off" level that a smooth curve
            over the other values should not pass through.
    """

    n_values: int
    categorical: bool = False
    zero_level: bool = False


def has_zero_level(values: tuple[float, ...]) -> bool:
    """True for a leading zero before values that grow by factors, not by steps."""
    if len(values) < 3 or values[0] != 0.0:
        return False
    if np.allclose(np.diff(values), values[1], atol=0.0):
        return False
    growth = values[-1] / values[1]
    return bool(growth ** (1.0 / (len(values) - 2)) >= _LOG_RATIO)


def main_parts(axis: AxisShape) -> tuple[Matrix, Matrix, Matrix]:
    """Unit covariances of a main effect: curve, straight line, offset at zero.

    Each is zero or has a mean variance of 1 over the values it describes. The level
    at zero equals the smallest positive value plus the offset. Categories, and axes of
    two values, have exchangeable effects instead of a curve and a line.

    Returns:
        Three s x s matrices, positive semidefinite.
    """
    s = axis.n_values
    none = np.zeros((s, s))
    if axis.categorical or s < 3:
        effects = np.eye(s) - 1.0 / s
        return effects / np.trace(effects) * s, none, none
    first = 1 if axis.zero_level and s > 3 else 0
    m = s - first
    differences = np.diff(np.eye(m), n=2, axis=0)
    curve = np.linalg.pinv(differences.T @ differences, hermitian=True)
    ramp = np.linspace(-1.0, 1.0, m)
    source = np.maximum(np.arange(s) - first, 0)
    at = np.ix_(source, source)
    offset = none.copy()
    offset[0, 0] = float(first)
    unit_curve = curve / np.trace(curve) * m
    unit_line = np.outer(ramp, ramp) / np.sum(ramp**2) * m
    return unit_curve[at], unit_line[at], offset


def correlation(axis: AxisShape, length: float) -> tuple[Matrix, Matrix]:
    """Correlation of an axis in the interaction term, and how it grows with length.

    Ordered values: Matern with nu = 5/2 (C. Rasmussen and C. Williams, Gaussian
    Processes for Machine Learning, 2006, eq. 4.17) of the index distance as a share of
    the axis. Categories: one correlation exp(-1 / length) between any two.

    Args:
        axis: The axis.
        length: Correlation length as a share of the axis, > 0.

    Returns:
        The correlation r and d log r / d log length, both s x s.
    """
    s = axis.n_values
    if axis.categorical:
        apart = 1.0 - np.eye(s)
        return np.exp(-apart / length), apart / length
    index = np.arange(s) / (s - 1)
    t = _SQRT5 * np.abs(np.subtract.outer(index, index)) / length
    polynomial = 1.0 + t + t * t / 3.0
    slope = t * t * (1.0 + t) / (3.0 * polynomial)
    return polynomial * np.exp(-t), slope


def root(covariance: Matrix) -> Matrix:
    """A matrix F with F F' equal to a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    scaled: Matrix = vectors * np.sqrt(np.maximum(values, 0.0))
    return scaled
