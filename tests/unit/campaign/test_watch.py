"""What `status` says besides its line, and the watch."""

import io
import json
import subprocess
import sys

import pytest
import yaml

from collinear.campaign.__main__ import main
from collinear.campaign.attempts import last_line
from collinear.campaign.config import load_campaign
from collinear.campaign.digests import freeze
from collinear.campaign.files import write_json
from collinear.campaign.journal import Step
from collinear.campaign.status import read_status
from collinear.campaign.steps import journal_of
from collinear.campaign.watch import Failure, details, read_failures, watch
from collinear.search import Proposal, Result, Status


def attempt(root, trial, started, hours, code=0, message=None, work="work"):
    work = root / "trials" / trial / work
    write_json(work / "settings.json", {})
    record = {"started": started, "ended": started + 3600 * hours, "exit_code": code}
    if message is not None:
        record["message"] = message
    with open(work / "attempts.jsonl", "a") as stream:
        stream.write(json.dumps(record) + "\n")


@pytest.fixture
def root(tmp_path):
    """Two trials told of five, one in trouble, one at work."""
    folder = tmp_path / "small"
    write_json(folder / "settings.json", {})
    journal = journal_of(folder)
    points = [(0, 0), (0, 1), (1, 0), (1, 1)]
    journal.record_asked(Step("lane00", 0), [Proposal(p) for p in points])
    told = [Result(p, 1, Status.DONE, {"niqe": 5.0, "rmse": 9.0}) for p in points[:2]]
    journal.record_told(Step("lane00", 0), told, "scoring")
    for number, point in enumerate(["0-0", "0-1"]):
        attempt(folder, f"{point}/seed1", 3600.0 * number, 2.0)
        write_json(folder / f"trials/{point}/seed1/work/metrics.json", {})
    attempt(folder, "1-0/seed1", 0.0, 0.5, 1, "no space left on device")
    attempt(folder, "1-0/seed1", 7200.0, 0.5, 137, "out of memory")
    write_json(folder / "trials/1-1/seed1/work/settings.json", {})
    return folder


def test_hours_and_failures_are_told(campaign, root):
    lines = details(read_status(campaign, root), root)
    assert lines == [
        "5 GPU hours of trainings used, at most 7.5 left at this rate",
        "2 trainings begun and not ended",
        "1-0/seed1: 2 attempts failed: out of memory",
    ]


def test_a_trial_that_recovered_is_no_failure(root):
    attempt(root, "1-0/seed1", 9000.0, 1.0)
    assert read_failures(root, "cd34") == []


def test_many_failures_are_cut_short(campaign, root):
    for number in range(15):
        attempt(root, f"2-{number}/seed1", 9000.0 + number, 0.1, 1)
    assert read_failures(root, "cd34")[0] == Failure("2-14/seed1", 1, None)
    lines = details(read_status(campaign, root), root)
    assert lines[2] == "2-14/seed1: 1 attempt failed: it printed nothing"
    assert lines[-1] == "and 6 more"


def test_watch_looks_until_the_campaign_has_finished(campaign, root, monkeypatch):
    waits, stream = [], io.StringIO()
    looks = iter([False, False, True])
    monkeypatch.setattr(
        "collinear.campaign.status._is_finished", lambda *_: next(looks)
    )
    watch(campaign, root, 7.0, stream, waits.append)
    assert waits == [7.0, 7.0]
    assert stream.getvalue().count("small: 2 of at most 5 trials") == 3
    assert "\x1b" not in stream.getvalue()  # no terminal


def test_command_line(settings, root, tmp_path, capsys):
    path = tmp_path / "campaign.yaml"
    path.write_text(yaml.safe_dump(settings))
    results = ["--results", str(tmp_path)]
    (root / "settings.json").unlink()
    freeze(load_campaign(settings), root)
    assert main(["status", str(path), *results]) == 0
    assert "1-0/seed1: 2 attempts failed" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["status", str(path), *results, "--watch", "0"])


@pytest.mark.parametrize(
    ("text", "last"),
    [("", None), (" \n\n", None), ("a\nb \n\n", "b"), ("x" * 9000, "x" * 200)],
)
def test_last_line_of_a_log(tmp_path, text, last):
    (tmp_path / "log").write_text(text)
    assert last_line(tmp_path / "log") == last
    assert last_line(tmp_path / "absent") is None


