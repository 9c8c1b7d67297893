"""Stop tables, decisions and replays."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collinear.training.errors import TuningError
from collinear.training.stop_replay import replay, risk_interval
from collinear.training.stopping import (
    FinishedCurve,
    Rung,
    StopPlan,
    StopTable,
    is_audited,
    make_table,
    margin_quantile,
    near_limit,
    value_at_rung,
)

PLAN = StopPlan((10.0, 20.0), scores=3, least=4)
QUANTILE = StopPlan((10.0, 20.0), scores=3, least=4, margin="quantile")
NUMBERS = st.floats(-50, 50).map(lambda x: round(x, 3))
CURVES = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=4, max_size=30)


def finished(rows):
    return [FinishedCurve((a, b), c) for a, b, c in rows]


def table_of(rows, incumbent=None, **options):
    best = min(r[2] for r in rows) if incumbent is None else incumbent
    return make_table(PLAN, finished(rows), value="niqe", incumbent=best, **options)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (((),), "at least one epoch"),
        (((0.0, 5.0),), "above 0"),
        (((10.0, 10.0),), "must ascend"),
        (((20.0, 10.0),), "must ascend"),
        (((10.0, 12.0), 3), "rung 12 begin at epoch 10, not after 10"),
        (((3.0,), 5), "rung 3 begin at epoch -1"),
        (((10.0,), 0), "scores must be a whole number"),
        (((10.0,), 2, 0.0), "every must be above 0"),
        (((10.0,), 2, 1.0, 0), "least must be a whole number"),
        (
            ((10.0,), 2, 1.0, 4, "median"),
            "margin must be one of largest, quantile, near",
        ),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(arguments, said):
    with pytest.raises(TuningError, match=said):
        StopPlan(*arguments)


def test_a_rung_at_the_end_saves_nothing_and_is_refused():
    PLAN.check_length(21)
    with pytest.raises(TuningError, match="last is 20 and trial x has 20 epochs"):
        PLAN.check_length(20, "trial x")


def test_a_rung_is_judged_by_the_median_of_the_scores_that_exist():
    assert PLAN.score_epochs(10.0) == (8.0, 9.0, 10.0)
    assert value_at_rung([1.0, 9.0, 2.0]) == 2.0
    assert value_at_rung([None, float("nan"), 4.0]) == 4.0
    assert value_at_rung([None]) is None


def test_threshold_is_the_incumbent_and_the_largest_later_improvement():
    rows = [(6.0, 5.0, 4.0), (7.0, 5.0, 4.5), (6.0, 6.0, 5.0), (8.0, 7.0, 5.0)]
    table = table_of(rows)
    gains = [2.0, 2.5, 1.0, 3.0]
    margin = max(gains)
    quantile = make_table(QUANTILE, finished(rows), value="niqe", incumbent=4.0)
    assert quantile.rungs[0].margin == pytest.approx(np.quantile(gains, 0.95))
    assert table.rungs[0].margin == pytest.approx(margin)
    assert table.rungs[0].threshold == pytest.approx(4.0 + margin)
    assert table.hopeless(0, [4.0 + margin + 0.01])
    assert not table.hopeless(0, [4.0 + margin - 0.01])
    assert not table.hopeless(0, [None, None])


def test_few_finished_trials_or_no_incumbent_stop_nothing():
    rows = [(6.0, 5.0, 4.0)] * 3
    assert table_of(rows).rungs[0].threshold is None
    assert make_table(PLAN, [], value="v", incumbent=1.0).rungs[1].threshold is None
    curves = finished([*rows, *rows])
    assert make_table(PLAN, curves, value="v", incumbent=None).rungs[0].margin == 2.0
    assert not make_table(PLAN, curves, value="v", incumbent=None).hopeless(0, [1e9])


def test_trials_that_became_worse_are_no_reason_to_stop_earlier():
    table = table_of([(3.0, 3.0, 4.0)] * 5)
    assert table.rungs[0].margin == 0.0
    assert not table.hopeless(0, [3.9])


def test_the_quantile_leaves_out_one_of_n_from_twenty_on():
    assert margin_quantile(19, "quantile") == 0.95
    assert margin_quantile(20, "quantile") == pytest.approx(0.95)
    assert margin_quantile(100, "quantile") == pytest.approx(0.99)
    assert margin_quantile(100, "largest") == 1.0


NEAR = StopPlan((10.0, 20.0), scores=3, least=4, margin="near")


def test_a_trial_that_ended_far_away_teaches_nothing_about_the_near_ones():
    rows = [(6.0, 5.0, 4.0), (7.0, 5.0, 4.5), (6.0, 6.0, 5.0), (8.0, 7.0, 5.0)]
    wild = [(580.0, 400.0, 260.0), (99.0, 90.0, 50.0)]
    near = make_table(NEAR, finished(rows + wild), value="niqe", incumbent=4.0)
    # quarters 4.625 and 5, so 5 + 7 * 0.375 = 7.625 is the worst that still counts
    assert near_limit([4.0, 4.5, 5.0, 5.0, 50.0, 260.0]) == pytest.approx(7.625)
    assert near.rungs[0].margin == pytest.approx(3.0)
    assert near.finished == 6
    assert table_of(rows + wild).rungs[0].margin == pytest.approx(320.0)
    mirrored = [FinishedCurve((-a, -b), -c) for a, b, c in rows + wild]
    high = make_table(NEAR, mirrored, value="v", incumbent=-4.0, lower_is_better=False)
    assert high.rungs[0].threshold == pytest.approx(-near.rungs[0].threshold)


@given(CURVES)
def test_near_is_never_wider_than_largest_and_knows_the_better_half(rows):
    best = min(r[2] for r in rows)
    near = make_table(NEAR, finished(rows), value="niqe", incumbent=best)
    assert near.rungs[0].margin <= table_of(rows).rungs[0].margin
    middle = np.median([r[2] for r in rows])
    for first, _, final in rows:
        if final <= middle:
            assert near.rungs[0].margin >= first - final - 1e-9


@given(CURVES, NUMBERS, st.randoms())
def test_order_of_trials_does_not_matter(rows, value, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert table_of(rows) == table_of(shuffled)


@given(CURVES, NUMBERS)
def test_a_value_to_be_maximised_is_the_mirror_image(rows, value):
    low = table_of(rows)
    mirrored = [tuple(-x for x in row) for row in rows]
    high = table_of(mirrored, incumbent=-min(r[2] for r in rows), lower_is_better=False)
    assert low.hopeless(0, [value]) == high.hopeless(0, [-value])


@given(CURVES, NUMBERS, st.booleans())
def test_a_table_read_from_its_file_decides_alike(rows, value, run_on):
    table = table_of(rows, run_on=run_on)
    again = StopTable.from_json(json.loads(json.dumps(table.as_json())))
    assert again == table
    assert again.hopeless(1, [value]) == table.hopeless(1, [value])


@given(CURVES)
def test_no_trial_that_taught_the_margin_would_have_been_stopped_and_won(rows):
    best = min(r[2] for r in rows)
    table = table_of(rows)
    for first, _, final in rows:
        assert not (table.hopeless(0, [first]) and final <= best - 1e-9)
    few = make_table(QUANTILE, finished(rows[:19]), value="niqe", incumbent=best)
    beyond = [r for r in rows[:19] if r[0] - r[2] > few.rungs[0].margin + 1e-9]
    assert len(beyond) <= 1


def test_a_broken_table_is_refused_with_its_keys():
    with pytest.raises(TuningError, match="score_at"):
        StopTable.from_json({"value": "niqe"})


def test_the_audit_is_a_fixed_share_of_trials():
    names = [f"{i}-{j}/seed1" for i in range(40) for j in range(50)]
    chosen = [is_audited(7, name, 0.1) for name in names]
    assert chosen == [is_audited(7, name, 0.1) for name in names]
    assert 0.07 < sum(chosen) / len(chosen) < 0.13
    assert not any(is_audited(7, name, 0.0) for name in names)
    assert all(is_audited(7, name, 1.0) for name in names)


def curves(n=60, epochs=40, seed=1):
    draw = np.random.default_rng(seed)
    level = draw.uniform(1, 10, (n, 1))
    fall = draw.uniform(0.5, 2, (n, 1)) * np.exp(-np.arange(epochs) / 8)
    return level + fall + draw.normal(0, 0.02, (n, epochs))


def test_a_replay_saves_epochs_and_keeps_the_best_of_separated_curves():
    found = replay(curves(), PLAN, batch=6)
    assert found.saved > 0.4
    assert not found.best_lost
    assert found.regret == 0.0


def test_a_replay_that_audits_everything_stops_nothing():
    found = replay(curves(), PLAN, batch=6, audit=1.0)
    assert (found.saved, found.stopped) == (0.0, 0)
    assert found.audited > 20
    assert found.audit_lost == 0


def test_a_replay_notices_a_late_winner():
    late = curves()
    late[-1] = 12.0
    late[-1, 30:] = 0.1  # hopeless until epoch 30, the best at the end
    found = replay(late, PLAN, batch=6)
    assert found.best_lost
    assert found.regret > 0.5
    audited = replay(late, PLAN, batch=6, audit=1.0)
    assert audited.audit_lost == 1


def test_only_a_feasible_trial_is_the_incumbent_and_the_best():
    shown = curves()
    finals = shown[:, -1]
    feasible = finals > np.quantile(finals, 0.2)
    found = replay(shown, PLAN, batch=6, feasible=feasible)
    assert found.saved < replay(shown, PLAN, batch=6).saved
    assert not found.best_lost
    late = curves()
    late[-1] = 12.0
    late[-1, 30:] = 0.1
    kept = np.arange(60) < 59
    assert not replay(late, PLAN, batch=6, feasible=kept).best_lost
    audited = replay(late, PLAN, batch=6, audit=1.0, feasible=kept)
    assert audited.audit_lost == 0
    with pytest.raises(TuningError, match="at least one feasible curve"):
        replay(shown, PLAN, batch=6, feasible=np.zeros(60, bool))


def test_batches_may_have_sizes_of_their_own():
    shown = curves()
    assert replay(shown, PLAN, batch=[6] * 10) == replay(shown, PLAN, batch=6)
    first = replay(shown, PLAN, batch=[57, 3])
    assert first.stopped <= 3
    # a threshold from the second batch on: only its 3 trials could be stopped
    assert first.saved_later == pytest.approx(first.saved * 60 / 3)
    assert np.isnan(replay(shown, PLAN, batch=60).saved_later)
    with pytest.raises(TuningError, match="batches of 60 trials in all, but got 59"):
        replay(shown, PLAN, batch=[50, 9])


def test_a_diverged_curve_teaches_nothing():
    broken = curves()
    broken[3, 5:] = np.nan
    found = replay(broken, PLAN, batch=6)
    assert np.isfinite(found.saved)
    assert not found.best_lost


@pytest.mark.parametrize("end", [np.inf, -np.inf])
def test_a_curve_that_ends_in_an_infinity_is_diverged(end):
    broken, lost = curves(), curves()
    broken[40, -1], lost[40, -1] = end, np.nan
    for audit in (0.0, 1.0):
        found = replay(broken, PLAN, batch=6, audit=audit)
        assert found == replay(lost, PLAN, batch=6, audit=audit)
        assert (found.best_lost, found.regret, found.audit_lost) == (False, 0.0, 0)
    with pytest.raises(TuningError, match="must end in a finite value"):
        replay(np.full((3, 40), end), PLAN, batch=3)


def test_risk_interval_holds_the_share():
    low, high = risk_interval(2, 20)
    assert low < 0.1 < high
    assert risk_interval(5, 5)[1] == 1.0


@pytest.mark.parametrize("margin", ["largest", "quantile", "near"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_rung_that_is_no_number_teaches_nothing(margin, value):
    """A margin of 0 would be the hardest one."""
    rows = [(10.0, 8.0 - 0.01 * k) for k in range(25)]
    plan = StopPlan((50.0,), least=1, margin=margin)
    tables = [
        make_table(
            plan, [FinishedCurve((v,), f) for v, f in found], value="x", incumbent=1.0
        )
        for found in (rows, [*rows, (value, 2.0)])
    ]
    assert tables[0].rungs == tables[1].rungs
    assert make_table(
        plan, [FinishedCurve((value,), 2.0)], value="x", incumbent=1.0
    ).rungs[0] == Rung(50.0, plan.score_epochs(50.0), None, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"run_on": "false"}, "must be true or false, but got 'false'"),
        ({"lower_is_better": 1}, "must be true or false, but got 1"),
        ({"rungs": [{"epoch": 1, "score_at": [], "margin": 0, "threshold": 1}]}, "[]"),
    ],
)
def test_types_of_a_table_are_checked(change, said):
    table = make_table(StopPlan((5.0,), scores=1), [], value="x", incumbent=None)
    with pytest.raises(TuningError, match=re.escape(said)):
        StopTable.from_json(table.as_json() | change)


def test_rungs_are_numbers():
    with pytest.raises(TuningError, match=r"stopping.rungs must be numbers"):
        StopPlan(("a",))


@pytest.mark.parametrize("wrong", [{"last": 0}, {"audit": 2.0}, {"audit": np.nan}])
def test_a_replay_refuses_what_it_cannot_mean(wrong):
    with pytest.raises(TuningError, match=next(iter(wrong))):
        replay(curves(), StopPlan((10.0,)), batch=5, **wrong)


@pytest.mark.parametrize(
    "plan",
    [
        StopPlan((12.4,), scores=2, least=4),
        StopPlan((12.0,), scores=2, every=0.5, least=4),
        StopPlan((10.0, 20.5), scores=3, least=4),
    ],
)
def test_a_replay_of_scores_between_epochs_is_refused(plan):
    with pytest.raises(TuningError, match="one score a whole epoch, but rung"):
        replay(curves(), plan, batch=6)


def test_rungs_of_whole_epochs_need_not_be_exact():
    close = StopPlan((10.0 + 1e-12, 20.0), scores=3, least=4)
    found, wanted = (replay(curves(), plan, batch=6) for plan in (close, PLAN))
    assert (found.stopped, found.regret) == (wanted.stopped, wanted.regret)
    assert found.saved == pytest.approx(wanted.saved)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"curves": np.zeros(40)}, "but got an array of 1 axes"),
        ({"curves": np.zeros((2, 3, 40))}, "but got an array of 3 axes"),
        ({"feasible": np.ones(59, bool)}, r"each of 60 trials, but got bool .*59"),
        ({"feasible": np.ones(60, int)}, "each of 60 trials, but got int"),
        ({"last": 500}, "at most the 40 epochs of a curve, but got 500"),
        ({"batch": 6.0}, "batch must be a whole number"),
        ({"batch": [30, 30.0]}, "batch must be a whole number"),
        ({"batch": np.int64(0)}, "batch must be a whole number"),
    ],
)
def test_a_replay_refuses_what_does_not_fit_together(wrong, said):
    given = {"curves": curves(), "plan": PLAN, "batch": 6} | wrong
    with pytest.raises(TuningError, match=said):
        replay(given.pop("curves"), given.pop("plan"), **given)


@pytest.mark.parametrize("batch", [np.int64(6), np.full(10, 6)])
def test_sizes_of_batches_may_be_of_numpy(batch):
    assert replay(curves(), PLAN, batch=batch) == replay(curves(), PLAN, batch=6)


@pytest.mark.parametrize("level", [95, 0.0, 1.0, math.nan])
def test_a_risk_has_a_confidence_between_0_and_1(level):
    with pytest.raises(TuningError, match="level must be between 0 and 1"):
        risk_interval(0, 10, level)


@pytest.mark.parametrize(("lost", "audited"), [(3, 2), (-1, 2)])
def test_no_more_is_lost_than_was_audited(lost, audited):
    with pytest.raises(TuningError, match="lost must be of the audited"):
        risk_interval(lost, audited)
