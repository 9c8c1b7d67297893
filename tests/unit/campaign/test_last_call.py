"""The last call: who hears it, what is allowed, when it is forgotten."""

import json
import time

import pytest

from collinear.campaign.files import read_json, write_json
from collinear.campaign.journal import Step
from collinear.campaign.last_call import (
    RECORD,
    announce,
    last_call_notes,
    overtime_of,
    read_last_call,
    used_since,
)
from collinear.campaign.steps import candidates, journal_of, update
from collinear.campaign.trials import TrialName, read_candidates, trial_files

SPACE = {"a": [float(i) for i in range(6)], "b": [10.0, 20.0]}


def finish(root, name, seconds, status="done"):
    """What the program and the scoring leave behind for one trial."""
    files = trial_files(root, name)
    record = {"status": status, "values": {"niqe": 5.0, "rmse": 9.0}}
    write_json(files.folder / "score.json", record)
    note(root, name, 0.0, seconds)


def note(root, name, started, ended):
    work = trial_files(root, name).work
    work.mkdir(parents=True, exist_ok=True)
    clock = {"started": started, "ended": ended, "exit_code": 0}
    with open(work / "attempts.jsonl", "a") as stream:
        stream.write(json.dumps(clock) + "\n")


def ask(campaign, root, lane, step):
    table = root / f"{lane}-{step}.tsv"
    candidates(campaign, root, Step(lane, step), table)
    return read_candidates(table)


@pytest.fixture
def make(make_campaign):
    def build(**changes):
        base = {"space": SPACE, "lanes": 2, "batch": 5, "max_trials": 10}
        return make_campaign(**(base | changes))

    return build


def close_first(campaign, root, seconds=(80.0, 90.0, 100.0, 110.0, 120.0)):
    """Lane 0 tells its first batch and is over; lane 1 still runs."""
    names = ask(campaign, root, "lane00", 0)
    for name, length in zip(names, seconds, strict=True):
        finish(root, name, length)
    update(campaign, root, Step("lane00", 0), root / "u.json")
    assert ask(campaign, root, "lane00", 1) == []
    return ask(campaign, root, "lane01", 0)


def test_the_first_lane_that_is_over_calls(make, tmp_path):
    before = time.time()
    names = close_first(make(), tmp_path)
    call = read_last_call(tmp_path)
    assert before <= call.closed <= time.time()
    assert call.seconds == {"all": pytest.approx(1.9 * 100.0)}
    assert len(names) == 5


def test_a_training_ends_once_its_own_seconds_are_used(make, tmp_path):
    campaign = make()
    name = close_first(campaign, tmp_path)[0]
    closed, limit = read_last_call(tmp_path).closed, 190.0
    reason = overtime_of(campaign, tmp_path, name).reason
    assert reason(closed - 1000.0, closed + limit - 1) is None
    assert "190 s are allowed" in reason(closed - 1000.0, closed + limit + 1)
    # It ran for 100 s after the call, was killed over night, and goes on.
    note(tmp_path, name, closed - 50.0, closed + 100.0)
    morning = closed + 40000.0
    assert reason(morning, morning + 89.0) is None
    assert reason(morning, morning + 91.0) is not None


def test_time_before_the_call_does_not_count():
    attempts = [(0.0, 5.0), (8.0, 12.0), (20.0, 21.0)]
    assert used_since(10.0, attempts) == pytest.approx(3.0)
    assert used_since(30.0, attempts) == 0.0


def test_before_the_call_nothing_is_limited(make, tmp_path):
    campaign = make()
    name = ask(campaign, tmp_path, "lane01", 0)[0]
    assert overtime_of(campaign, tmp_path, name).reason(0.0, 1e9) is None


def test_a_search_that_goes_on_forgets_the_call(make, tmp_path):
    name = close_first(make(), tmp_path)[0]
    more = make(max_trials=12)
    # Under the new budget the old call does not hold, not even before it is forgotten.
    assert overtime_of(more, tmp_path, name).reason(0.0, 1e12) is None
    assert len(ask(more, tmp_path, "lane00", 1)) == 2
    assert read_last_call(tmp_path) is None


