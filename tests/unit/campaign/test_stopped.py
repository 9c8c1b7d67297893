"""The stop table in journal and trial, and what a campaign reports of it."""

import json

import pytest

from collinear.campaign.files import read_json, write_json
from collinear.campaign.journal import FINALS, Step
from collinear.campaign.outcome import ProgramError, check_outcome
from collinear.campaign.schema import ConfigError
from collinear.campaign.start import check_input
from collinear.campaign.steps import candidates, journal_of, update
from collinear.campaign.stopped import (
    current_table,
    stopping_notes,
    stopping_table,
    summarise_stopping,
    trial_table,
)
from collinear.campaign.trials import TrialName, read_candidates, trial_files
from collinear.search import Proposal

STOPPING = {"rungs": [2, 4], "scores": 1, "audit": 0.0, "least": 4}


@pytest.fixture
def stopping(make_campaign):
    def make(**changes):
        section = STOPPING | changes.pop("stopping", {})
        base = {"lanes": 1, "batch": 4, "max_trials": 6, "conventional": None}
        given = {k: v for k, v in (base | changes).items() if v is not None}
        return make_campaign(**given, stopping=section)

    return make


@pytest.fixture
def no_conventional(settings):
    settings.pop("conventional")


def finish(campaign, root, name, niqe, rungs, status="done", rmse=9.0):
    """What the program and the scoring leave behind for one trial."""
    files = trial_files(root, name)
    write_json(files.work / "stop.json", trial_table(campaign, root, name))
    records = [
        {"epoch": e, "value": v, "hopeless": h}
        for e, (v, h) in zip((2.0, 4.0), rungs, strict=False)
    ]
    metrics = {"status": status, "epochs": 8, "planned_epochs": 8, "rungs": records}
    if status == "stopped":
        metrics["epochs"] = 2
    write_json(files.folder / "metrics.json", metrics)
    values = {"niqe": niqe, "rmse": rmse}
    write_json(files.folder / "score.json", {"status": status, "values": values})
    clock = {"started": 0.0, "ended": 3600.0, "exit_code": 0}
    (files.work / "attempts.jsonl").write_text(json.dumps(clock) + "\n")


def ask(campaign, root, step, lane="lane00"):
    table = root / f"{step}.tsv"
    candidates(campaign, root, Step(lane, step), table)
    return read_candidates(table)


@pytest.fixture
def first(no_conventional, stopping, tmp_path):
    """Four trials told: finals 4, 5, 6, 7, each one better than at its rungs."""
    campaign = stopping()
    names = ask(campaign, tmp_path, 0)
    for name, final in zip(names, (4.0, 5.0, 6.0, 7.0), strict=True):
        finish(campaign, tmp_path, name, final, [(final + 1, False), (final, False)])
    update(campaign, tmp_path, Step("lane00", 0), tmp_path / "0.json")
    return campaign, tmp_path


def test_first_trials_are_scored_and_never_stopped(first):
    _, root = first
    for path in root.glob("trials/*/seed1/work/stop.json"):
        table = read_json(path)
        assert [r["epoch"] for r in table["rungs"]] == [2.0, 4.0]
        assert all(r["threshold"] is None for r in table["rungs"])


def test_next_batch_is_asked_with_the_table_of_those_told(first):
    campaign, root = first
    names = ask(campaign, root, 1)
    entry = journal_of(root).asked(Step("lane00", 1))
    assert [r["threshold"] for r in entry["stop"]["rungs"]] == [5.0, 4.0]
    assert entry["stop"]["incumbent"] == 4.0
    for name in names:
        table = trial_table(campaign, root, name)
        assert table == entry["stop"] | {"run_on": False}


def test_results_told_later_do_not_change_a_trial_s_table(first):
    campaign, root = first
    names = ask(campaign, root, 1)
    before = trial_table(campaign, root, names[1])
    finish(campaign, root, names[0], 1.0, [(9.0, False), (9.0, False)])
    finish(campaign, root, names[1], 1.0, [(9.0, False), (9.0, False)])
    update(campaign, root, Step("lane00", 1), root / "1.json")
    assert trial_table(campaign, root, names[1]) == before
    after = current_table(campaign, journal_of(root))
    assert after["rungs"][0]["margin"] > before["rungs"][0]["margin"]


def test_stopped_trials_teach_no_margin(first):
    campaign, root = first
    before = current_table(campaign, journal_of(root))
    for name in ask(campaign, root, 1):
        finish(campaign, root, name, 8.0, [(99.0, True)], status="stopped")
    update(campaign, root, Step("lane00", 1), root / "1.json")
    after = current_table(campaign, journal_of(root))
    assert after["rungs"] == before["rungs"]
    assert after["incumbent"] == 4.0


