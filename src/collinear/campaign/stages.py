"""The stages of a trial: pretrain once, fine-tune, score; each publishes by rename."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collinear.campaign.config import Campaign
from collinear.campaign.designs import (
    design_of,
    design_params,
    pretrain_folder,
)
from collinear.campaign.digests import freeze, scoring_digest, training_digest
from collinear.campaign.files import publish, read_json, write_json, write_text
from collinear.campaign.last_call import overtime_of
from collinear.campaign.outcome import CURVE, METRICS, WEIGHTS, ProgramError
from collinear.campaign.program import Stage, run_stage
from collinear.campaign.race import (
    RECORD,
    adopt_winner,
    check_record,
    race_folder,
    variant_input,
)
from collinear.campaign.stopped import trial_table
from collinear.campaign.trials import (
    TrialName,
    program_input,
    training_seed,
    trial_files,
    trial_params,
)
from collinear.search import Status

SCORE = "score.json"
MADE = "published.json"  # in the work folder: sizes of the files as first published


@dataclass(frozen=True)
class Context:
    """Where a stage runs.

    Attributes:
        campaign: The campaign.
        root: Folder of the campaign, ``results/{campaign}``.
        log: Log file of the job; the program's output goes there too.
        attempt: Number of this attempt, from 1.
    """

    campaign: Campaign
    root: Path
    log: Path
    attempt: int = 1


def pretrain_variant(context: Context, name: str) -> None:
    """Runs one variant of a race for its while, or finds it finished.

    A diverged or failed variant is an outcome: it comes last.

    Raises:
        ProgramError: The program failed, or wrote what it must not.
    """
    campaign = context.campaign
    freeze(campaign, context.root)
    command = campaign.application.pretrain_variant
    assert command is not None
    folder = race_folder(context.root) / name
    init = campaign.application.init
    stage = Stage(
        command=command,
        work=folder / "work",
        product=RECORD,
        config=variant_input(campaign, name),
        init=Path(init) if init else None,
        seed=training_seed(campaign.seed, 0),
        threads=campaign.threads,
        log=context.log,
    )
    record = run_stage(stage, context.attempt)
    try:
        check_record(record, stage.result)
    except ProgramError:
        # Out of the way, so that the next attempt starts the program again.
        stage.result.replace(stage.result.with_suffix(".refused.json"))
        raise
    publish(stage.result, folder / RECORD)


def pretrain(context: Context, design: str | None = None) -> None:
    """Trains the network that every trial, or every one of a design, starts from.

    After a race it goes on from the training state of the winner.

    Args:
        context: Where it runs.
        design: See `designs.design_of`.

    Raises:
        ProgramError: The program failed or diverged: there is nothing to tune.
    """
    campaign = context.campaign
    freeze(campaign, context.root)
    folder = pretrain_folder(context.root, design)
    init = campaign.application.init
    raced = campaign.pretrain_race is not None
    stage = Stage(
        command=campaign.application.pretrain,
        work=folder / "work",
        product=METRICS,
        config=(
            adopt_winner(campaign, context.root)
            if raced
            else program_input(campaign, design_params(campaign, design))
        ),
        init=Path(init) if init else None,
        seed=training_seed(campaign.seed, 0),
        threads=campaign.threads,
        log=context.log,
    )
    metrics = _train(stage)
    # One design of several may fail: then its trials do.
    if metrics["status"] != Status.DONE and design is None:
        raise ProgramError(
            f"the pretraining ended as {metrics['status']!r} "
            f"({metrics.get('reason') or 'no reason given'}): every trial starts from "
            f"it, so the campaign cannot go on; see {context.log}"
        )
    _publish_training(stage.work, folder)


def finetune(context: Context, name: TrialName) -> None:
    """Runs the training of one trial, or finds it finished.

    A diverged or failed trial is an outcome: its record is published like any other,
    with empty weights.
    """
    campaign = context.campaign
    freeze(campaign, context.root)
    files = trial_files(context.root, name)
    stage = Stage(
        command=campaign.application.finetune,
        work=files.work,
        product=METRICS,
        config=program_input(campaign, trial_params(campaign, name)),
        init=pretrain_folder(context.root, design_of(campaign, name)) / WEIGHTS,
        seed=training_seed(campaign.seed, name.seed),
        threads=campaign.threads,
        log=context.log,
        stop=trial_table(campaign, context.root, name),
        overtime=overtime_of(campaign, context.root, name),
        values=() if campaign.application.score else campaign.application.values,
    )
    if not _starts_from_nothing(context, name, stage):
        _train(stage, context.attempt)
    _publish_training(stage.work, files.folder)


def _starts_from_nothing(context: Context, name: TrialName, stage: Stage) -> bool:
    """Whether the pretraining of a trial's design diverged; then so did the trial."""
    design = design_of(context.campaign, name)
    if design is None or stage.result.exists():
        return False
    found = read_json(pretrain_folder(context.root, design) / METRICS)
    if found["status"] == Status.DONE:
        return False
    why = found.get("reason") or "no reason given"
    reason = f"the pretraining of design {design} ended as {found['status']} ({why})"
    write_json(stage.result, {"status": Status.DIVERGED.value, "reason": reason})
    return True


