"""What is measured before the trials: their cost, and minibatch sizes.

Both are optional and change no number of a training. The cost tells Slurm how long a
trial takes and how much memory it needs; what came true stands in the report.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collinear.campaign.config import Campaign
from collinear.campaign.files import publish, read_json
from collinear.campaign.outcome import METRICS, ProgramError
from collinear.campaign.program import Stage, run_stage
from collinear.campaign.stages import Context
from collinear.campaign.trials import (
    TrialName,
    program_input,
    training_seed,
    trial_params,
)
from collinear.search import Status

PRODUCTS = {"profile": "cost.json", "tune_minibatch": "batch.json"}
"""File of each measurement, in `results/{campaign}/prepare`."""

RUNTIME, MEMORY = 900, 16_000
"""Minutes and MB that a trial asks for where nothing was predicted."""
_SPARE_TIME, _SPARE_MEMORY = 1.25, 1.2
_START_MINUTES, _START_MB = 5, 1_000
"""For what a prediction leaves out: start of the job, images, writing."""


@dataclass(frozen=True)
class Need:
    """What a trial asks Slurm for: minutes and MB."""

    minutes: int
    memory: int


def prepare(context: Context, name: str) -> None:
    """Runs a measurement, or finds it finished, and publishes its file.

    Args:
        context: Where it runs.
        name: One of `PRODUCTS`.

    Raises:
        ProgramError: The program failed, or wrote costs that cannot be read.
    """
    campaign = context.campaign
    folder = context.root / "prepare"
    command = getattr(campaign.application, name)
    assert command is not None
    # The largest value of each axis: every term of a trial is there.
    largest = {axis.name: axis.values[-1] for axis in campaign.space.axes}
    stage = Stage(
        command=command,
        work=folder / f"work-{name}",
        product=PRODUCTS[name],
        config=program_input(campaign, largest),
        init=None,
        seed=training_seed(campaign.seed, 0),
        threads=campaign.threads,
        log=context.log,
    )
    record = run_stage(stage)
    if name == "profile":
        for params in ({}, largest):
            _case(record, "finetune", params, stage.result)
    publish(stage.result, folder / PRODUCTS[name])


def trial_need(campaign: Campaign, root: Path, name: TrialName, attempt: int) -> Need:
    """Returns what a trial asks for: predicted if there is a profile, else by default.

    Args:
        campaign: The campaign.
        root: Its folder.
        name: The trial.
        attempt: Number of the attempt; the second asks for half as much again, the
            third and the last for twice as much.
    """
    more = 1 + 0.5 * min(attempt - 1, 2)
    minutes, memory = float(RUNTIME), float(MEMORY)
    predicted = predicted_cost(campaign, root, name)
    if predicted is not None:
        high_seconds, high_mib = predicted["seconds"][2], predicted["memory_mib"][2]
        minutes = _START_MINUTES + _SPARE_TIME * high_seconds / 60
        memory = _START_MB + _SPARE_MEMORY * high_mib * 1.048576  # MiB in MB
    return Need(math.ceil(more * minutes), math.ceil(more * memory))


def predicted_cost(
    campaign: Campaign, root: Path, name: TrialName
) -> dict[str, list[float]] | None:
    """Returns a trial's seconds and MiB as [expected, low, high]; None without them."""
    path = root / "prepare" / PRODUCTS["profile"]
    if not campaign.prepare.profile or not path.exists():
        return None
    return _case(read_json(path), "finetune", trial_params(campaign, name), path)


def _case(
    record: Mapping[str, Any], stage: str, params: Mapping[str, float], path: Path
) -> dict[str, list[float]] | None:
    """Returns the case of a trial; None if the record has none for it."""
    try:
        section = record["stages"][stage]
        zero = {n for n in section["names"] if params.get(n) == 0}
        for case in section["cases"]:
            if set(case["zero"]) == zero:
                costs = {kind: case[kind] for kind in ("seconds", "memory_mib")}
                if not all(0 < x < math.inf for c in costs.values() for x in c[:3]):
                    raise ValueError(f"costs must be above 0, but got {costs}")
                return {kind: list(map(float, c)) for kind, c in costs.items()}
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ProgramError(
            f"{path}: does not hold the cost of a trial ({error!r}); see "
            "docs/application.md"
        ) from error
    return None


def prepared_notes(campaign: Campaign, root: Path) -> list[str]:
    """Returns sentences for the report: what was chosen, and what came true."""
    notes = []
    batch = root / "prepare" / PRODUCTS["tune_minibatch"]
    if campaign.prepare.tune_minibatch and batch.exists():
        found = read_json(batch)
        notes.append(
            f"Minibatch sizes were measured ({found.get('measurements')} of them): "
            f"fastest {found.get('fastest')}; the minibatch stayed "
            f"{found.get('minibatch')} ({found.get('why')})."
        )
    trials = observed_costs(campaign, root)
    if trials:
        inside = statistics.mean(trial.inside for trial in trials)
        middle = statistics.median(trial.ratio for trial in trials)
        notes.append(
            f"Of {len(trials)} trials with a predicted time, the median took "
            f"{middle:.2f} times that, and {inside:.0%} ended inside the 95 % interval"
            f"{_clock_remark(root)}."
        )
    return notes


def _clock_remark(root: Path) -> str:
    record = read_json(root / "prepare" / PRODUCTS["profile"])
    if record.get("clock") != "cpu":
        return ""
    return " (predicted is CPU time; a machine that others use takes longer)"


@dataclass(frozen=True)
class Observed:
    """What a done trial took, beside what was predicted.

    Attributes:
        name: The trial.
        seconds: Time of its training, as the program recorded it.
        memory_mib: Its peak memory (`peak_memory_mb`), or None where none was recorded.
        predicted: "seconds" and "memory_mib", each as [expected, low, high].
    """

    name: TrialName
    seconds: float
    memory_mib: float | None
    predicted: Mapping[str, Sequence[float]]

    @property
    def ratio(self) -> float:
        """Time over predicted time."""
        return self.seconds / self.predicted["seconds"][0]

    @property
    def inside(self) -> bool:
        """Whether the time is inside the 95 % interval."""
        _, low, high = self.predicted["seconds"]
        return low <= self.seconds <= high


def observed_costs(campaign: Campaign, root: Path) -> list[Observed]:
    """Returns the done trials that had a prediction, in the order of their names."""
    found = []
    for path in sorted((root / "trials").glob(f"*/seed*/{METRICS}")):
        point, seed = path.parts[-3], path.parts[-2].removeprefix("seed")
        name = TrialName(point, int(seed))
        predicted = predicted_cost(campaign, root, name)
        record = read_json(path)
        seconds, megabytes = record.get("seconds"), record.get("peak_memory_mb")
        if record.get("status") != Status.DONE:
            continue  # a stopped training took less than the whole
        if predicted is not None and isinstance(seconds, int | float):
            known = isinstance(megabytes, int | float)
            memory = float(megabytes) if known else None
            found.append(Observed(name, float(seconds), memory, predicted))
    return found
