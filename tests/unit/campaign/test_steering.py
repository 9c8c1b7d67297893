"""Warm start, queue and stop rules in a campaign: config, journal, status, report."""

import json
from pathlib import Path

import pytest
import yaml

from collinear.campaign import steering, steps
from collinear.campaign.__main__ import main
from collinear.campaign.decide import decide
from collinear.campaign.digests import search_digest
from collinear.campaign.files import read_json, write_json
from collinear.campaign.journal import Step, comparable
from collinear.campaign.report import write_report
from collinear.campaign.report_tables import trials_table
from collinear.campaign.schema import ConfigError
from collinear.campaign.start import open_campaign
from collinear.campaign.status import read_status, status_line
from collinear.campaign.steps import candidates, first_batches, journal_of, update
from collinear.campaign.trials import parse_point, read_candidates, trial_files
from collinear.campaign.warm_start import read_earlier, read_prior
from collinear.search import Proposal, Result, Status

SPACE = {"a": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "b": [10.0, 20.0, 30.0, 40.0, 50.0]}
ANOVA = {"space": SPACE, "strategy": {"name": "anova"}, "lanes": 1, "max_trials": 30}
HUGE = json.dumps({"trials": [{"params": {"a": 10**400}}]})
PLAIN = {"conventional": {"a": 1.0, "b": 10.0}}


def niqe(point):
    return 3.0 + (point[0] - 3.2) ** 2 + 0.5 * (point[1] - 1.1) ** 2


def play(campaign, root, steps_at_most=99):
    """Asks and tells lane by lane until every lane has its empty table."""
    over, step = set(), 0
    while len(over) < campaign.lanes and step < steps_at_most:
        for lane in campaign.lane_names:
            if lane in over:
                continue
            table = root / f"{lane}-{step}.tsv"
            candidates(campaign, root, Step(lane, step), table)
            names = read_candidates(table)
            if not names:
                over.add(lane)
            for name in names:
                values = {"niqe": niqe(parse_point(name.point)), "rmse": 9.0}
                path = trial_files(root, name).folder / "score.json"
                write_json(path, {"status": "done", "values": values})
            if names:
                update(campaign, root, Step(lane, step), root / "update.json")
        step += 1
    return journal_of(root)


def endings(journal):
    return [e["ending"]["rule"] for e in journal.entries() if "ending" in e]


def score_conventional(root):
    path = root / "trials/1-0/seed1/score.json"
    write_json(path, {"status": "done", "values": {"niqe": 9.0, "rmse": 9.0}})


def test_budget_and_end_of_search_are_journalled(make_campaign, tmp_path):
    assert endings(play(make_campaign(lanes=1), tmp_path / "a")) == ["budget"]
    campaign = make_campaign(lanes=1, max_trials=50)
    assert endings(play(campaign, tmp_path / "b")) == ["search"]
    line = status_line(read_status(campaign, tmp_path / "b"))
    assert line.endswith("finished: the search has nothing more to propose")


def test_an_old_journal_without_reasons_still_reads(make_campaign, tmp_path):
    campaign = make_campaign(lanes=1)
    play(campaign, tmp_path)
    for path in (tmp_path / "history/asked").glob("*.json"):
        entry = read_json(path)
        entry.pop("ending", None)
        write_json(path, entry)
    assert status_line(read_status(campaign, tmp_path)).endswith("; finished")
    score_conventional(tmp_path)
    assert decide(make_campaign(lanes=1, **PLAIN), tmp_path)["ending"] is None


def test_little_to_gain_ends_every_lane_and_is_told_everywhere(make_campaign, tmp_path):
    campaign = make_campaign(**ANOVA | PLAIN, batch=5, stop={"improvement": 0.25})
    journal = play(campaign, tmp_path)
    assert endings(journal) == ["improvement"]
    assert len(journal.history().results) < 30
    line = status_line(read_status(campaign, tmp_path))
    assert (
        "finished: the improvement to be expected was below 0.25 of the noise" in line
    )
    score_conventional(tmp_path)
    write_json(tmp_path / "estimate.json", decide(campaign, tmp_path))
    write_report(campaign, tmp_path, read_json(tmp_path / "estimate.json"))
    page = (tmp_path / "report/index.html").read_text()
    assert "The search ended: the improvement to be expected" in page


