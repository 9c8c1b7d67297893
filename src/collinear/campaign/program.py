"""Runs a command of the application and records how it ended.

The command writes into ``work/``, which no rule declares, and ends with
``metrics.json`` (or ``score.json``). That file is the truth: when it is there, the
command is never started again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from collinear.campaign.attempts import (
    FAILED_LOG,
    INTERRUPTED,
    append_record,
    keep_log,
    last_line,
    read_attempts,
    read_records,
)
from collinear.campaign.files import locked, read_json, unlock, write_json
from collinear.campaign.outcome import ProgramError, check_outcome, tell_diverged
from collinear.campaign.overtime import Overtime, overseen
from collinear.campaign.slurm_step import watched
from collinear.search import Status

# Attempts that run the program; one more only records that it failed.
REAL_ATTEMPTS = 3
LAST_CALL = "last_call"  # in a result: the training was ended by it
STOP = "stop.json"  # beside settings.json: what may stop the training early
# With less free space, a fault is the disk's and not the trial's.
ENOUGH_BYTES = 16 * 2**20
_NOT_STARTED = 127  # exit code of a program that is not there, as a shell gives it
_SAVING_SECONDS = 30.0  # that an interrupted program may take to save its state
_INTERRUPTED = 130  # likewise, of one that Ctrl-C has ended
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class Stage:
    """One run of one command.

    Attributes:
        command: Argument list; ``{python}`` stands for this interpreter.
        work: The program's ``--out``.
        product: Name of the file that ends the stage, in `work`.
        config: What the program reads from ``--config``.
        init: Weights to start from, or None.
        seed: Training seed.
        threads: Threads of BLAS and torch.
        log: File that gets the program's output.
        stop: Stop table that the first start freezes, or None.
        overtime: When the program is ended for good, or None.
        values: Names of the values that a done result must hold.
    """

    command: Sequence[str]
    work: Path
    product: str
    config: Mapping[str, Any]
    init: Path | None
    seed: int
    threads: int
    log: Path
    stop: Mapping[str, Any] | None = None
    overtime: Overtime | None = None
    values: Sequence[str] = ()

    @property
    def result(self) -> Path:
        return self.work / self.product


def run_stage(stage: Stage, attempt: int | None = None) -> dict[str, Any]:
    """Runs or resumes a stage, unless its result is there already.

    The lock is held by the program too: when this process is killed and the program
    lives on, a second start waits for it instead of training the same trial twice. A
    result that breaks the contract is moved out of the way, whichever attempt it is of,
    so that the next one starts the program again.

    Args:
        stage: What to run.
        attempt: Number of this attempt from 1, or None when a fault is no outcome
            (the pretraining): the attempt after the last real one records `failed`.

    Returns:
        The content of the result file.

    Raises:
        ProgramError: The program ended with a fault, or the disk is full; another
            attempt may follow.
    """
    waiting = f"{stage.work}: waiting for a program that is still at work there"
    with locked(stage.work / "lock", waiting) as descriptor:
        found = _settled(stage, attempt, descriptor)
        # Nothing is left to train, so a child that the program left behind holds up no
        # later start. After a fault it does: it may be the training itself.
        unlock(descriptor)
        return found


def _settled(stage: Stage, attempt: int | None, descriptor: int) -> dict[str, Any]:
    if stage.result.exists():
        _refusal(stage)
    if not stage.result.exists():
        if attempt is not None and attempt > REAL_ATTEMPTS and _had_chances(stage):
            _record_failure(stage)
        else:
            _start(stage, descriptor)
    found: dict[str, Any] = read_json(stage.result)
    return found


def expand(command: Sequence[str]) -> list[str]:
    """The argument list with ``{python}`` replaced by this interpreter."""
    return [sys.executable if word == "{python}" else word for word in command]


def thread_environment(threads: int) -> dict[str, str]:
    """This process's environment with the number of threads set for every library."""
    count = {name: str(threads) for name in _THREAD_VARIABLES}
    # OpenMP threads that spin while they wait make two jobs on two cores slow.
    return {**os.environ, **count, "OMP_WAIT_POLICY": "passive"}


def _refusal(stage: Stage) -> ProgramError | None:
    """What is wrong with a result; such a file is moved out of the way."""
    try:
        tell_diverged(stage.result, stage.values)
        check_outcome(stage.result, stage.values)
    except ProgramError as error:
        stage.result.replace(stage.result.with_suffix(".refused.json"))
        return error
    return None


def _had_chances(stage: Stage) -> bool:
    """Whether the program was started often enough, full disks left out."""
    records = read_records(stage.work)
    spoilt = sum(bool(r.get("disk_full")) for r in records)
    started = sum("exit_code" not in r for r in records)
    ended = sum("exit_code" in r for r in records)
    return max(started, ended) - spoilt >= REAL_ATTEMPTS


