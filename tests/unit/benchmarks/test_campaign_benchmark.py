"""A small part of the campaign simulation: it keeps its own rules and the product's."""

import sys
from pathlib import Path

import pytest

from collinear.search import Proposal

FOLDER = Path(__file__).parents[3] / "benchmarks" / "campaign"
MODULES = ("cluster", "grids", "measures", "product", "run", "headlines", "tables")
OTHERS = ("landscapes", "rough", "simulate")


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import cluster
    import measures
    import product
    import run

    monkeypatch.setitem(run.BUDGETS, "jh220044", 60)
    yield cluster, measures, product, run
    for name in (*MODULES, *OTHERS):
        sys.modules.pop(name, None)


def test_a_trial_has_the_same_job_in_every_campaign(bench):
    cluster = bench[0]
    trial = Proposal((1, 2, 3, 4), 1)
    jobs = [cluster.job(cluster.Cluster(), "valley", 3, trial) for _ in range(2)]
    assert jobs[0] == jobs[1]
    other = cluster.job(cluster.Cluster(), "valley", 4, trial)
    assert other != jobs[0]


def test_jobs_that_always_die_are_told_as_failed_and_end_the_campaign(bench):
    cluster, _, _, run = bench
    doomed = cluster.Cluster(slots=10, failures=1.0)
    trace, tuner = run.simulate("random-lanes", "jh220044", "valley", 0, doomed)
    assert {r.status for r in tuner.history.results} == {"failed"}
    assert len(tuner.history.results) == 60
    assert len(trace.closed) == 50


@pytest.mark.parametrize("method", ["random-lanes", "anova-lanes-finals"])
def test_lanes_spend_the_budget_once_and_leave_no_slot_idle(bench, method):
    cluster, measures, _, run = bench
    trace, tuner = run.simulate(method, "jh220044", "valley", 0, cluster.Cluster())
    row = measures.measures(trace, tuner)
    keys = [p.key for p in tuner.history.proposals]
    assert row["trials"] == len(keys) == len(set(keys)) == 60
    assert not tuner.history.pending
    assert row["width"] == pytest.approx(50, abs=1)
    # When the first lane closes nothing is left to ask: the others end what they run.
    assert 0.0 < row["closing_share"] <= 1.0
    assert row["closing"] <= max(end - start for start, end in trace.busy)
    fresh = [p for p in tuner.history.proposals if p.seed > 100]
    assert len(fresh) == (9 if method.endswith("finals") else 0)


def test_a_campaign_from_memory_equals_one_without(bench):
    cluster, _, product, run = bench
    memory = product.Memory()
    where = ("anova-lanes", "jh220044", "valley", 1, cluster.Cluster(slots=20))
    for _ in range(2):
        again = run.simulate(*where, memory)[1].history
    assert memory.known
    assert again == run.simulate(*where)[1].history


def test_lines_wait_for_their_batch_and_end_by_their_own_rule(bench):
    cluster, measures, _, run = bench
    where = ("levelled", "jh220044", "valley", 0)
    trace, tuner = run.simulate(*where, cluster.Cluster(cv=0.0, failures=0.0))
    row = measures.measures(trace, tuner)
    assert row["wall"] == pytest.approx(row["batches"])  # equal jobs: a batch is one
    assert row["width"] == pytest.approx(
        sum(n for _, n in trace.asked[:-1]) / (row["batches"] - 1)
    )
    assert measures.parse(row["reached"])[-1][1] <= measures.parse(row["reached"])[0][1]


def test_a_slow_main_process_narrows_the_campaign(bench):
    cluster, measures, _, run = bench
    where = ("random-lanes", "jh220044", "valley", 0)
    rows = [
        measures.measures(*run.simulate(*where, cluster.Cluster(per_proposal=cost)))
        for cost in (0.0, 0.1)
    ]
    assert rows[1]["width"] < 0.8 * rows[0]["width"]
    assert rows[1]["wall"] > rows[0]["wall"]


def test_an_attempt_goes_on_from_the_last_save(bench):
    """Dying costs at most a tenth of the length with ten saves, up to all without."""
    cluster = bench[0]
    trials = [Proposal((i, 0, 0, 0), 1) for i in range(300)]

    def lengths(**changes):
        where = cluster.Cluster(**changes)
        return [cluster.job(where, "valley", 0, t).length for t in trials]

    calm, saved = lengths(failures=0.0), lengths(failures=0.2)
    repeated = lengths(failures=0.2, saves=0)
    lost = [b / a - 1 for a, b in zip(calm, saved, strict=True) if b > a * 1.001]
    assert lost
    assert max(lost) < 0.25  # two deaths of an attempt and rounding
    assert max(b / a - 1 for a, b in zip(calm, repeated, strict=True)) > 0.5


def test_the_last_call_ends_what_runs_for_too_long(bench):
    """Job lengths with cv 1: the last lane closes as late as the slowest job."""
    cluster, measures, _, run = bench
    spread = cluster.Cluster(cv=1.0)
    rows, trials = {}, {}
    for method in ("anova-lanes", "anova-lanes-to-the-end"):
        trace, tuner = run.simulate(method, "jh220044", "valley", 0, spread)
        rows[method] = measures.measures(trace, tuner)
        trials[method] = {p.key for p in tuner.history.proposals}
        assert len(tuner.history.results) == 60
    ended, whole = rows.values()
    assert len(set(map(frozenset, trials.values()))) == 1
    assert whole["closing"] > 2
    assert whole["called"] == 0
    assert ended["called"] > 0
    assert ended["failed"] == whole["failed"] + ended["called"]
    assert ended["closing"] < whole["closing"]
    assert ended["width"] == pytest.approx(whole["width"])