def test_a_decision_holds_for_all_lanes_until_the_settings_change(
    make_campaign, tmp_path, monkeypatch
):
    options = ANOVA | {"lanes": 3, "batch": 2, "stop": {"improvement": 0.25}}
    campaign = make_campaign(**options)
    calls = []
    real = steering.little_left

    def counted(strategy, history, share):
        calls.append(real(strategy, history, share))
        return calls[-1]

    monkeypatch.setattr(steering, "little_left", counted)
    assert endings(play(campaign, tmp_path)) == ["improvement"] * 3
    assert calls.count(True) == 1  # the other lanes read the journal
    more = make_campaign(**options | {"stop": {"improvement": 1e-9}})
    candidates(more, tmp_path, Step("lane00", 99), tmp_path / "t.tsv")
    assert journal_of(tmp_path).asked(Step("lane00", 99))["search"] == search_digest(
        more
    )


def test_time_is_journalled_so_that_a_replay_needs_no_clock(
    make_campaign, tmp_path, monkeypatch
):
    now = [1000.0]
    monkeypatch.setattr(steps.time, "time", lambda: now[0])
    campaign = make_campaign(**ANOVA, batch=4, stop={"hours": 2.0})
    journal = play(campaign, tmp_path, steps_at_most=2)
    assert endings(journal) == []
    now[0] += 2.5 * 3600
    candidates(campaign, tmp_path, Step("lane00", 2), tmp_path / "t.tsv")
    assert endings(journal) == ["hours"]
    assert "2.5 h since the start, at most 2 wanted" in status_line(
        read_status(campaign, tmp_path)
    )
    now[0] = 0.0  # another clock changes nothing
    candidates(campaign, tmp_path, Step("lane00", 2), tmp_path / "t.tsv")
    assert read_candidates(tmp_path / "t.tsv") == []


def test_no_clock_is_kept_without_a_rule_that_needs_it(make_campaign, tmp_path):
    journal = play(make_campaign(lanes=1), tmp_path)
    entry = journal.entries()[0]
    assert set(entry) == {"lane", "step", "sequence", "seen", "search", "trials"}


def test_queued_settings_come_first_over_all_lanes(make_campaign, tmp_path):
    queue = [{"a": 5.0, "b": 50.0}, {"a": 0.0, "b": 10.0}, {"b": 30.0, "a": 2.0}]
    campaign = make_campaign(**ANOVA | {"lanes": 2, "batch": 2}, enqueue=queue)
    batches = first_batches(campaign)
    reasons = [p.reason for batch in batches.values() for p in batch]
    assert reasons == ["user", "user", "user", "fill"]
    journal = play(campaign, tmp_path)
    trials = [p.point for p in journal.history().proposals]
    assert trials[:3] == [(5, 4), (0, 0), (2, 2)]
    assert len(trials) == len(set(trials)) == 30


def test_queue_that_is_added_later_is_asked_next(make_campaign, tmp_path):
    options = ANOVA | {"batch": 3}
    play(make_campaign(**options), tmp_path, steps_at_most=2)
    taken = {p.point for p in journal_of(tmp_path).history().proposals}
    point = next((i, j) for i in range(6) for j in range(5) if (i, j) not in taken)
    setting = {"a": SPACE["a"][point[0]], "b": SPACE["b"][point[1]]}
    campaign = make_campaign(**options, enqueue=[setting])
    candidates(campaign, tmp_path, Step("lane00", 2), tmp_path / "t.tsv")
    entry = journal_of(tmp_path).asked(Step("lane00", 2))
    assert entry["trials"][0] == {
        "point": f"{point[0]}-{point[1]}",
        "seed": 1,
        "reason": "user",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"enqueue": [{"a": 0.5, "b": 10.0}]},
            "enqueue: setting 0: a .* nearest are 0 and 1",
        ),
        ({"enqueue": [{"a": 1.0}]}, "enqueue: setting 0 must give one value"),
        ({"enqueue": [{"a": "x", "b": 1.0}]}, "enqueue"),
        ({"enqueue": [{"a": 0.0, "b": 10.0}] * 2}, "equals setting 0"),
        (
            {
                "enqueue": [{"a": float(i), "b": 10.0} for i in range(3)],
                "max_trials": 2,
            },
            "enqueue: must not exceed max_trials",
        ),
        ({"stop": {"improvement": 0.25}}, "stop.improvement: needs the model"),
        ({"stop": {"improvement": 0}}, "stop.improvement: must be greater than 0"),
        ({"stop": {"hours": "1e3"}}, "stop.hours: a number is needed"),
        ({"stop": {"time": 3}}, "stop: unknown key 'time'"),
        ({"warm_start": 3}, "warm_start"),
        ({"warm_start": "x"}, "can make no use of earlier trials"),
    ],
)
def test_wrong_steering_is_refused(make_campaign, changes, message):
    with pytest.raises(ConfigError, match=message):
        make_campaign(**{"lanes": 1} | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"enqueue": [{"a": 0.0, "b": 10.0}]},
        {"stop": {"hours": 3}},
        {"warm_start": "results/other"},
    ],
)
def test_steering_is_part_of_the_search_digest(make_campaign, changes):
    options = {"strategy": {"name": "levelled"}, "lanes": 1}
    plain = make_campaign(**options)
    assert search_digest(make_campaign(**options | changes)) != search_digest(plain)
    assert search_digest(
        make_campaign(**options, enqueue=[], stop={})
    ) == search_digest(plain)


