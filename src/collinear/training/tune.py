"""Find a minibatch size: a rule says which size is next, a probe measures it.

    found = tune(Doubling(), lambda size: probe(step, size, keep=[net, adam]), start=8)

Every measurement is kept, in a file if wanted. The same call again reads the file and
measures only what is missing.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from collinear.training.doubling import Doubling, DoublingState, model_of
from collinear.training.errors import TuningError
from collinear.training.host_device import HostDevice
from collinear.training.measurement import Measurement
from collinear.training.rules import EpochTimeMinimize, GpuUsageMaximize, StepState

Rule = Doubling | EpochTimeMinimize | GpuUsageMaximize
VERSION = 1


@dataclass(frozen=True)
class Tuned:
    """The result of a search for a minibatch size.

    Attributes:
        size: The answer.
        reason: Why the search ended.
        measurements: All of them, in order.
        model: max(h, d0 + c b) fitted to them; None with fewer than two sizes.
    """

    size: int
    reason: str
    measurements: tuple[Measurement, ...]
    model: HostDevice | None

    @property
    def unsettled(self) -> list[int]:
        """Sizes whose time was not known well enough when timing ended."""
        return [m.size for m in self.measurements if not m.settled]


def tune(
    rule: Rule,
    measure: Callable[[int], Measurement],
    start: int,
    *,
    out: Path | None = None,
    about: Mapping[str, Any] | None = None,
) -> Tuned:
    """Measure sizes until the rule has an answer.

    Args:
        rule: Says which size is next.
        measure: Returns the measurement of a size, such as `probe.probe`.
        start: The first size.
        out: JSON file of all measurements, written by rename after each.
        about: What was measured (device, network, data): a file that holds
            measurements of anything else is refused.

    Raises:
        TuningError: The start size is not positive or does not run, the rule lacks a
            number, a measurement is of another size than asked, or `out` belongs to
            another search.
    """
    name = type(rule).__name__
    question = {
        "version": VERSION,
        "rule": {"name": name, **asdict(rule)},
        "start": start,
        "about": dict(about or {}),
    }
    state, done = rule.start(start), 0
    found = _read(out, question) if out else []
    while not state.over:
        if done == len(found):
            found.append(_measured(measure, state.size))
            _write(out, question, found)
        _check_kept(out, done, found[done], state.size)
        state = _advance(rule, state, found[done])
        done += 1
    tuned = Tuned(state.size, state.reason, tuple(found), model_of(tuple(found)))
    _write(out, question, found, tuned)
    return tuned


def sweep(
    measure: Callable[[int], Measurement],
    sizes: Sequence[int],
    *,
    out: Path | None = None,
    about: Mapping[str, Any] | None = None,
) -> Tuned:
    """Measure given sizes in order; the first that does not run is the last.

    Args:
        measure: As in `tune`.
        sizes: Ascending sizes.
        out: As in `tune`.
        about: As in `tune`.

    Returns:
        The measurements, and as answer the size with the least time an item.

    Raises:
        TuningError: The sizes do not ascend from 1 on, none runs, a measurement is of
            another size than asked, or `out` belongs to another search.
    """
    asked = list(sizes)
    if not asked or asked[0] < 1 or asked != sorted(set(asked)):
        raise TuningError(f"sizes must ascend from 1 on, but got {asked}")
    question = {"version": VERSION, "sizes": asked, "about": dict(about or {})}
    found = _read(out, question) if out else []
    for at, (kept, size) in enumerate(zip(found, asked, strict=False)):
        _check_kept(out, at, kept, size)
    while len(found) < len(asked) and not (found and found[-1].seconds is None):
        found.append(_measured(measure, asked[len(found)]))
        _write(out, question, found)
    times = {m.size: m.per_item for m in found if m.per_item is not None}
    if not times:
        raise TuningError(
            f"a minibatch of {asked[0]}, the first size, cannot be run "
            f"({found[0].reason}); begin with a smaller one"
        )
    last = found[-1]
    ended = last.seconds is None
    reason = (
        f"{last.reason} at size {last.size}" if ended else "all sizes were measured"
    )
    size = min(times, key=lambda each: times[each])
    tuned = Tuned(size, reason, tuple(found), model_of(tuple(found)))
    _write(out, question, found, tuned)
    return tuned


def _measured(measure: Callable[[int], Measurement], size: int) -> Measurement:
    """Measure a size, and check that it is the one that was measured."""
    found = measure(size)
    if found.size != size:
        raise TuningError(
            f"measure({size}) must return a measurement of size {size}, but returned "
            f"one of {found.size}; measure the size that is asked for"
        )
    return found


def _check_kept(out: Path | None, at: int, kept: Measurement, size: int) -> None:
    """Check that a measurement of a file is of the size that is asked for."""
    if kept.size != size:
        raise TuningError(
            f"{out}: measurement {at} must be of size {size}, but is of {kept.size}; "
            "remove the file"
        )


def _advance(
    rule: Rule, state: StepState | DoublingState, found: Measurement
) -> StepState | DoublingState:
    if isinstance(rule, Doubling):
        assert isinstance(state, DoublingState)
        return rule.advance(state, found)
    assert isinstance(state, StepState)
    return rule.advance(state, found)


def _read(out: Path, question: Mapping[str, Any]) -> list[Measurement]:
    """Return the measurements of a file; none if there is no file."""
    if not out.exists():
        return []
    try:
        record = json.loads(out.read_text(encoding="utf-8"))
        kept = {name: record[name] for name in question}
        found = [Measurement.from_json(each) for each in record["measurements"]]
    except (ValueError, KeyError, TypeError) as error:
        raise TuningError(
            f"{out}: is not a record of minibatch sizes ({error!r}); remove it"
        ) from error
    asked = json.loads(json.dumps(question))
    for name, value in asked.items():
        if kept[name] != value:
            raise TuningError(
                f"{out}: holds another search ({name} is {kept[name]} there and "
                f"{value} here); remove it, or choose another file"
            )
    return found


def _write(
    out: Path | None,
    question: Mapping[str, Any],
    found: list[Measurement],
    tuned: Tuned | None = None,
) -> None:
    if out is None:
        return
    model = tuned.model.as_json() if tuned and tuned.model else None
    record = {
        **question,
        "over": tuned is not None,
        "size": tuned.size if tuned else None,
        "reason": tuned.reason if tuned else None,
        "model": model,
        "measurements": [each.as_json() for each in found],
    }
    write_json(out, record)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file under another name and rename it; NaN is an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(json.dumps(value, indent=1, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
