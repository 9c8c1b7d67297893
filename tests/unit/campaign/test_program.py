"""Programs that end well, break, lie or are started again."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from collinear.campaign import program
from collinear.campaign.attempts import attempt_failed, read_attempts
from collinear.campaign.files import read_json, write_json
from collinear.campaign.outcome import ProgramError, check_outcome
from collinear.campaign.overtime import Overtime, looking
from collinear.campaign.program import (
    ENOUGH_BYTES,
    LAST_CALL,
    REAL_ATTEMPTS,
    Stage,
    expand,
    run_stage,
    thread_environment,
)

PROGRAM = """
import json, pathlib, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
out = pathlib.Path(arguments["--out"])
config = json.loads(pathlib.Path(arguments["--config"]).read_text())
with open(out / "starts", "a") as stream:
    stream.write("x")
if "exit" in config:
    sys.exit(config["exit"])
if "result" in config:
    (out / "metrics.json").write_text(config["result"])
print("seed", arguments["--seed"], "init", arguments.get("--init"))
"""


@pytest.fixture
def make_stage(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)

    def make(**config):
        return Stage(
            command=("{python}", str(path)),
            work=tmp_path / "work",
            product="metrics.json",
            config=config,
            init=None,
            seed=5,
            threads=1,
            log=tmp_path / "log.txt",
        )

    return make


def test_result_is_read_and_the_program_is_never_started_again(make_stage, tmp_path):
    stage = make_stage(result='{"status": "done"}')
    for _ in range(2):
        assert run_stage(stage, 1) == {"status": "done"}
    assert (tmp_path / "work/starts").read_text() == "x"
    assert "seed 5 init None" in stage.log.read_text()
    assert [a["exit_code"] for a in read_attempts(stage.work)] == [0]


def test_fault_is_an_error_until_the_last_attempt_records_it(make_stage, tmp_path):
    stage = make_stage(exit=3)
    for attempt in range(1, REAL_ATTEMPTS + 1):
        with pytest.raises(ProgramError, match="exit code 3"):
            run_stage(stage, attempt)
    record = run_stage(stage, REAL_ATTEMPTS + 1)
    assert record["status"] == "failed"
    assert "3 attempts" in record["reason"]
    assert (tmp_path / "work/starts").read_text() == "xxx"


def test_attempts_that_never_started_the_program_do_not_count(make_stage, tmp_path):
    stage = make_stage(exit=3)
    with pytest.raises(ProgramError, match="exit code 3"):
        run_stage(stage, REAL_ATTEMPTS + 1)
    assert (tmp_path / "work/starts").read_text() == "x"


@pytest.fixture
def disk(monkeypatch):
    """How many bytes are free, as this module sees it."""
    free = {"bytes": 2 * ENOUGH_BYTES}

    class Usage:
        @property
        def free(self):
            return free["bytes"]

    monkeypatch.setattr(program.shutil, "disk_usage", lambda path: Usage())
    return free


def test_full_disk_is_named_and_nothing_is_started(make_stage, tmp_path, disk):
    disk["bytes"] = ENOUGH_BYTES - 1
    for attempt in range(1, REAL_ATTEMPTS + 2):
        with pytest.raises(ProgramError, match=r"less than 16 MiB left.*not counted"):
            run_stage(make_stage(exit=3), attempt)
    assert not (tmp_path / "work/starts").exists()


def test_fault_on_a_full_disk_is_not_the_trials(
    make_stage, tmp_path, disk, monkeypatch
):
    """The disk fills while the program runs, three times, and is free at the last."""
    stage = make_stage(exit=3)
    start = program._run

    def fill(*arguments):
        code = start(*arguments)
        disk["bytes"] = 0
        return code

    monkeypatch.setattr(program, "_run", fill)
    for attempt in range(1, REAL_ATTEMPTS + 2):
        disk["bytes"] = 2 * ENOUGH_BYTES
        with pytest.raises(ProgramError, match="exit code 3"):
            run_stage(stage, attempt)
    monkeypatch.setattr(program, "_run", start)
    disk["bytes"] = 2 * ENOUGH_BYTES
    for attempt in range(1, REAL_ATTEMPTS + 1):
        with pytest.raises(ProgramError, match="exit code 3"):
            run_stage(stage, attempt)
    assert run_stage(stage, REAL_ATTEMPTS + 1)["status"] == "failed"


def test_fault_of_the_pretraining_is_never_an_outcome(make_stage):
    for _ in range(REAL_ATTEMPTS + 2):
        with pytest.raises(ProgramError):
            run_stage(make_stage(exit=1))


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ('{"status": "fine"}', "status must be one of"),
        ('{"status": "done", "values": {"x": "3"}}', r"values\.x must be a finite"),
        ('{"status": "done", "values": {"x": "1"}}', r"values\.x must be a finite"),
        (f'{{"status": "done", "values": {{"x": 1{"0" * 400}}}}}', "must be a finite"),
        ('{"status"', "not valid JSON"),
        ("[]", "status must be one of"),
        ("[]", r"must be a mapping.*but is \[\]"),
        ('{"status": "DONE"}', "status must be one of.*got 'DONE'"),
        ('{"status": "done", "values": [1, 2]}', "values must be a mapping"),
        (
            '{"status": "done", "values": {"x": 1}, "rungs": 3}',
            "each of rungs must hold epoch",
        ),
    ],
)
def test_result_that_breaks_the_contract_is_refused_and_tried_again(
    make_stage, result, words
):
    stage = dataclasses.replace(make_stage(result=result), values=("x",))
    for attempt in range(1, REAL_ATTEMPTS + 1):
        with pytest.raises(ProgramError, match=words):
            run_stage(stage, attempt)
        assert not stage.result.exists()
    assert run_stage(stage, REAL_ATTEMPTS + 1)["status"] == "failed"


def test_done_result_without_a_wanted_value_is_refused(make_stage):
    stage = make_stage(result='{"status": "done", "values": {"x": 1}}')
    stage = dataclasses.replace(stage, values=("x", "y"))
    for attempt in range(1, REAL_ATTEMPTS + 1):
        with pytest.raises(ProgramError, match=r"must record \['x', 'y'\]"):
            run_stage(stage, attempt)
    record = run_stage(stage, REAL_ATTEMPTS + 1)
    assert record["status"] == "failed"
    assert "must record" in record["reason"]


def test_torn_result_does_not_stay_for_ever(make_stage, tmp_path):
    stage = make_stage(result='{"status": "done"}')
    stage.work.mkdir(parents=True)
    stage.result.write_text('{"status": "do')
    assert run_stage(stage, 1) == {"status": "done"}
    assert (tmp_path / "work/starts").read_text() == "x"
    assert (stage.work / "metrics.refused.json").read_text() == '{"status": "do'


def test_program_without_result_is_a_fault(make_stage):
    with pytest.raises(ProgramError, match="did not write"):
        run_stage(make_stage(), 1)


def test_settings_of_the_first_start_stay(make_stage):
    stage = make_stage(exit=1, marker="first")
    with pytest.raises(ProgramError):
        run_stage(stage, 1)
    with pytest.raises(ProgramError):
        run_stage(make_stage(exit=1, marker="second"), 2)
    assert read_json(stage.work / "settings.json")["marker"] == "first"


def test_torn_clock_line_is_left_out(make_stage):
    stage = make_stage(result='{"status": "done"}')
    run_stage(stage, 1)
    with open(stage.work / "attempts.jsonl", "a") as stream:
        stream.write('{"started": 1')
    assert len(read_attempts(stage.work)) == 1
    stage.result.unlink()
    run_stage(stage, 2)
    assert len(read_attempts(stage.work)) == 2


def test_null_is_a_value(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"status": "diverged", "values": {"niqe": None}})
    assert check_outcome(path)["values"] == {"niqe": None}


def test_python_of_this_environment_is_used():
    assert expand(["{python}", "-m", "x"]) == [sys.executable, "-m", "x"]


def test_threads_reach_every_library():
    environment = thread_environment(3)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        assert environment[name] == "3"


WAITING = """
import json, pathlib, signal, sys, time
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
out = pathlib.Path(arguments["--out"])
config = json.loads(pathlib.Path(arguments["--config"]).read_text())
def end(*_):
    if config["finishes"]:
        (out / "metrics.json").write_text('{"status": "done"}')
        sys.exit(0)
    (out / "state").write_text("saved")
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
(out / "ready").write_text("")
time.sleep(60)
"""


@pytest.mark.parametrize("finishes", [False, True])
def test_overtime_ends_a_program_for_good(make_stage, tmp_path, finishes):
    stage = make_stage(finishes=finishes)
    (tmp_path / "program.py").write_text(WAITING)

    def reason(started, now):
        assert started <= now
        return "too long" if (stage.work / "ready").exists() else None

    stage = dataclasses.replace(stage, overtime=Overtime(reason, 0.05))
    record = run_stage(stage, 1)
    if finishes:  # it came to its end in the same moment: nothing finished is lost
        assert record == {"status": "done"}
        return
    assert record == {"status": "failed", "reason": "too long", LAST_CALL: True}
    assert (stage.work / "state").read_text() == "saved"
    assert run_stage(stage, 2) == record
    assert len(read_attempts(stage.work)) == 1


def test_a_program_within_its_time_is_left_alone(make_stage):
    stage = make_stage(result='{"status": "done"}')
    stage = dataclasses.replace(stage, overtime=Overtime(lambda *_: None, 0.01))
    assert run_stage(stage, 1) == {"status": "done"}


def test_a_look_that_cannot_read_is_repeated():
    seen = []

    def look():
        seen.append(1)
        if len(seen) == 1:
            raise OSError("stale file handle")
        return True

    with looking(look, 0.01):
        deadline = time.monotonic() + 10
        while len(seen) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(seen) == 2


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_value_that_is_not_finite_is_a_divergence(make_stage, tmp_path, number):
    values = f'{{"x": {number}, "other": NaN, "text": "of no concern"}}'
    stage = make_stage(result=f'{{"status": "done", "loss": NaN, "values": {values}}}')
    record = run_stage(dataclasses.replace(stage, values=("x",)), 1)
    assert record["status"] == "diverged"
    assert record["reason"] == f"x is {float(number.replace('Infinity', 'inf'))}"
    assert record["values"]["x"] is record["loss"] is None
    assert (tmp_path / "work/starts").read_text() == "x"


def test_values_that_nobody_wants_are_of_no_concern(make_stage):
    stage = make_stage(
        result='{"status": "done", "values": {"x": 1, "y": NaN, "z": ""}}'
    )
    for wanted in (("x",), ()):
        stage.work.mkdir(parents=True, exist_ok=True)
        stage.result.unlink(missing_ok=True)
        found = run_stage(dataclasses.replace(stage, values=wanted), 1)
        assert found["status"] == "done"
    assert check_outcome(stage.result, ["x"])["values"]["x"] == 1


def test_a_program_that_is_not_there_is_an_attempt_with_a_reason(make_stage):
    stage = dataclasses.replace(make_stage(), command=("no_such_program", "x"))
    for attempt in range(1, REAL_ATTEMPTS + 1):
        with pytest.raises(ProgramError, match="cannot start 'no_such_program'"):
            run_stage(stage, attempt)
    assert {a["exit_code"] for a in read_attempts(stage.work)} == {127}
    record = run_stage(stage, REAL_ATTEMPTS + 1)
    assert record["status"] == "failed"
    assert "cannot start 'no_such_program'" in record["reason"]


def test_what_a_failed_attempt_printed_is_kept(make_stage):
    """Snakemake empties the log of a job before each attempt."""
    stage = dataclasses.replace(
        make_stage(), command=("{python}", "-c", "import sys; sys.exit('out of luck')")
    )
    for attempt in range(1, REAL_ATTEMPTS + 1):
        with pytest.raises(ProgramError):
            run_stage(stage, attempt)
        stage.log.write_text("")
    record = run_stage(stage, REAL_ATTEMPTS + 1)
    kept = stage.work / "failed.log"
    assert record["reason"].endswith(f"see {kept}")
    assert kept.read_text() == "out of luck\n" * REAL_ATTEMPTS


@pytest.mark.parametrize("code", [0, 1])
def test_a_child_that_a_program_left(make_stage, tmp_path, caplog, code):
    """It has the lock's descriptor. After a fault it may be the training itself."""
    child = (
        "import subprocess, sys, pathlib\n"
        "out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(4)']\n"
        "subprocess.Popen(sleep, close_fds=False)\n"
        "(out / 'metrics.json').write_text('{\"status\": \"done\"}')\n"
        if code == 0
        else "import subprocess, sys\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(4)']\n"
        "subprocess.Popen(sleep, close_fds=False)\n"
        "sys.exit(1)"
    )
    stage = dataclasses.replace(make_stage(), command=("{python}", "-c", child))
    begun = time.monotonic()
    for attempt in (1, 2):
        if code:
            with pytest.raises(ProgramError, match="exit code 1"):
                run_stage(stage, attempt)
        else:
            assert run_stage(stage, attempt) == {"status": "done"}
    waited = time.monotonic() - begun
    said = "waiting for a program that is still at work" in caplog.text
    assert (waited > 3.5, said) == (bool(code), bool(code))


