"""The search space: a grid of ordered values, addressed by integer points.

A point is a tuple of indices, one for each axis. Everything in `collinear.search`
works on indices, so a log grid or a leading zero needs no special case (the authors'
library treats its lists of values in the same way).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from numbers import Real
from typing import Any

Point = tuple[int, ...]


class SpaceError(ValueError):
    """A search space that breaks a rule; the message names the axis and the rule."""


@dataclass(frozen=True)
class Axis:
    """One hyperparameter and its allowed values in ascending order.

    Attributes:
        name: Name of the parameter as the training program knows it.
        values: Finite numbers, strictly ascending, at least one.

    Raises:
        SpaceError: The values are empty, not numbers, not finite or not ascending.
    """

    name: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise SpaceError(f"axis {self.name!r}: at least one value is needed")
        plain = tuple(plain_number(value) for value in self.values)
        object.__setattr__(self, "values", plain)
        for value in self.values:
            _check_number(self.name, value)
        for before, after in pairwise(self.values):
            if not before < after:
                raise SpaceError(
                    f"axis {self.name!r}: values must ascend without repeats, "
                    f"but {after!r} follows {before!r}"
                )

    def __len__(self) -> int:
        return len(self.values)


def plain_number(value: Any) -> Any:
    """A NumPy number as Python's; anything else as it is."""
    if type(value).__module__ == "numpy" and isinstance(value, Real):
        return value.item()  # type: ignore[attr-defined]
    return value


def _check_number(name: str, value: object) -> None:
    if isinstance(value, str):
        raise SpaceError(
            f"axis {name!r}: values must be numbers, but got the string {value!r}; "
            "YAML reads 1e-6 as a string, write 1.0e-6"
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpaceError(f"axis {name!r}: values must be numbers, but got {value!r}")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        finite = False
    if not finite:
        raise SpaceError(f"axis {name!r}: values must be finite, but got {value!r}")


@dataclass(frozen=True)
class SearchSpace:
    """A grid: the product of its axes.

    Attributes:
        axes: At least one axis, with distinct names.
    """

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        if not self.axes:
            raise SpaceError("a search space needs at least one axis")
        names = [axis.name for axis in self.axes]
        for name in names:
            if names.count(name) > 1:
                raise SpaceError(f"axis {name!r} is given twice")

    @classmethod
    def from_values(cls, values: Mapping[str, Sequence[float]]) -> SearchSpace:
        """Builds the grid from ``{name: [values]}``, keeping the order of the names."""
        return cls(tuple(Axis(name, tuple(v)) for name, v in values.items()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of points of the grid."""
        return math.prod(self.shape)

    def __contains__(self, point: object) -> bool:
        return (
            isinstance(point, tuple)
            and len(point) == len(self.axes)
            and all(
                isinstance(i, int) and 0 <= i < n
                for i, n in zip(point, self.shape, strict=True)
            )
        )

    def points(self) -> Iterator[Point]:
        """All points in C order (the last axis runs fastest)."""
        return product(*(range(n) for n in self.shape))

    def params(self, point: Point) -> dict[str, float]:
        """The physical values of a point, by name."""
        if point not in self:
            raise SpaceError(f"point {point} is not on the grid of shape {self.shape}")
        return {a.name: a.values[i] for a, i in zip(self.axes, point, strict=True)}

    def locate(self, params: Mapping[str, float]) -> Point | None:
        """The point with exactly these values, or None when they lie off the grid."""
        if set(params) != set(self.names):
            raise SpaceError(
                f"params must name {sorted(self.names)}, but got {sorted(params)}"
            )
        try:
            return tuple(a.values.index(params[a.name]) for a in self.axes)
        except ValueError:
            return None