def test_the_call_is_made_once(make, tmp_path):
    campaign = make()
    names = close_first(campaign, tmp_path)
    text = (tmp_path / RECORD).read_text()
    for name in names:
        finish(tmp_path, name, 500.0)
    update(campaign, tmp_path, Step("lane01", 0), tmp_path / "u.json")
    assert ask(campaign, tmp_path, "lane01", 1) == []
    assert (tmp_path / RECORD).read_text() == text


def test_a_few_trainings_make_no_mean(make, tmp_path):
    campaign = make()
    names = ask(campaign, tmp_path, "lane00", 0)
    for name in names:
        finish(tmp_path, name, 100.0, "done" if name != names[0] else "diverged")
    update(campaign, tmp_path, Step("lane00", 0), tmp_path / "u.json")
    ask(campaign, tmp_path, "lane00", 1)
    assert read_last_call(tmp_path).seconds == {}
    name = ask(campaign, tmp_path, "lane01", 0)[0]
    assert overtime_of(campaign, tmp_path, name).reason(0.0, 1e12) is None


def test_networks_of_another_size_have_lengths_of_their_own(make, tmp_path):
    campaign = make(pretrain_axes=["b"], lanes=1, batch=12, max_trials=12)
    for name in ask(campaign, tmp_path, "lane00", 0):
        finish(tmp_path, name, 100.0 if name.point.endswith("-0") else 1000.0)
    update(campaign, tmp_path, Step("lane00", 0), tmp_path / "u.json")
    ask(campaign, tmp_path, "lane00", 1)
    assert read_last_call(tmp_path).seconds == pytest.approx({"0": 190.0, "1": 1900.0})


def test_finals_and_the_conventional_setting_have_no_limit(make, tmp_path):
    campaign = make()
    assert overtime_of(campaign, tmp_path, TrialName("0-0", 101)) is None
    assert overtime_of(campaign, tmp_path, TrialName("conventional", 1)) is None
    assert overtime_of(campaign, tmp_path, TrialName("0-0", 2)) is not None


def test_it_can_be_switched_off_and_set(make, tmp_path):
    never = make(last_call=False)
    name = close_first(never, tmp_path)[0]
    assert read_last_call(tmp_path) is None
    assert overtime_of(never, tmp_path, name) is None
    short = make(last_call={"lengths": 3, "least": 400})
    announce(short, tmp_path, journal_of(tmp_path), 5.0)
    assert read_json(tmp_path / RECORD)["seconds"] == {"all": 400.0}


def test_a_changed_rule_holds_for_a_call_that_was_made(make, tmp_path):
    name = close_first(make(), tmp_path)[0]
    closed = read_last_call(tmp_path).closed
    longer = make(last_call={"lengths": 4.0})
    reason = overtime_of(longer, tmp_path, name).reason
    assert reason(closed, closed + 399.0) is None
    assert "400 s are allowed" in reason(closed, closed + 401.0)
    assert overtime_of(make(last_call=False), tmp_path, name) is None


def test_a_record_without_means_keeps_its_seconds(make, tmp_path):
    campaign = make()
    name = close_first(campaign, tmp_path)[0]
    record = read_json(tmp_path / RECORD)
    del record["means"]
    write_json(tmp_path / RECORD, record)
    longer = overtime_of(make(last_call={"lengths": 4.0}), tmp_path, name)
    assert "190 s are allowed" in longer.reason(
        record["closed"], record["closed"] + 191
    )


def test_what_it_ended_is_told(make, tmp_path):
    name = close_first(make(), tmp_path)[0]
    assert last_call_notes(tmp_path) == []
    record = {"status": "failed", "reason": "last call", "last_call": True}
    write_json(trial_files(tmp_path, name).folder / "metrics.json", record)
    assert last_call_notes(tmp_path)[0].startswith("1 training was ended")
