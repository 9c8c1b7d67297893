"""Trials and their files: names, folders, what the program is given.

A trial is a point of the grid and a seed index: ``trials/{i-j-k-l}/seed{n}``. The
conventional setting may lie off the grid; then its folder is ``trials/conventional``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collinear.campaign.config import Campaign
from collinear.search import Point, Proposal

CONVENTIONAL = "conventional"
CONVENTIONAL_SEED = 1


@dataclass(frozen=True)
class TrialName:
    """Name of a trial in paths: the point as ``i-j-k-l`` or ``conventional``."""

    point: str
    seed: int


@dataclass(frozen=True)
class TrialFiles:
    """Files of one trial. Nothing in `work` is declared to Snakemake.

    Attributes:
        folder: ``results/{campaign}/trials/{point}/seed{n}``.
    """

    folder: Path

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def score_work(self, scoring: str) -> Path:
        """Where a score is made; another scoring has another folder."""
        return self.work / f"score-{scoring[:12]}"


def describe_number(value: float) -> str:
    """A value of a setting: all its digits, because neighbours may be close."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def point_name(point: Point) -> str:
    """The point in paths and tables: ``3-0-10-7``."""
    return "-".join(str(i) for i in point)


def parse_point(name: str) -> Point:
    """The point of a name such as ``3-0-10-7``."""
    return tuple(int(part) for part in name.split("-"))


def trial_files(root: Path, name: TrialName) -> TrialFiles:
    """The files of a trial of the campaign in `root`."""
    return TrialFiles(root / "trials" / name.point / f"seed{name.seed}")


def conventional_trial(
    campaign: Campaign, seed: int = CONVENTIONAL_SEED
) -> TrialName | None:
    """The trial of the conventional setting, or None when there is no such setting.

    On the grid it is the trial of its point, so that it is never trained twice.
    """
    if campaign.conventional is None:
        return None
    point = campaign.space.locate(campaign.conventional)
    name = CONVENTIONAL if point is None else point_name(point)
    return TrialName(name, seed)


def trial_params(campaign: Campaign, name: TrialName) -> dict[str, float]:
    """The physical values of a trial."""
    if name.point == CONVENTIONAL:
        assert campaign.conventional is not None
        return dict(campaign.conventional)
    return campaign.space.params(parse_point(name.point))


def training_seed(campaign_seed: int, index: int) -> int:
    """The seed of a training, the same for all points so that trials are paired.

    Args:
        campaign_seed: Seed of the campaign.
        index: Seed index of the trial, from 1; 0 is the pretraining.

    Returns:
        An integer in [0, 2^31).
    """
    text = f"{campaign_seed}:{index}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def program_input(
    campaign: Campaign, params: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """What a command of the application reads from ``--config``."""
    return {
        "settings": dict(campaign.application.settings),
        "scoring": dict(campaign.application.scoring),
        "params": dict(params or {}),
        "threads": campaign.threads,
    }


def candidates_table(
    campaign: Campaign,
    proposals: Sequence[Proposal],
    control: Sequence[TrialName] = (),
) -> str:
    """A batch as tab-separated text: point, seed, reason, then the physical values.

    Args:
        campaign: The campaign.
        proposals: The batch.
        control: Runs of the conventional setting beside it.
    """
    rows = {TrialName(point_name(p.point), p.seed): p.reason for p in proposals}
    for name in control:  # one line a trial, also where the setting is a finalist
        rows.setdefault(name, "control")
    lines = ["\t".join(["point", "seed", "reason", *campaign.space.names])]
    for name, reason in rows.items():
        values = map(repr, trial_params(campaign, name).values())
        lines.append("\t".join([name.point, str(name.seed), reason, *values]))
    return "\n".join(lines) + "\n"


def read_candidates(path: str | Path) -> list[TrialName]:
    """The trials of a candidates table, in its order."""
    rows = Path(path).read_text(encoding="utf-8").splitlines()[1:]
    return [TrialName(p, int(s)) for p, s, *_ in (row.split("\t") for row in rows)]