def _disk_is_full(stage: Stage) -> bool:
    return shutil.disk_usage(stage.work).free < ENOUGH_BYTES


def _record_failure(stage: Stage) -> None:
    # Snakemake empties the log before each attempt; the clocks kept what it said.
    messages = [a["message"] for a in read_attempts(stage.work) if a.get("message")]
    said = f", last with {messages[-1]!r}" if messages else ""
    log = stage.work / FAILED_LOG
    log = log if log.exists() else stage.log
    reason = f"the program failed in {REAL_ATTEMPTS} attempts{said}; see {log}"
    write_json(stage.result, {"status": Status.FAILED.value, "reason": reason})


def _start(stage: Stage, descriptor: int) -> None:
    if _disk_is_full(stage):
        raise ProgramError(
            f"the disk of {stage.work} has less than {ENOUGH_BYTES >> 20} MiB left; "
            "free space and repeat the command (this attempt is not counted)"
        )
    settings, stop = stage.work / "settings.json", stage.work / STOP
    if not settings.exists():
        # Before the settings: a start that was killed in between goes on here.
        if stage.stop is not None and not stop.exists():
            write_json(stop, dict(stage.stop))
        write_json(settings, dict(stage.config))
    arguments = [*expand(stage.command), "--config", str(settings)]
    if stage.init is not None:
        arguments += ["--init", str(stage.init)]
    if stop.exists():
        arguments += ["--stop", str(stop)]
    arguments += ["--out", str(stage.work), "--seed", str(stage.seed)]
    started = time.time()
    append_record(stage.work, {"started": started, "host": socket.gethostname()})
    try:
        code, over = _run(arguments, stage, descriptor, started)
    except ProgramError as error:
        _record_attempt(stage, started, _NOT_STARTED, error)
        raise
    except KeyboardInterrupt:
        # Ctrl-C goes to the program too. Its time was used, whatever it was used for.
        _record_interrupt(stage, started)
        raise
    refusal = _refusal(stage) if stage.result.exists() else None
    _record_attempt(stage, started, code, refusal)
    if over is not None and not stage.result.exists():
        record = {"status": Status.FAILED.value, "reason": over, LAST_CALL: True}
        write_json(stage.result, record)
        return
    if code != 0:
        raise ProgramError(
            f"{arguments[0]} ... ended with exit code {code}; see {stage.log}"
        )
    if refusal is not None:
        raise refusal
    if not stage.result.exists():
        raise ProgramError(
            f"the program ended well but did not write {stage.result}; see {stage.log}"
        )


def _run(
    arguments: list[str], stage: Stage, descriptor: int, started: float
) -> tuple[int, str | None]:
    """Waits for the program: its exit code, and why it was ended for good, if so."""
    stage.log.parent.mkdir(parents=True, exist_ok=True)
    with open(stage.log, "a", encoding="utf-8") as log:
        try:
            process = subprocess.Popen(
                arguments,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=thread_environment(stage.threads),
                pass_fds=(descriptor,),
            )
        except OSError as error:
            raise ProgramError(f"cannot start {arguments[0]!r}: {error}") from error
        # Slurm announces the end of the time with SIGTERM, PJM with SIGXCPU.
        numbers = (signal.SIGTERM, signal.SIGXCPU)
        previous = [signal.signal(n, _forward(process)) for n in numbers]
        try:
            end = process.terminate
            with watched(end), overseen(stage.overtime, end, started) as reasons:
                code = _ended(process)
            return code, reasons[0] if reasons else None
        finally:
            for number, handler in zip(numbers, previous, strict=True):
                signal.signal(number, handler)


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Waits for a program; after Ctrl-C, which it gets too, a while for its state."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(_SAVING_SECONDS)
        raise


def _forward(process: subprocess.Popen[bytes]) -> Any:
    """A handler that has the program save its state."""

    def handler(number: int, frame: FrameType | None) -> None:
        process.send_signal(signal.SIGTERM)

    return handler


def _record_interrupt(stage: Stage, started: float) -> None:
    record = {
        "started": started,
        "ended": time.time(),
        "exit_code": _INTERRUPTED,
        "host": socket.gethostname(),
        INTERRUPTED: True,
    }
    append_record(stage.work, record)


def _record_attempt(
    stage: Stage, started: float, code: int, refusal: ProgramError | None
) -> None:
    record: dict[str, Any] = {
        "started": started,
        "ended": time.time(),
        "exit_code": code,
        "host": socket.gethostname(),
    }
    if refusal is not None:
        record["message"] = str(refusal)
    elif code != 0:
        record["message"] = last_line(stage.log)
    if (code != 0 or refusal is not None) and not _disk_is_full(stage):
        keep_log(stage.log, stage.work)
    if code != 0 and _disk_is_full(stage):
        record["disk_full"] = True
    append_record(stage.work, record)