def test_a_last_call_is_announced_while_trainings_run(campaign, root):
    call = {"closed": 9000.0, "seconds": {"all": 5400.0}, "search": "x"}
    write_json(root / "last_call.json", call)
    lines = details(read_status(campaign, root), root)
    assert "last call: each may use 1.5 h since the first lane was over" in lines
    ended = {"status": "failed", "last_call": True}
    write_json(root / "trials/1-0/seed1/work/metrics.json", ended)
    assert read_failures(root, "cd34") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "must hold the keys of a campaign"),
        (b"- 1\n", "must hold the keys of a campaign"),
        (b"a: [", "is not YAML"),
        (b"a: \xff\xfe", "is not UTF-8 text"),
        (b"campaign: x\nspace: [1]\n", "is not the configuration of a campaign"),
        (b"space: {1: [1.0]}\n", "keys must be text"),
    ],
)
def test_status_of_what_is_no_campaign(text, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there is no schema
    (tmp_path / "x.yaml").write_bytes(text)
    assert main(["status", "x.yaml"]) == 2
    assert words in capsys.readouterr().err


def test_status_of_other_settings_than_those_started(settings, root, tmp_path, capsys):
    (root / "settings.json").unlink()
    freeze(load_campaign(settings), root)
    settings["space"]["a"] = [0.0, 1.0, 3.0]
    path = tmp_path / "campaign.yaml"
    path.write_text(yaml.safe_dump(settings))
    assert main(["status", str(path), "--results", str(tmp_path)]) == 2
    assert "space.a: [0.0, 1.0, 2.0] -> [0.0, 1.0, 3.0]" in capsys.readouterr().err


def test_refused_result_is_a_failed_attempt(root):
    attempt(root, "0-1/seed1", 9e9, 1.0, message="status must be one of")
    assert read_failures(root, "cd34")[0].message == "status must be one of"


def test_a_scoring_that_failed_is_named_too(root):
    attempt(root, "0-1/seed1", 9000.0, 1.0, 1, "no reference", work="work/score-ab12")
    failed = Failure("0-1/seed1 (scoring)", 1, "no reference")
    assert read_failures(root, "ab12")[0] == failed
    assert failed not in read_failures(root, "cd34")  # of an older scoring
    (root / "trials/0-1/seed1/work/wandb").mkdir()
    (root / "trials/0-1/seed1/work/wandb/attempts.jsonl").write_text('{"exit_code": 1}')
    assert read_failures(root, "ab12")[0] == failed


def test_a_damaged_journal_is_named(settings, root, tmp_path, capsys):
    path = tmp_path / "campaign.yaml"
    path.write_text(yaml.safe_dump(settings))
    (root / "settings.json").unlink()
    freeze(load_campaign(settings), root)
    results = ["--results", str(tmp_path)]
    (root / "history/told/lane00-0.json").write_text("{")
    assert main(["status", str(path), *results]) == 2
    assert "lane00-0.json: not valid JSON" in capsys.readouterr().err
    (root / "settings.json").write_text("")
    assert main(["status", str(path), *results]) == 2
    assert "settings.json: not valid JSON" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["status", str(path), "--watch", "abc"])
    assert "must be 0.1 s or more, but got abc" in capsys.readouterr().err


def test_an_interruption_hides_no_failure(root):
    before = read_failures(root, "cd34")
    attempt(root, "1-0/seed1", 9000.0, 0.5, 130)
    lines = (root / "trials/1-0/seed1/work/attempts.jsonl").read_text().splitlines()
    lines[-1] = json.dumps(json.loads(lines[-1]) | {"interrupted": True})
    path = root / "trials/1-0/seed1/work/attempts.jsonl"
    path.write_text("\n".join(lines) + "\n")
    assert read_failures(root, "cd34") == before != []


def test_a_reader_that_has_seen_enough_is_no_error(settings, root, tmp_path):
    path = tmp_path / "campaign.yaml"
    path.write_text(yaml.safe_dump(settings))
    (root / "settings.json").unlink()
    freeze(load_campaign(settings), root)
    command = [sys.executable, "-m", "collinear.campaign", "status", str(path)]
    command += ["--results", str(tmp_path), "--watch", "0.1"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().startswith("small: 2 of")
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
