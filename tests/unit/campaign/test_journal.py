"""The journal keeps what was asked and told, and replays it."""

from collinear.campaign.files import read_json, write_json
from collinear.campaign.journal import Journal, Step, comparable
from collinear.search import Proposal, Result, Status

ASK = [Proposal((0, 1), 1, "start"), Proposal((2, 0), 1, "line")]
TELL = [
    Result((0, 1), 1, Status.DONE, {"niqe": 4.5, "rmse": 9.0}),
    Result((2, 0), 1, Status.DIVERGED, {"niqe": None, "rmse": None}),
]


def test_replay_gives_back_what_was_written(tmp_path):
    journal = Journal(tmp_path)
    journal.record_asked(Step("lane00", 0), ASK, search="x")
    journal.record_told(Step("lane00", 0), TELL, "scoring")
    history = journal.history()
    assert history.proposals == tuple(ASK)
    assert [r.status for r in history.results] == ["done", "diverged"]
    assert history.results[0].values == {"niqe": 4.5, "rmse": 9.0}
    assert history.pending == ()


def test_sequence_orders_lanes_and_seen_counts_told_steps(tmp_path):
    journal = Journal(tmp_path)
    journal.record_asked(Step("lane01", 0), ASK[:1])
    journal.record_asked(Step("lane00", 0), ASK[1:])
    journal.record_told(Step("lane00", 0), TELL[1:], "scoring")
    entry = journal.record_asked(Step("lane00", 1), [])
    assert entry["sequence"] == 4
    assert entry["seen"] == {"lane00": 1}
    assert [e["sequence"] for e in journal.entries()] == [1, 2, 3, 4]


def test_rescored_entry_keeps_its_place(tmp_path):
    journal = Journal(tmp_path)
    step = Step("lane00", 0)
    journal.record_asked(step, ASK)
    journal.record_told(step, TELL, "old")
    journal.record_asked(Step("lane00", 1), [])
    better = [Result((0, 1), 1, Status.DONE, {"niqe": 1.0, "rmse": 9.0}), TELL[1]]
    assert journal.record_told(step, better, "new")["sequence"] == 2
    assert journal.history().results[0].values["niqe"] == 1.0


def test_comparable_leaves_clocks_and_reasons_out(tmp_path):
    first, second = Journal(tmp_path / "1"), Journal(tmp_path / "2")
    for journal, reason in ((first, "start"), (second, "other")):
        asked = [Proposal((0, 1), 1, reason)]
        journal.record_asked(Step("lane00", 0), asked)
        journal.record_told(Step("lane00", 0), TELL[:1], "scoring")
    assert comparable(first) == comparable(second)
    assert comparable(first) == [
        ("lane00", 0, (0, 1), 1, "done", (("niqe", 4.5), ("rmse", 9.0)), ())
    ]


def test_temporary_files_of_a_killed_write_are_not_entries(tmp_path):
    journal = Journal(tmp_path)
    journal.record_asked(Step("lane00", 0), ASK)
    (tmp_path / "asked" / ".lane00-1.json.99.tmp").write_text("{")
    assert len(journal.entries()) == 1


def test_a_journal_that_names_every_told_step_compares_as_one_that_counts_them(
    tmp_path,
):
    journals = [Journal(tmp_path / name) for name in ("old", "new")]
    for journal in journals:
        journal.record_asked(Step("lane00", 0), ASK)
        journal.record_told(Step("lane00", 0), TELL, "scoring")
        journal.record_asked(Step("lane00", 1), [])
        journal.record_asked(Step("lane01", 0), ASK[:1])
    for path in (tmp_path / "old" / "asked").glob("*.json"):
        entry = read_json(path)
        named = [f"{lane}-{k}" for lane, n in entry["seen"].items() for k in range(n)]
        write_json(path, entry | {"seen": named})
    assert comparable(journals[0]) == comparable(journals[1])
    assert comparable(journals[0])[0][-1] == ()