def _train(stage: Stage, attempt: int | None = None) -> dict[str, Any]:
    if not stage.result.exists():  # what an earlier training made says nothing of this
        (stage.work / MADE).unlink(missing_ok=True)
    return run_stage(stage, attempt)


def _publish_training(work: Path, folder: Path) -> None:
    for name in (WEIGHTS, CURVE):
        if (work / name).is_file():  # a failed trial may have left anything there
            publish(work / name, folder / name)
        else:
            _check_never_made(work, name)
            write_text(folder / name, "")
    publish(work / METRICS, folder / METRICS)
    sizes = {name: (folder / name).stat().st_size for name in (WEIGHTS, CURVE)}
    write_json(work / MADE, sizes)


def _check_never_made(work: Path, name: str) -> None:
    """Checks that a file may be empty: that the program did not make one.

    Raises:
        ProgramError: It did, and the file was lost since.
    """
    record, made = read_json(work / METRICS), {}
    if (work / MADE).exists():
        made = read_json(work / MADE)
    over = record["status"] in (Status.DONE, Status.STOPPED)
    if over and (record.get("weights") == name or made.get(name)):
        raise ProgramError(
            f"{work / name} is missing, though the training that wrote it is over; put "
            f"it back, or remove {work} to train again, and to score that"
        )


def score(context: Context, name: TrialName) -> None:
    """Scores the weights of one trial; a trial without weights keeps its status."""
    campaign = context.campaign
    files = trial_files(context.root, name)
    metrics = read_json(files.folder / METRICS)
    work = files.score_work(scoring_digest(campaign))
    if metrics["status"] in (Status.DIVERGED, Status.FAILED):
        record = {"status": metrics["status"], "reason": metrics.get("reason")}
        record["values"] = dict.fromkeys(campaign.application.values)
    elif campaign.application.score is None:
        record = {"status": metrics["status"], "values": metrics.get("values", {})}
    else:
        record = _run_score(context, name, work)
        if metrics["status"] == Status.STOPPED and record["status"] == Status.DONE:
            record["status"] = Status.STOPPED.value
    record["values"] = _expected_values(campaign, record, work)
    record["digests"] = {
        "training": training_digest(campaign),
        "scoring": scoring_digest(campaign),
    }
    write_json(files.folder / SCORE, record)


def _run_score(context: Context, name: TrialName, work: Path) -> dict[str, Any]:
    campaign = context.campaign
    assert campaign.application.score is not None
    stage = Stage(
        command=campaign.application.score,
        work=work,
        product=SCORE,
        config=program_input(campaign, trial_params(campaign, name)),
        init=trial_files(context.root, name).folder / WEIGHTS,
        seed=training_seed(campaign.seed, name.seed),
        threads=campaign.threads,
        log=context.log,
        values=campaign.application.values,
    )
    return dict(run_stage(stage, context.attempt))


def _expected_values(
    campaign: Campaign, record: dict[str, Any], work: Path
) -> dict[str, float | None]:
    """The declared values and no others; a done trial must name each of them."""
    values = record.get("values") or {}
    if record["status"] == Status.DONE:
        for name in campaign.application.values:
            if name not in values:
                raise ProgramError(
                    f"a done trial must record {list(campaign.application.values)}, "
                    f"but {name!r} is missing; see {work}"
                )
    return {name: values.get(name) for name in campaign.application.values}