def test_curves_scored_in_another_way_teach_nothing(first, stopping, settings):
    _, root = first
    application = settings["application"] | {"scoring": {"images": "others"}}
    other = stopping(application=application)
    table = current_table(other, journal_of(root))
    assert [r["margin"] for r in table["rungs"]] == [None, None]


def test_finals_and_the_conventional_setting_are_never_stopped(first, stopping):
    campaign, root = first
    journal_of(root).record_asked(Step(FINALS, 0), [Proposal((0, 0), 101)])
    assert trial_table(campaign, root, TrialName("0-0", 101)) is None
    ask(campaign, root, 1)
    on_grid = stopping(conventional={"a": 2.0, "b": 10.0})
    table = trial_table(on_grid, root, TrialName("2-0", 1))
    assert all(r["threshold"] is None for r in table["rungs"])
    assert trial_table(campaign, root, TrialName("2-0", 1))["rungs"][0]["threshold"]


def test_the_report_says_what_was_saved_and_what_the_audit_found(first, stopping):
    campaign, root = first
    everyone = stopping(stopping={"audit": 1.0})
    one, two = ask(campaign, root, 1)
    finish(campaign, root, one, 8.0, [(99.0, True)], status="stopped")
    finish(everyone, root, two, 3.0, [(99.0, True), (3.5, False)])
    found = summarise_stopping(campaign, root)
    assert [t.trial for t in found.stopped] == [f"{one.point}/seed1"]
    assert found.hours_saved == pytest.approx(3.0)  # one hour for 2 of 8 epochs
    assert [t.lost for t in found.audited] == [True]
    said = " ".join(stopping_notes(campaign, root))
    assert "1 trial was stopped as hopeless, which saved 3 GPU hours (33 %" in (
        said.replace("33%", "33 %")
    )
    assert (
        "Of the hopeless trials 1 ran on as an audit, and 1 of them ended better"
        in said
    )
    rows = stopping_table(campaign, root).splitlines()
    assert len(rows) == 3
    assert rows[1].split("\t")[:2] == [f"{one.point}/seed1", "stopped"]


def test_an_audited_trial_that_breaks_a_limit_was_no_loss(first, stopping):
    campaign, root = first
    everyone = stopping(stopping={"audit": 1.0})
    name, _ = ask(campaign, root, 1)
    finish(everyone, root, name, 3.0, [(99.0, True), (3.5, False)], rmse=12.6)
    found = summarise_stopping(campaign, root)
    assert [(t.final, t.lost) for t in found.audited] == [(3.0, False)]


def test_a_program_that_records_no_rungs_is_noticed(first):
    campaign, root = first
    for path in root.glob("trials/*/seed1/metrics.json"):
        write_json(path, {"status": "done"})
    assert "no finished trial has recorded rungs" in stopping_notes(campaign, root)[0]


def test_without_stopping_nothing_is_written_or_said(campaign, tmp_path):
    ask(campaign, tmp_path, 0)
    assert "stop" not in journal_of(tmp_path).asked(Step("lane00", 0))
    assert trial_table(campaign, tmp_path, TrialName("0-0", 1)) is None
    assert stopping_notes(campaign, tmp_path) == []
    assert "stopping" not in check_input(campaign)


def test_the_check_command_sees_the_rungs(no_conventional, stopping):
    assert check_input(stopping())["stopping"] == {
        "rungs": (2.0, 4.0),
        "scores": 1,
        "every": 1.0,
        "least": 4,
        "margin": "largest",
        "value": "niqe",
    }


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"rungs": [6, 3]}, "stopping.rungs must ascend, but got"),
        ({"rungs": []}, "stopping.rungs"),
        ({"rungs": [3, 4], "scores": 2}, "must lie between two rungs"),
        ({"value": "beauty"}, "stopping.value: must be a value"),
        ({"audit": 2}, "stopping.audit"),
        ({"rest": 1}, "stopping: unknown key 'rest'"),
    ],
)
def test_a_bad_section_is_refused(stopping, no_conventional, section, said):
    with pytest.raises(ConfigError, match=said):
        stopping(stopping=section)


@pytest.mark.parametrize("rung", [{"epoch": 3}, {"epoch": "a", "value": 1.0}, 7])
def test_rungs_that_are_no_rungs_are_a_fault_of_the_program(tmp_path, rung):
    write_json(tmp_path / "m.json", {"status": "done", "rungs": [rung]})
    with pytest.raises(ProgramError, match="each of rungs must hold epoch"):
        check_outcome(tmp_path / "m.json")