@pytest.fixture
def other(make_campaign, tmp_path):
    """The folder of another campaign: other values on one axis, another order."""
    space = {"b": [10.0, 15.0, 20.0, 30.0], "a": [0.0, 1.0, 3.0, 4.0]}
    campaign = make_campaign(space=space, lanes=1, batch=4, max_trials=16)
    root = tmp_path / "other"
    play(campaign, root)
    score_conventional(root)
    table = trials_table(campaign, root)
    (root / "report").mkdir()
    table.to_csv(root / "report/trials.tsv", sep="\t", index=False)
    return root


@pytest.mark.parametrize("kind", ["folder", "table", "json"])
def test_another_campaign_is_placed_on_the_grid(make_campaign, other, tmp_path, kind):
    path = other if kind == "folder" else other / "report/trials.tsv"
    if kind == "json":
        path = other / "trials.json"
        write_json(path, {"trials": read_earlier(other)})
    campaign = make_campaign(**ANOVA, warm_start=str(path))
    prior = read_prior(campaign, tmp_path / "new")
    assert len(prior.points) == 12
    assert prior.skipped == 4  # b = 15 is not on the grid
    assert {i for i, _ in prior.points} == {0, 1, 3, 4}
    root = tmp_path / "new"
    play(campaign, root, steps_at_most=1)
    assert "warm start from 12 earlier settings, 4 trials off the grid" in status_line(
        read_status(campaign, root)
    )


@pytest.mark.parametrize("below", ["", "report/trials.tsv"])
def test_a_campaign_does_not_start_from_itself(
    make_campaign, other, tmp_path, monkeypatch, below
):
    monkeypatch.chdir(tmp_path)
    itself = make_campaign(**ANOVA, warm_start=f"./other/../other/{below}")
    with pytest.raises(ConfigError, match="this campaign itself"):
        read_prior(itself, other)
    assert read_prior(itself, tmp_path / "new") is not None


def test_what_the_other_campaign_does_later_changes_nothing(
    make_campaign, other, tmp_path
):
    campaign = make_campaign(**ANOVA, batch=4, warm_start=str(other))
    first = play(campaign, tmp_path / "one")
    assert {p.reason for p in first.history().proposals[:4]} == {"warm", "fill"}
    play(campaign, tmp_path / "two", steps_at_most=1)
    journal = journal_of(other)
    journal.record_asked(Step("lane00", 50), [Proposal((0, 0), 7)])
    result = Result((0, 0), 7, Status.DONE, {"niqe": -99.0, "rmse": 1.0})
    journal.record_told(Step("lane00", 50), [result], "s")
    again = play(campaign, tmp_path / "two")
    assert comparable(again) == comparable(first)


