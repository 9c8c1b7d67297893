"""Campaigns to disturb, how they are started, and what must hold at their end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from collinear.campaign.journal import Journal, comparable

REPOSITORY = Path(__file__).parents[2]
PROGRAM = str(Path(__file__).with_name("program.py"))
NAME = "chaos"
# Steps of a training; the values of a trial depend on them, the pause does not matter.
STEPS = 5
# Asked often, because these jobs last seconds; the profile's own values suit hours.
_SLURM_WORDS = (
    "--seconds-between-status-checks",
    "1",
    "--slurm-init-seconds-before-status-checks",
    "1",
    "--latency-wait",
    "10",
)


@dataclass(frozen=True)
class Kind:
    """One kind of campaign.

    Attributes:
        name: For the log.
        strategy: As in a campaign's file.
        lanes: Lanes of the search; with one, histories must be equal.
        batch: Trials a lane asks for at a time.
        trials: The budget, finals included.
        finals: The share of the finals, or False.
        last_call: What a training may still use once a lane is over.
    """

    name: str
    strategy: Mapping[str, Any]
    lanes: int
    batch: int
    trials: int
    finals: Mapping[str, Any] | bool
    last_call: Mapping[str, float] | bool = True

    @property
    def reproducible(self) -> bool:
        return self.lanes == 1


KINDS = (
    Kind("levelled", {"name": "levelled", "q": 1}, 1, 6, 10, False),
    Kind("finals", {"name": "anova"}, 1, 4, 12, {"share": 0.3}),
    Kind("lanes", {"name": "anova"}, 3, 1, 9, False),
    # So short that it meets trainings in their middle, killed ones or not.
    Kind(
        "last call", {"name": "anova"}, 3, 1, 9, False, {"lengths": 0.1, "least": 0.1}
    ),
)
# A job of Slurm costs seconds of CPU time, so its campaigns are smaller.
SLURM_KINDS = (
    Kind("small levelled", {"name": "levelled", "q": 1}, 1, 3, 6, False),
    Kind("small finals", {"name": "anova"}, 1, 3, 8, {"share": 0.25}),
)


def settings(kind: Kind, diary: Path, pause: float) -> dict[str, Any]:
    """The campaign's file."""

    def command(stage: str) -> list[str]:
        return ["{python}", PROGRAM, stage]

    values = [float(i) for i in range(6)]
    return {
        "campaign": NAME,
        "seed": 7,
        "space": {"a": values, "b": values},
        "objective": "niqe",
        "strategy": dict(kind.strategy),
        "lanes": kind.lanes,
        "batch": kind.batch,
        "max_trials": kind.trials,
        "finals": kind.finals,
        "last_call": kind.last_call,
        "application": {
            "values": ["niqe", "rmse"],
            "pretrain": command("pretrain"),
            "finetune": command("finetune"),
            "score": command("score"),
            "settings": {"steps": STEPS, "pause": pause, "diary": str(diary)},
        },
    }


