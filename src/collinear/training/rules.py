"""The two rules of document 003 that change a minibatch size step by step.

K. Serizawa, O. Tatebe, "Automatic optimisation for speeding up the training of deep
neural networks" (document 003, in Japanese, with its errata). The errata name the
functions that give the next step without defining them; the author's published program
(github.com/serihiro/chainer_minibatch_size_optimizer, MIT) does, and only these steps
lead to every size of tables 3 and 5. docs/minibatch.md has the details.

A rule is a pure state machine: `start` returns a state, `advance` the next one. Nothing
is measured here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from collinear.training.errors import TuningError, check_count, check_positive
from collinear.training.measurement import Measurement

MAX_STEP = 10
TEST_EVERY = 5
MAX_CHANGES = 100


@dataclass(frozen=True)
class StepState:
    """Where a rule stands.

    Attributes:
        size: The size to measure next; at the end, the answer.
        ran: The last size that could be run; None before the first measurement.
        step: Last change of the size, with its sign. At the start +1.
        changes: Changes so far: the document's number of optimisations.
        reference: Value at the last test of convergence: a size or an improvement.
        base: Seconds of an epoch at the start size (`EpochTimeMinimize`).
        over: Whether the search has ended.
        reason: Why it has.
    """

    size: int
    ran: int | None = None
    step: int = 1
    changes: int = 0
    reference: float | None = None
    base: float | None = None
    over: bool = False
    reason: str = ""


@dataclass(frozen=True)
class GpuUsageMaximize:
    """Larger while the device is used less than a target, otherwise smaller (list 2).

    Args:
        target: Utilisation in percent to reach.
        tolerance: Sizes of two tests that differ by no more end the search.
        largest: A size that is never passed; None: no limit.
    """

    target: float = 99.0
    tolerance: int = 5
    largest: int | None = None

    def start(self, size: int) -> StepState:
        """Return the first state.

        Raises:
            TuningError: The size is not a positive whole number, or above `largest`.
        """
        return _first_state(size, self.largest)

    def advance(self, state: StepState, found: Measurement) -> StepState:
        """Return the state after a measurement at `state.size`.

        Raises:
            TuningError: It has no utilisation.
        """
        if found.seconds is None:
            return _without_memory(state, found)
        if found.usage is None:
            raise TuningError(
                "GpuUsageMaximize needs the utilisation of the device, but the "
                f"measurement at size {found.size} has none; use another rule where "
                "there is no device counter"
            )
        if _is_test(state):
            if _is_near(state.reference, state.size, self.tolerance):
                return _ended(state, f"the size changed by at most {self.tolerance}")
            state = replace(state, reference=float(state.size))
        step = next_step(state.step, up=found.usage < self.target)
        return _changed(state, step, self.largest)


@dataclass(frozen=True)
class EpochTimeMinimize:
    """Larger until the time of an epoch improves no more (list 3).

    Args:
        items: Items of the data set, N.
        tolerance: Improvements of two tests that differ by no more end the search.
        largest: A size that is never passed; None: no limit.
    """

    items: int
    tolerance: float = 0.05
    largest: int | None = None

    def __post_init__(self) -> None:
        check_count("items", self.items)

    def start(self, size: int) -> StepState:
        """Return the first state.

        Raises:
            TuningError: The size is not a positive whole number, or above `largest`.
        """
        return _first_state(size, self.largest)

    def epoch_seconds(self, found: Measurement) -> float:
        """Return the seconds of an epoch: mean step times ceil(N / b)."""
        seconds = found.seconds if found.mean is None else found.mean
        assert seconds is not None
        return seconds * math.ceil(self.items / found.size)

    def advance(self, state: StepState, found: Measurement) -> StepState:
        """Return the state after a measurement at `state.size`."""
        if found.seconds is None:
            return _without_memory(state, found)
        seconds = self.epoch_seconds(found)
        base = seconds if state.base is None else state.base
        check_positive("the time of the first measurement", base)
        improvement = (base - seconds) / base
        state = replace(state, base=base)
        if _is_test(state):
            if _is_near(state.reference, improvement, self.tolerance):
                return _ended(
                    state, f"the improvement changed by at most {self.tolerance:g}"
                )
            state = replace(state, reference=improvement)
        return _changed(state, next_step(state.step, up=True), self.largest)


def next_step(step: int, *, up: bool) -> int:
    """Return the next change of a size, +/- 1 to 10.

    The same direction again: one more than before, at most 10. Another direction: 1.

    Args:
        step: The change before, with its sign.
        up: Whether the size is to grow.

    >>> next_step(1, up=True), next_step(10, up=True), next_step(7, up=False)
    (2, 10, -1)
    """
    sign = 1 if up else -1
    kept = (step > 0) == up
    return sign * (min(abs(step) + 1, MAX_STEP) if kept else 1)


def _first_state(size: int, largest: int | None) -> StepState:
    check_count("the start size", size)
    if largest is not None and size > largest:
        raise TuningError(
            "the start size must not be above the largest, but got "
            f"{size} and {largest}"
        )
    return StepState(size)


def _is_test(state: StepState) -> bool:
    # Count 0 sets the reference. Listing 2 renews it in every loop (line 21), against
    # the document's text; with the text every row of the tables is met.
    return state.changes % TEST_EVERY == 0


def _is_near(reference: float | None, value: float, tolerance: float) -> bool:
    # In double precision 0.30 - 0.25 is above 0.05.
    return reference is not None and abs(value - reference) <= tolerance + 1e-12


def _changed(state: StepState, step: int, largest: int | None) -> StepState:
    if state.changes == MAX_CHANGES:
        return _ended(state, f"{MAX_CHANGES} changes without convergence")
    size = max(1, state.size + step)
    if largest is not None and size > largest:
        if state.size == largest:
            return _ended(state, f"{largest} is the largest size allowed")
        size = largest
    return replace(
        state, size=size, ran=state.size, step=step, changes=state.changes + 1
    )


def _without_memory(state: StepState, found: Measurement) -> StepState:
    """End at the size before, the last one that ran."""
    if state.ran is None:
        raise TuningError(
            f"a minibatch of {state.size}, the start size, cannot be run "
            f"({found.reason}); start with a smaller one"
        )
    reason = f"{found.reason} at size {state.size}"
    return replace(state, size=state.ran, over=True, reason=reason)


def _ended(state: StepState, reason: str) -> StepState:
    return replace(state, over=True, reason=reason)