def test_line_strategies_start_at_the_best_setting_and_report_their_lines(
    make_campaign, other, tmp_path
):
    campaign = make_campaign(
        **ANOVA | {"strategy": {"name": "levelled"}} | PLAIN,
        warm_start=str(other),
        enqueue=[{"a": 5.0, "b": 50.0}],
    )
    root = tmp_path / "new"
    play(campaign, root)
    proposals = journal_of(root).history().proposals
    assert [p.reason for p in proposals[:2]] == ["user", "start"]
    assert proposals[1].point == (1, 2)  # a = 1, b = 30: the best of the other campaign
    score_conventional(root)
    write_json(root / "estimate.json", decide(campaign, root))
    write_report(campaign, root, read_json(root / "estimate.json"))
    page = (root / "report/index.html").read_text()
    assert "Warm start from 12 earlier settings, 4 trials off the grid skipped." in page


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: "nowhere", "must be the folder of a started campaign"),
        (lambda root: str(root / "report"), "must be the folder of a started campaign"),
        (lambda root: _table(root, "a\tb\n1\t2\n"), "columns of a report's trials.tsv"),
        (lambda root: _json(root, "[]"), "reading it failed"),
        (lambda root: _json(root, "{"), "reading it failed"),
        (lambda root: _json(root, '{"trials": [{"params": 3}]}'), "reading it failed"),
        (
            lambda root: _json(root, '{"trials": [{"params": {"a": NaN}}]}'),
            "a must be finite",
        ),
        (lambda root: _table(root, _row(a="x")), "column a must hold numbers"),
        (lambda root: _table(root, _row(a="")), "column a must hold numbers"),
        (lambda root: _table(root, _row(status="odd")), "a status must be one of"),
        (lambda root: _table(root, _row(value="psnr")), "must have a value 'niqe'"),
        (lambda root: _table(root, _row(a="77")), "1 lie off it"),
        (lambda root: _table(root, _row()), "4 or more"),
        (lambda root: _table(root, _row(), "utf-16"), "mine.tsv cannot be read as"),
        (lambda root: _folder(root, "{"), "cannot be read as the trials"),
        (lambda root: _folder(root, "{}"), "cannot be read as the trials"),
        (lambda root: _json(root, HUGE), "reading it failed"),
    ],
)
def test_a_warm_start_that_does_not_fit_is_refused_at_the_start(
    settings, schema, other, tmp_path, break_it, message
):
    config = settings | ANOVA | {"warm_start": break_it(other)}
    with pytest.raises(ConfigError, match=message):
        open_campaign(json.loads(json.dumps(config)), schema, tmp_path / "results")


def _table(root, text, encoding="utf-8"):
    path = root / "mine.tsv"
    path.write_text(text, encoding=encoding)
    return str(path)


def _folder(root, settings):
    (root / "settings.json").write_text(settings)
    return str(root)


def _json(root, text):
    path = root / "mine.json"
    path.write_text(text)
    return str(path)


def _row(a="1.0", status="done", value="niqe"):
    head = f"lane\tstep\tpoint\tseed\ta\tb\tstatus\tfeasible\t{value}\trmse\n"
    return head + f"lane00\t0\t1-0\t1\t{a}\t10.0\t{status}\tTrue\t3.0\t9.0\n"


def test_diverged_trials_of_a_table_have_no_value(other):
    text = _row(status="diverged").replace("\t3.0\t9.0", "\t\t")
    assert read_earlier(Path(_table(other, text)))[0]["values"] == {
        "niqe": None,
        "rmse": None,
    }


@pytest.mark.parametrize("value", ["NaN", "Infinity", "null"])
def test_earlier_value_that_is_no_number_is_none(other, value):
    row = {"params": {"a": 1, "b": 10}, "status": "done", "values": {"niqe": 0}}
    text = json.dumps({"trials": [row]}).replace('"niqe": 0', f'"niqe": {value}')
    [found] = read_earlier(Path(_json(other, text)))
    assert found["values"] == {"niqe": None}


def test_status_command_names_a_warm_start_that_cannot_be_read(
    settings, make_campaign, tmp_path, capsys
):
    options = settings | ANOVA
    play(make_campaign(**ANOVA), tmp_path / "small", steps_at_most=1)
    path = tmp_path / "campaign.yaml"
    for changes, code in (({}, 0), ({"warm_start": "nowhere"}, 2)):
        path.write_text(yaml.safe_dump(options | changes))
        assert main(["status", str(path), "--results", str(tmp_path)]) == code
    assert "must be the folder of a started campaign" in capsys.readouterr().err