@dataclass(frozen=True)
class Checkout:
    """A folder in which a campaign runs.

    Attributes:
        folder: The copy of the workflow.
        diary: Where the programs say that they are alive, on another file system.
    """

    folder: Path
    diary: Path

    @property
    def root(self) -> Path:
        return self.folder / "results" / NAME

    def write(self, kind: Kind, pause: float) -> None:
        """Clears the folder and writes the campaign's file."""
        for name in ("results", ".snakemake"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        shutil.rmtree(self.diary, ignore_errors=True)
        self.diary.mkdir(parents=True)
        text = yaml.safe_dump(settings(kind, self.diary, pause), sort_keys=False)
        (self.folder / "campaign.yaml").write_text(text)

    def start(self, profile: str, log: Path) -> subprocess.Popen[bytes]:
        """Starts the command of a user, in a process group of its own."""
        words = [sys.executable, "-m", "snakemake", "--profile", f"profiles/{profile}"]
        words += ["--configfile", "campaign.yaml"]
        words += _SLURM_WORDS if profile == "slurm" else ()
        with open(log, "ab") as stream:
            return subprocess.Popen(
                words,
                cwd=self.folder,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def history(self) -> list[tuple[Any, ...]]:
        return comparable(Journal(self.root / "history"))

    def finished(self) -> bool:
        return (self.root / "report" / "index.html").exists()


def make_checkout(folder: Path, diary: Path) -> Checkout:
    """Copies what a campaign needs of the repository."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("workflow", "profiles", "config"):
        shutil.copytree(REPOSITORY / name, folder / name, dirs_exist_ok=True)
    shutil.copy(REPOSITORY / "Snakefile", folder)
    return Checkout(folder, diary)


def read_diary(diary: Path) -> dict[str, list[tuple[float, int, str]]]:
    """Moments of life by trial, in the order of time."""
    found = {}
    for path in sorted(diary.glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.stem] = sorted((float(t), int(p), str(e)) for t, p, e in rows)
    return found


def faults(checkout: Checkout, expected: list[tuple[Any, ...]] | None) -> list[str]:
    """What does not hold at the end of a campaign; empty when all is well.

    Args:
        checkout: Where the campaign ran.
        expected: The history of the undisturbed campaign, or None where lanes advance
            in an order of their own.
    """
    return [
        *_history_faults(checkout, expected),
        *_diary_faults(checkout.diary, called_trials(checkout.root)),
        *_file_faults(checkout.root),
    ]


def _history_faults(
    checkout: Checkout, expected: list[tuple[Any, ...]] | None
) -> Iterator[str]:
    if not checkout.finished():
        yield "the campaign has no report"
        return
    entries = Journal(checkout.root / "history").entries()
    history = checkout.history()
    if expected is not None and history != expected:
        yield f"the history differs: {history} instead of {expected}"
    names = _folders(history)
    if len(names) != len(set(names)):
        yield f"a trial is told twice: {names}"
    called = called_trials(checkout.root)
    lost = [
        row[2:5]
        for row, name in zip(history, _folders(history), strict=True)
        if row[4] != ("failed" if name in called else "done")
    ]
    if lost:
        yield f"a trial was lost: {lost}"
    if not entries:
        yield "the journal is empty"


def _folders(history: list[tuple[Any, ...]]) -> list[str]:
    return [f"{'-'.join(map(str, row[2]))}/seed{row[3]}" for row in history]


def called_trials(root: Path) -> set[str]:
    """Folders of the trials that the last call ended."""
    found = set()
    for path in root.glob("trials/*/seed*/work/metrics.json"):
        with suppress(ValueError):  # a torn file is a fault of its own
            if json.loads(path.read_text()).get("last_call"):
                found.add("/".join(path.parts[-4:-2]))
    return found


def _diary_faults(diary: Path, called: set[str]) -> Iterator[str]:
    for trial, rows in read_diary(diary).items():
        ends = [i for i, row in enumerate(rows) if row[2] == "end"]
        if trial.replace("-seed", "/seed") in called:
            if ends:
                yield f"{trial} was trained to its end and counts as failed"
        elif len(ends) != 1:
            yield f"{trial} was trained to its end {len(ends)} times"
        elif ends[0] != len(rows) - 1:
            yield f"{trial} was started again after its end"
        # The lines of a process form one stretch: two at the same time would mix.
        stretches = [b[1] for a, b in pairwise(rows) if a[1] != b[1]]
        if len(stretches) != len(set(stretches)):
            yield f"{trial} was trained by two processes at the same time"


def _file_faults(root: Path) -> Iterator[str]:
    for path in root.rglob("*.json"):
        try:
            json.loads(path.read_text())
        except ValueError:
            yield f"{path.relative_to(root)} is not whole"
    called = called_trials(root)
    for folder in root.glob("trials/*/seed*"):
        # Of the published copies only the scores are wanted at the end; what a user
        # deleted of the others comes back when something needs it.
        wanted = ["score.json", "work/metrics.json"]
        if "/".join(folder.parts[-2:]) not in called:
            wanted.append("work/weights.pt")
        for name in wanted:
            if not (folder / name).exists():
                yield f"{folder.relative_to(root)}/{name} is missing"
