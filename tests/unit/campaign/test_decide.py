"""The estimate, its table, and the clocks."""

import pytest

from collinear.campaign.clocks import Job, assign_slots, parallel_width
from collinear.campaign.decide import decide
from collinear.campaign.files import write_json
from collinear.campaign.journal import Step
from collinear.campaign.report_tables import _cell, result_table, trials_table
from collinear.campaign.status import (
    busy_seconds,
    count_outcomes,
    read_status,
    status_line,
)
from collinear.campaign.steps import journal_of
from collinear.search import History, Proposal, Result, Status

VALUES = {
    (0, 0): (Status.DONE, 5.0, 9.0),
    (0, 1): (Status.DONE, 3.0, 13.0),  # over the limit of 12.5
    (1, 0): (Status.DONE, 4.0, 12.0),
    (1, 1): (Status.DIVERGED, None, None),
}


def run(root, conventional):
    journal = journal_of(root)
    journal.record_asked(Step("lane00", 0), [Proposal(p) for p in VALUES])
    results = [
        Result(point, 1, status, {"niqe": niqe, "rmse": rmse})
        for point, (status, niqe, rmse) in VALUES.items()
    ]
    journal.record_told(Step("lane00", 0), results, "scoring")
    path = root / "trials/conventional/seed1/score.json"
    write_json(path, conventional)


def done(niqe, rmse=9.0):
    return {"status": "done", "values": {"niqe": niqe, "rmse": rmse}}


@pytest.mark.parametrize(
    ("conventional", "words"),
    [
        (done(4.5), "improves on the conventional setting by 0.5 in niqe"),
        (done(3.75), "no setting better than the conventional one"),
        (done(4.0), "equals it in niqe"),
        (done(3.0, rmse=99.0), "conventional setting breaks a limit"),
        (
            {"status": "failed", "values": {"niqe": None, "rmse": None}},
            "conventional setting ended as failed",
        ),
        (done(4.5) | {"status": "stopped"}, "conventional setting ended as stopped"),
    ],
)
def test_verdict_says_what_was_found(campaign, tmp_path, conventional, words):
    run(tmp_path, conventional)
    estimate = decide(campaign, tmp_path)
    assert estimate["best"]["trial"] == "1-0/seed1"
    assert words in estimate["verdict"]


def test_outcomes_are_counted_with_the_limit_of_today(make_campaign, tmp_path):
    run(tmp_path, done(4.5))
    strict = decide(make_campaign(), tmp_path)
    assert strict["outcomes"] == {"diverged": 1, "done": 2, "infeasible": 1}
    loose = decide(make_campaign(limits={"rmse": 16.0}), tmp_path)
    assert loose["outcomes"] == {"diverged": 1, "done": 3}
    assert loose["best"]["trial"] == "0-1/seed1"


def test_no_feasible_trial_is_said_plainly(make_campaign, tmp_path):
    run(tmp_path, done(4.5))
    estimate = decide(make_campaign(limits={"rmse": 1.0}), tmp_path)
    assert estimate["best"] is None
    assert "no estimate" in estimate["verdict"]
    result_table(make_campaign(limits={"rmse": 1.0}), estimate)


def test_table_sets_the_documented_result_beside(make_campaign, tmp_path):
    campaign = make_campaign(
        documented_result={
            "source": "paper",
            "objective_name": "perceptual_index",
            "objective": 2.0,
            "conventional_objective": 2.04,
            "trials": 363,
        }
    )
    run(tmp_path, done(4.5))
    table = result_table(campaign, decide(campaign, tmp_path))
    assert list(table.columns) == [
        "this campaign",
        "conventional setting",
        "documented (paper)",
    ]
    documented = table["documented (paper)"]
    assert documented["trials"] == "363"
    assert "not comparable" in documented["perceptual_index"]
    assert documented["niqe"] == ""
    assert table["this campaign"]["niqe"] == "4.0000"


def test_cells_show_small_values_and_say_what_is_missing():
    assert [_cell(v, "done") for v in (4.0, 0.0, -0.25, 1e-5, 1.23456e-4)] == [
        "4.0000",
        "0.0000",
        "-0.2500",
        "1e-05",
        "0.0001235",
    ]
    assert _cell(4.5, "stopped") == "4.5000 (stopped)"
    assert _cell(None, "done") == "not recorded"
    assert _cell(None, "diverged") == "diverged"


def test_done_without_an_objective_is_an_outcome_of_its_own(campaign):
    lost = Result((0, 0), 1, Status.DONE, {"niqe": None, "rmse": 1.0})
    history = History().ask([Proposal((0, 0), 1)]).tell([lost])
    assert count_outcomes(history, campaign.goal) == {"without a value": 1}


def test_all_trials_are_listed(campaign, tmp_path):
    run(tmp_path, done(4.5))
    table = trials_table(campaign, tmp_path)
    assert list(table["feasible"]) == [True, False, True, False]
    assert list(table["a"]) == [0.0, 0.0, 1.0, 1.0]


def test_status_line_tells_progress(campaign, tmp_path):
    run(tmp_path, done(4.5))
    line = status_line(read_status(campaign, tmp_path))
    assert line.startswith("small: 4 of at most 5 trials; best niqe 4, rmse 12 at a=1")
    assert "1 diverged, 1 infeasible" in line


JOBS = [
    Job("a", 0.0, 10.0, True),
    Job("b", 1.0, 3.0, True),
    Job("c", 4.0, 6.0, False),
    Job("d", 20.0, 25.0, True),
]


def test_slots_are_reused_when_free():
    assert assign_slots(JOBS) == [0, 1, 1, 0]


def test_width_is_a_step_function():
    times, widths = parallel_width(JOBS)
    assert widths == [1, 2, 1, 2, 1, 0, 1, 0]
    assert times == sorted(times)


def test_idle_time_does_not_count_as_busy():
    assert busy_seconds(JOBS) == 15.0
