"""The one error of this package that is the user's to solve."""

from __future__ import annotations

import math
from numbers import Real


class TuningError(ValueError):
    """Input that cannot be used; the message says rule, value and way out."""


def check_positive(name: str, value: float) -> None:
    """Check that a number is above 0.

    Raises:
        TuningError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not value > 0:
        raise TuningError(f"{name} must be above 0, but got {value!r}")


def check_finite(name: str, value: float) -> None:
    """Check that a number is above 0 and finite.

    Raises:
        TuningError: It is not.
    """
    check_positive(name, value)
    if not math.isfinite(value):
        raise TuningError(f"{name} must be finite, but got {value!r}")


def check_share(name: str, value: float) -> None:
    """Check that a number is a share: above 0 and below 1.

    Raises:
        TuningError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < 1:
        raise TuningError(f"{name} must be between 0 and 1, but got {value!r}")


def check_count(name: str, value: int) -> None:
    """Check that a value is a whole number from 1 on.

    Raises:
        TuningError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise TuningError(f"{name} must be a whole number from 1 on, but got {value!r}")
