"""Our rule for a minibatch size: double it until that gains nothing, answer small.

The document's rules need ten to twenty measurements and stop where a threshold on the
total improvement lets them. Doubling covers a factor of a thousand in ten measurements,
and a gain between two doublings means the same at every size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from collinear.training.errors import TuningError, check_count
from collinear.training.host_device import HostDevice, fit_host_device
from collinear.training.measurement import Measurement

PATIENCE = 2
FLAT = 32
"""Doublings in a row without more time that no device reaches: where an item has 64
bytes, as many as 2^32 are more than any memory holds."""


@dataclass(frozen=True)
class DoublingState:
    """Where the rule stands.

    Attributes:
        size: The size to measure next; at the end, the answer.
        found: Measurements that ran, by ascending size.
        over: Whether the search has ended.
        reason: Why it has.
    """

    size: int
    found: tuple[Measurement, ...] = ()
    over: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Doubling:
    """Doubles a size; ends after two doublings that gain less than `gain` each.

    A gain is 1 - (seconds an item) / (the least seconds an item so far). The answer is
    the smallest size whose seconds an item are within `gain` of the least, measured or
    by the fitted model of larger sizes: a small minibatch leaves memory and changes
    learning less. A step that takes no more time after `FLAT` doublings does not work
    on as many items as it is told, and is refused.

    Args:
        gain: Share of the time of an item, between 0 and 1.
        largest: A size that is never passed; None: no limit but memory.
    """

    gain: float = 0.05
    largest: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.gain < 1:
            raise TuningError(f"gain must be between 0 and 1, but got {self.gain!r}")

    def start(self, size: int) -> DoublingState:
        """Return the first state.

        Raises:
            TuningError: The size is not a positive whole number, or above `largest`.
        """
        check_count("the start size", size)
        if self.largest is not None and size > self.largest:
            raise TuningError(
                "the start size must not be above the largest, but got "
                f"{size} and {self.largest}"
            )
        return DoublingState(size)

    def advance(self, state: DoublingState, found: Measurement) -> DoublingState:
        """Return the state after a measurement at `state.size`.

        Raises:
            TuningError: Not even the start size could be run, or the time of a step
                does not grow with the size.
        """
        if found.seconds is None:
            if not state.found:
                raise TuningError(
                    f"a minibatch of {found.size}, the start size, cannot be run "
                    f"({found.reason}); start with a smaller one"
                )
            return self._end(state, f"{found.reason} at size {found.size}")
        state = replace(state, found=(*state.found, found))
        _check_growth(state.found)
        gains = gains_of(state.found)
        if len(gains) >= PATIENCE and max(gains[-PATIENCE:]) < self.gain:
            return self._end(
                state, f"{PATIENCE} doublings gained less than {self.gain:.3g} each"
            )
        if state.size == self.largest:
            return self._end(state, f"{self.largest} is the largest size allowed")
        limit = math.inf if self.largest is None else self.largest
        return replace(state, size=int(min(2 * state.size, limit)))

    def _end(self, state: DoublingState, reason: str) -> DoublingState:
        size = smallest_fast(state.found, self.gain, self._floor(state))
        return replace(state, size=size, over=True, reason=reason)

    def _floor(self, state: DoublingState) -> float:
        """Return the seconds an item that sizes not measured might still reach.

        The search may end a few per cent above them. Without them the answer could be
        `gain` above the best measurement, and that again above the best size.
        """
        model = model_of(state.found)
        if model is None or state.found[-1].size < state.size:
            return math.inf  # one size, or memory ended the search
        size = 2 * state.size if self.largest is None else self.largest
        return model.seconds(size) / size


def gains_of(found: tuple[Measurement, ...]) -> list[float]:
    """Return the gain of each measurement but the first over the best before it."""
    times = [_per_item(each) for each in found]
    return [1 - times[index] / min(times[:index]) for index in range(1, len(times))]


def smallest_fast(
    found: tuple[Measurement, ...], gain: float, floor: float = math.inf
) -> int:
    """Return the smallest size that takes at most 1 + gain of the least time an item.

    Args:
        found: Measurements that ran; a standard error counts against a size.
        gain: Share of the time of an item.
        floor: Seconds an item that larger sizes might reach.

    Returns:
        The size; the fastest one where none is so near to the floor.
    """
    fastest = min(found, key=_per_item)
    best = min(_per_item(fastest), floor)
    near = [m.size for m in found if _at_most(m) <= (1 + gain) * best]
    return min(near, default=fastest.size)


def _check_growth(found: tuple[Measurement, ...]) -> None:
    """Check that the time of a step has grown in the last `FLAT` doublings."""
    if len(found) <= FLAT:
        return
    first, last = found[-1 - FLAT], found[-1]
    assert first.seconds is not None
    assert last.seconds is not None
    if last.seconds < 2 * first.seconds:
        raise TuningError(
            "a step must take more time for more items, but takes "
            f"{first.seconds:.3g} s for {first.size} and {last.seconds:.3g} s for "
            f"{last.size}; does it use `size`? A slice such as images[:size] ends "
            "where the data end: draw the items, or give a largest size"
        )


def model_of(found: tuple[Measurement, ...]) -> HostDevice | None:
    """Return the fitted max(h, d0 + c b); None with fewer than two sizes."""
    ran = {m.size: m.seconds for m in found if m.seconds is not None}
    if len(ran) < 2:
        return None
    return fit_host_device(list(ran), list(ran.values()))


def _per_item(found: Measurement) -> float:
    assert found.per_item is not None
    return found.per_item


def _at_most(found: Measurement) -> float:
    """Return the seconds an item and their standard error."""
    return _per_item(found) + (found.error or 0.0) / found.size