def test_a_wrapper_that_says_127_is_quoted(make_stage):
    code = "import sys; print('torchrun: not found'); sys.exit(127)"
    stage = dataclasses.replace(make_stage(), command=("{python}", "-c", code))
    with pytest.raises(ProgramError, match="exit code 127"):
        run_stage(stage, 1)
    assert read_attempts(stage.work)[0]["message"] == "torchrun: not found"


def test_values_of_a_divergence_may_be_nan(make_stage):
    stage = make_stage(result='{"status": "diverged", "values": {"x": NaN}}')
    record = run_stage(dataclasses.replace(stage, values=("x",)), 1)
    assert record == {"status": "diverged", "values": {"x": None}}


def test_the_time_of_an_interrupted_attempt_is_kept(make_stage, tmp_path):
    """Ctrl-C goes to the whole group; the program saves its state, then both end."""
    slow = tmp_path / "program.py"
    slow.write_text(
        "import pathlib, signal, sys, time\n"
        "def save(*_):\n"
        "    time.sleep(0.6)\n"
        "    pathlib.Path('saved').touch()\n"
        "    sys.exit(75)\n"
        "signal.signal(signal.SIGINT, save)\n"
        "pathlib.Path('begun').touch()\n"
        "time.sleep(60)\n"
    )
    starter = tmp_path / "starter.py"
    starter.write_text(
        "import pathlib\n"
        "from collinear.campaign.program import Stage, run_stage\n"
        "here = pathlib.Path.cwd()\n"
        "run_stage(Stage(('{python}', 'program.py'), here / 'work', 'metrics.json', {},"
        " None, 5, 1, here / 'log'), 1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(starter)],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) != 0
    assert (tmp_path / "saved").exists()
    (attempt,) = read_attempts(tmp_path / "work")
    assert attempt["ended"] - attempt["started"] > 0.6
    assert not attempt_failed(attempt)
