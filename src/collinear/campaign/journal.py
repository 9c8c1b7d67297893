"""The journal of a search: what was asked and told, in files that nothing deletes.

``history/asked/{lane}-{step}.json`` and ``history/told/{lane}-{step}.json`` are
written by rename under one lock and are never declared as outputs, because Snakemake
deletes declared outputs before it reruns a job. The tables in ``lanes/`` are published
copies. Each entry has a sequence number; each asked entry says which told entries it
had seen, as the number of told steps of each lane, because a lane tells its steps in
order.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from collinear.campaign.files import locked, read_json, write_json
from collinear.campaign.trials import TrialName, parse_point, point_name
from collinear.search import Asked, History, Proposal, Result, Status, Told

FINALS = "finals"  # the lane of the fresh runs at the end


@dataclass(frozen=True)
class Step:
    """One step of one lane, such as step 3 of ``lane00``."""

    lane: str
    step: int

    @property
    def name(self) -> str:
        return f"{self.lane}-{self.step}"


@dataclass(frozen=True)
class Journal:
    """The journal in the folder ``results/{campaign}/history``."""

    folder: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process at a time asks or tells."""
        with locked(self.folder / "lock"):
            yield

    def asked(self, step: Step) -> dict[str, Any] | None:
        """The asked entry of a step, or None."""
        return self._read("asked", step)

    def told(self, step: Step) -> dict[str, Any] | None:
        """The told entry of a step, or None."""
        return self._read("told", step)

    def record_asked(
        self, step: Step, proposals: Sequence[Proposal], **context: Any
    ) -> dict[str, Any]:
        """Writes an asked entry. Call it with the lock held.

        Args:
            step: Lane and step.
            proposals: The batch; empty when the lane is over.
            context: What else the entry keeps, such as the digest of the search, or
                `control`: runs of the conventional setting beside the finals.
        """
        entry = {
            "lane": step.lane,
            "step": step.step,
            "sequence": self._next_sequence(),
            "seen": self._told_steps(),
            **context,
            "trials": [
                {"point": point_name(p.point), "seed": p.seed, "reason": p.reason}
                for p in proposals
            ],
        }
        write_json(self.folder / "asked" / f"{step.name}.json", entry)
        return entry

    def record_told(
        self, step: Step, results: Sequence[Result], scoring: str, **context: Any
    ) -> dict[str, Any]:
        """Writes a told entry, or rewrites it in its place after a rescoring.

        Args:
            step: Lane and step.
            results: The outcomes, in the order in which they were asked.
            scoring: Digest of the scoring that gave the values.
            context: What else the entry keeps, such as the results of `control`.
        """
        old = self.told(step)
        entry = {
            "lane": step.lane,
            "step": step.step,
            "sequence": old["sequence"] if old else self._next_sequence(),
            "scoring": scoring,
            **context,
            "results": [_record(point_name(r.point), r) for r in results],
        }
        write_json(self.folder / "told" / f"{step.name}.json", entry)
        return entry

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes of the search that have asked, by name."""
        lanes = {entry["lane"] for entry in self._entries("asked")}
        return tuple(sorted(lanes - {FINALS}))

    def history(self) -> History:
        """Replays every entry in the order of the sequence numbers."""
        return History.replay(
            Asked(proposals_of(e)) if "trials" in e else Told(results_of(e))
            for e in self.entries()
        )

    def entries(self) -> list[dict[str, Any]]:
        """All entries, asked and told, by sequence number."""
        found = [*self._entries("asked"), *self._entries("told")]
        return sorted(found, key=lambda e: e["sequence"])

    def _read(self, kind: str, step: Step) -> dict[str, Any] | None:
        path = self.folder / kind / f"{step.name}.json"
        return read_json(path) if path.exists() else None

    def _entries(self, kind: str) -> Iterator[dict[str, Any]]:
        """The entries of a kind, each parsed once a process; do not change them.

        One proposal reads the journal several times, and a campaign has hundreds of
        entries. An entry is replaced as a whole, so another content is another file.
        """
        if not (folder := self.folder / kind).exists():
            return
        with os.scandir(folder) as files:
            for file in files:
                if file.name.endswith(".json") and "-" in file.name:
                    found = file.stat()
                    about = (found.st_ino, found.st_mtime_ns, found.st_size)
                    yield _parsed(file.path, *about)

    def _told_steps(self) -> dict[str, int]:
        told = Counter(e["lane"] for e in self.entries() if "results" in e)
        return dict(sorted(told.items()))

    def _next_sequence(self) -> int:
        return 1 + max((e["sequence"] for e in self.entries()), default=0)


@lru_cache(maxsize=16384)
def _parsed(path: str, number: int, changed: int, size: int) -> dict[str, Any]:
    entry: dict[str, Any] = read_json(Path(path))
    return entry


def _record(name: str, result: Result) -> dict[str, Any]:
    return {
        "point": name,
        "seed": result.seed,
        "status": result.status.value,
        "values": dict(sorted(result.values.items())),
    }


def control_records(
    names: Sequence[TrialName], results: Sequence[Result]
) -> list[dict[str, Any]]:
    """Results of the conventional setting, which may lie off the grid, for an entry."""
    pairs = zip(names, results, strict=True)
    return [_record(name.point, result) for name, result in pairs]


def control_of(entry: dict[str, Any]) -> tuple[TrialName, ...]:
    """The runs of the conventional setting that an asked entry asks for."""
    return tuple(TrialName(t["point"], t["seed"]) for t in entry.get("control", ()))


def is_empty(entry: dict[str, Any]) -> bool:
    """Whether an asked entry asks for nothing, which ends its lane."""
    return not entry["trials"] and not entry.get("control")


def proposals_of(entry: dict[str, Any]) -> tuple[Proposal, ...]:
    """The batch of an asked entry."""
    return tuple(
        Proposal(parse_point(t["point"]), t["seed"], t["reason"])
        for t in entry["trials"]
    )


def results_of(entry: dict[str, Any]) -> tuple[Result, ...]:
    """The outcomes of a told entry."""
    return tuple(
        Result(parse_point(r["point"]), r["seed"], Status(r["status"]), r["values"])
        for r in entry["results"]
    )


def _seen_names(seen: Mapping[str, int] | Sequence[str]) -> tuple[str, ...]:
    """Names of the told steps, by lane; an older journal holds names as they came."""
    counts = (
        seen
        if isinstance(seen, Mapping)
        else Counter(name.rpartition("-")[0] for name in seen)
    )
    pairs = sorted(counts.items())
    return tuple(Step(lane, step).name for lane, n in pairs for step in range(n))


def comparable(journal: Journal) -> list[tuple[Any, ...]]:
    """The history without clocks: equal lists mean equal histories.

    Returns:
        One tuple a trial: lane, step, point, seed, status, values, results seen. The
        point of a control run is its name.
    """
    rows = []
    for entry in journal.entries():
        if "trials" not in entry:
            continue
        step = Step(entry["lane"], entry["step"])
        told = journal.told(step)
        outcomes = {r.key: r for r in results_of(told)} if told else {}
        seen = _seen_names(entry["seen"])
        for proposal in proposals_of(entry):
            result = outcomes.get(proposal.key)
            status = result.status.value if result else None
            values = tuple(sorted(result.values.items())) if result else ()
            rows.append((*vars(step).values(), *proposal.key, status, values, seen))
        records = {(c["point"], c["seed"]): c for c in (told or {}).get("control", ())}
        for name in control_of(entry):
            key = (name.point, name.seed)
            record = records.get(key)
            status = record["status"] if record else None
            values = tuple(sorted(record["values"].items())) if record else ()
            rows.append((*vars(step).values(), *key, status, values, seen))
    return rows
