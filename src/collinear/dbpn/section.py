"""Reading one section of a configuration: every key is checked and named."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any


class ConfigError(ValueError):
    """A configuration that breaks a rule; the message names the key and the rule."""


class Section:
    """A mapping whose keys are taken one by one; what is left over is an error.

    Attributes:
        path: Name of the section, for messages ("finetune"); empty at the top.
        values: The mapping itself.
    """

    def __init__(
        self, values: object, path: str = "", overridden: Collection[str] = ()
    ) -> None:
        """Wrap `values`, a mapping; `overridden` keys are named params.KEY."""
        self.path = path
        self._overridden = overridden
        if not isinstance(values, Mapping):
            raise ConfigError(
                f"{path or 'settings'} must be a mapping of keys to values, "
                f"but got {values!r}"
            )
        self.values: Mapping[str, Any] = values
        self._known: list[str] = []

    def name(self, key: str) -> str:
        """Return the full name of a key, for messages."""
        path = "params" if key in self._overridden else self.path
        return f"{path}.{key}" if path else key

    def has(self, key: str) -> bool:
        """Return whether the key is given (and not null)."""
        self._known.append(key)
        return self.values.get(key) is not None

    def take(self, key: str, default: Any = None) -> Any:
        """Return the unchecked value of a key, or the default."""
        return self.values[key] if self.has(key) else default

    def section(self, key: str) -> Section:
        """Return a section below this one; an empty one if it is not given."""
        return Section(self.take(key, {}), self.name(key))

    def number(
        self,
        key: str,
        default: float | None = None,
        *,
        above: float | None = None,
        least: float | None = None,
        below: float | None = None,
    ) -> float:
        """Return a finite number inside the bounds; `above` and `below` are strict."""
        value = self._required(key, default)
        check_number(self.name(key), value)
        _check_bounds(self.name(key), value, above, least, below)
        return float(value)

    def integer(
        self,
        key: str,
        default: int | None = None,
        *,
        least: int = 1,
        below: int | None = None,
    ) -> int:
        """Return a whole number that is not below `least`; `below` is strict."""
        value = self._required(key, default)
        check_number(self.name(key), value)
        if value != int(value):
            raise ConfigError(f"{self.name(key)} must be a whole number, got {value!r}")
        _check_bounds(self.name(key), value, None, least, below)
        return int(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise ConfigError(
                f"{self.name(key)} must be true or false, but got {value!r}"
            )
        return value

    def choice(
        self, key: str, allowed: Sequence[Any], default: Any = None, hint: str = ""
    ) -> Any:
        """Return one of the allowed values."""
        value = self._required(key, default)
        if isinstance(value, bool) or value not in allowed:
            options = ", ".join(str(option) for option in allowed)
            raise ConfigError(
                f"{self.name(key)} must be one of {options}, but got {value!r}"
                + (f"; {hint}" if hint else _suggestion(str(value), allowed))
            )
        return value

    def numbers(self, key: str, default: Sequence[float]) -> tuple[float, ...]:
        """Return a list of numbers between 0 and 1, ascending."""
        values = self.strict_list(key, default)
        for value in values:
            check_number(self.name(key), value)
            _check_bounds(self.name(key), value, 0, None, 1)
        if any(after <= before for before, after in pairwise(values)):
            raise ConfigError(f"{self.name(key)} must ascend, but got {values!r}")
        return tuple(float(value) for value in values)

    def strict_list(self, key: str, default: Sequence[Any]) -> list[Any]:
        """Return a list (not a single value)."""
        value = self.take(key, default)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ConfigError(f"{self.name(key)} must be a list, but got {value!r}")
        return list(value)

    def finish(self) -> None:
        """Raise for the first key that was never asked for."""
        for key in self.values:
            if key not in self._known:
                raise ConfigError(
                    f"unknown key {self.name(str(key))}"
                    + _suggestion(str(key), self._known)
                    + f"; known keys are {', '.join(dict.fromkeys(self._known))}"
                )

    def _required(self, key: str, default: Any) -> Any:
        value = self.take(key, default)
        if value is None:
            raise ConfigError(f"{self.name(key)} is needed, but is not given")
        return value


def check_number(name: str, value: object) -> None:
    """Check that a value is a finite number, and say what YAML does to 1e-6."""
    if isinstance(value, str):
        raise ConfigError(
            f"{name} must be a number, but got the string {value!r}; "
            "YAML reads 1e-6 as a string, write 1.0e-6"
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} must be a number, but got {value!r}")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        raise ConfigError(f"{name} is too large a number") from None
    if not finite:
        raise ConfigError(f"{name} must be finite, but got {value!r}")


def _check_bounds(
    name: str,
    value: float,
    above: float | None,
    least: float | None,
    below: float | None,
) -> None:
    if above is not None and not value > above:
        raise ConfigError(f"{name} must be above {above:g}, but got {value!r}")
    if least is not None and not value >= least:
        raise ConfigError(f"{name} must be at least {least:g}, but got {value!r}")
    if below is not None and not value < below:
        raise ConfigError(f"{name} must be below {below:g}, but got {value!r}")


def _suggestion(given: str, known: Sequence[Any]) -> str:
    close = difflib.get_close_matches(given, [str(name) for name in known], n=1)
    return f"; did you mean {close[0]}?" if close else ""
