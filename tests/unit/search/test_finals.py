"""Who runs in the finals, what they cost, and what their runs say."""

import math

import numpy as np
import pytest
from scipy import stats

from collinear.search import (
    Anova,
    Goal,
    History,
    Limit,
    Proposal,
    Result,
    SearchSpace,
    Status,
    StrategyError,
    chances_of_best,
    choose,
    finalists,
    finals_shape,
    fresh_runs,
    make_strategy,
    paired_difference,
    race,
    search_only,
    seeds_to_resolve,
)

GOAL = Goal("y", (Limit("rmse", 12.5),))
SPACE = SearchSpace.from_values({"a": [0.0, 1.0, 2.0, 3.0], "b": [0.0, 1.0, 2.0]})


SEARCHED = [((a, b), 1, (a - 2.0) ** 2 + b) for a in range(4) for b in range(3)]


def told(*trials):
    """A history of (point, seed, y, rmse); y is None for a divergence."""
    history = History().ask([Proposal(point, seed) for point, seed, *_ in trials])
    return history.tell([result(*trial) for trial in trials])


def result(point, seed, y, rmse=10.0):
    status = Status.DIVERGED if y is None else Status.DONE
    return Result(point, seed, status, {"y": y, "rmse": None if y is None else rmse})


def runs(*values, goal=GOAL, rmse=10.0):
    return fresh_runs(
        goal, [result((), 101 + i, value, rmse) for i, value in enumerate(values)]
    )


@pytest.mark.parametrize(
    ("budget", "shape"),
    [
        (363, (8, 3)),  # 24 of the 54 that the share allows
        (160, (8, 3)),
        (100, (5, 3)),
        (40, (2, 3)),
        (36, (2, 2)),  # five trials: a choice comes before a third seed
        (27, (2, 2)),
        (20, (1, 3)),
        (14, (1, 2)),
        (13, (0, 0)),
    ],
)
def test_shape_of_the_finals_fits_into_the_share(budget, shape):
    settings, seeds = finals_shape(budget, 0.15, 8, 3)
    assert (settings, seeds) == shape
    assert settings * seeds <= 0.15 * budget


@pytest.mark.parametrize(
    ("noise", "difference", "seeds"), [(0.71, 1.0, 4), (0.71, 0.7, 8), (0.1, 1.0, 2)]
)
def test_seeds_resolve_the_difference(noise, difference, seeds):
    assert seeds_to_resolve(noise, difference) == seeds


@pytest.mark.parametrize(("noise", "difference"), [(0.0, 1.0), (1.0, 0.0)])
def test_seeds_of_no_noise_or_no_difference_are_refused(noise, difference):
    with pytest.raises(StrategyError, match="noise > 0 and a difference > 0"):
        seeds_to_resolve(noise, difference)


@pytest.mark.parametrize(("noise", "difference"), [(math.inf, 1.0), (1e300, 1e-300)])
def test_a_difference_that_nothing_resolves_is_told(noise, difference):
    with pytest.raises(StrategyError, match="no number of seeds resolves"):
        seeds_to_resolve(noise, difference)


def test_shape_never_exceeds_what_was_wanted():
    for budget in range(80):
        settings, seeds = finals_shape(budget, 0.5, 4, 5)
        assert settings <= 4
        assert seeds <= 5
        assert settings * seeds <= budget / 2


def line_search(goal=GOAL):
    return make_strategy("levelled", {}, space=SPACE, goal=goal, seed=1)


def test_line_strategies_send_their_best_feasible_settings():
    history = told(
        ((0, 0), 1, 5.0),
        ((0, 1), 1, 1.0, 13.0),  # over the limit
        ((0, 2), 1, 3.0),
        ((1, 0), 1, None),
        ((1, 1), 1, 4.0),
    )
    assert finalists(line_search(), history, 2) == [(0, 2), (1, 1)]
    assert finalists(line_search(), history, 9) == [(0, 2), (1, 1), (0, 0)]


def test_a_setting_with_a_diverged_repeat_is_no_finalist():
    history = told(((0, 0), 1, 1.0), ((0, 0), 2, None), ((0, 1), 1, 2.0))
    assert finalists(line_search(), history, 2) == [(0, 1)]


@pytest.mark.parametrize("strategy", [line_search, lambda: Anova(SPACE, GOAL)])
def test_a_cost_as_large_as_no_training_has_is_a_divergence(strategy):
    huge = [((1, j), seed, 1.7e308) for j in range(3) for seed in (1, 2)]
    history = told(((0, 0), 1, 1.0), ((0, 0), 2, 1.7e308), ((0, 1), 1, 2.0), *huge)
    assert finalists(strategy(), history, 8) == [(0, 1)]
    assert finalists(strategy(), told(*huge), 8) == []


def test_results_of_finals_change_no_finalist():
    trials = [((0, 0), 1, 1.0), ((0, 1), 1, 2.0)]
    before = finalists(line_search(), told(*trials), 2)
    after = told(*trials, ((0, 0), 101, 9.0), ((0, 1), 101, 0.0))
    assert finalists(line_search(), after, 2) == before
    assert search_only(after) == told(*trials)


def test_an_event_of_finals_alone_leaves_no_trace():
    plain = told(((0, 0), 1, 1.0))
    final = [Proposal((0, 0), 101)]
    after = plain.ask(final).tell([result((0, 0), 101, 2.0)])
    assert search_only(after) == plain


def test_nobody_is_a_finalist_when_no_setting_kept_the_limits():
    history = told(*[((i, j), 1, 1.0 + i, 99.0) for i in range(4) for j in range(3)])
    assert finalists(line_search(), history, 8) == []
    assert finalists(Anova(SPACE, GOAL), history, 8) == []


def test_limits_take_turns():
    goal = Goal("y", (Limit("rmse", 16.0, (11.5, 12.5)),))
    history = told(
        ((0, 0), 1, 5.0, 11.0),
        ((0, 1), 1, 4.0, 12.0),
        ((0, 2), 1, 3.0, 15.0),
        ((1, 0), 1, 6.0, 11.0),
    )
    order = [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert finalists(line_search(goal), history, 8) == order


def noisy_history(seed=0):
    rng = np.random.default_rng(seed)
    trials = [
        ((i, j), repeat, (i - 2) ** 2 + (j - 1) ** 2 + 0.3 * rng.normal(), 10.0 + i)
        for i in range(4)
        for j in range(3)
        for repeat in (1, 2)
    ]
    return told(*trials)


def test_anova_sends_the_likely_best_and_the_best_record():
    strategy, history = Anova(SPACE, GOAL), noisy_history()
    found = finalists(strategy, history, 4)
    assert len(set(found)) == 4
    ranked = strategy.recommend(history, roughness=0.0, safe=0.5)
    likely = sorted(ranked, key=lambda r: -r.p_best)
    assert found[0] == likely[0].point
    assert history.incumbent(GOAL).point in found[:2]
    chances = {r.point: r.p_feasible for r in ranked}
    assert all(chances[p] >= 0.5 for p in found)
    assert found == finalists(strategy, history, 4)
    assert finalists(strategy, history, 2) == found[:2]


def test_anova_without_a_model_goes_by_the_record():
    history = told(((0, 0), 1, 2.0), ((3, 2), 1, 1.0))
    assert finalists(Anova(SPACE, GOAL), history, 8) == [(3, 2), (0, 0)]


def test_summary_against_hand_computed_numbers():
    found = fresh_runs(
        GOAL,
        [
            result((), 101, 1.0, 12.0),
            result((), 102, 3.0, 12.9),
            result((), 103, 2.0, 12.3),
        ],
    )
    assert (found.n, found.mean, found.sd, found.kept) == (3, 2.0, 1.0, 2)
    assert found.values["rmse"] == pytest.approx(12.4)
    assert found.feasible  # by the mean
    assert found.sound


def test_mean_over_a_limit_is_not_feasible():
    found = runs(1.0, 1.0, rmse=12.6)
    assert not found.feasible
    assert choose([found, runs(5.0, 5.0)]) == 1


def test_a_diverged_run_disqualifies_and_a_failed_one_is_left_out():
    assert not runs(1.0, None, 1.0).sound
    failed = Result((), 103, Status.FAILED, {"y": None, "rmse": None})
    values = [result((), 101, 1.0), result((), 102, 2.0)]
    assert fresh_runs(GOAL, [*values, failed]).sound
    assert not fresh_runs(GOAL, [values[0], failed]).sound
    assert fresh_runs(GOAL, values[:1]).sound  # when no more were wanted
    assert choose([runs(None), runs(None, 1.0)]) is None
    assert choose([]) is None


@pytest.mark.parametrize("huge", [1.7e308, -1.7e308])
def test_runs_as_large_as_no_training_has_are_lost(huge):
    assert not runs(1.0, huge, huge).sound
    assert runs(huge, huge).mean is None
    assert choose([runs(huge, huge), runs(5.0, 5.0)]) == 1
    over = runs(1.0, 1.0, rmse=huge)
    assert over.values["rmse"] is None
    assert not over.feasible


def test_choice_is_the_lowest_mean_and_the_first_on_a_tie():
    assert choose([runs(2.0, 3.0), runs(1.0, 2.0), runs(2.0, 1.0)]) == 1
    goal = Goal("y", lower_is_better=False)
    pair = [runs(2.0, 3.0, goal=goal), runs(1.0, 2.0, goal=goal)]
    assert pair[0].mean == 2.5
    assert choose(pair) == 0


def test_paired_difference_is_that_of_scipy():
    ours, theirs = [2.0, 2.4, 1.9, 2.2], [2.5, 2.6, 2.6, 2.3]
    found = paired_difference(GOAL, runs(*ours), runs(*theirs))
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert found.n == 4
    assert found.mean == pytest.approx(-0.375)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_difference_uses_the_seeds_that_both_have():
    ours = fresh_runs(GOAL, [result((), s, y) for s, y in ((101, 1.0), (103, 2.0))])
    theirs = fresh_runs(GOAL, [result((), s, y) for s, y in ((102, 7.0), (103, 5.0))])
    found = paired_difference(GOAL, ours, theirs)
    assert (found.mean, found.low, found.high, found.n) == (-3.0, None, None, 1)
    assert paired_difference(GOAL, ours, runs(None)) is None


def test_difference_of_a_maximised_objective_keeps_its_sign():
    goal = Goal("y", lower_is_better=False)
    ours, theirs = runs(3.0, 3.5, goal=goal), runs(1.0, 1.5, goal=goal)
    assert paired_difference(goal, ours, theirs).mean == 2.0


def test_chances_are_calibrated_where_settings_come_from_the_prior():
    """Of settings that are called best with 70 %, 70 % are: no formula is shared."""
    rng = np.random.default_rng(5)
    said, right = [], []
    for _ in range(300):
        shrinkage = rng.uniform()
        spread = np.sqrt((1 - shrinkage) / shrinkage / 3)
        means = rng.normal(size=5) * spread
        values = means[:, None] + 4 * rng.normal(size=3) + rng.normal(size=(5, 3))
        chances = chances_of_best([runs(*map(float, row)) for row in values])
        said.append(chances)
        right.append(np.eye(5)[np.argmin(means)])
    claimed, true = np.ravel(said), np.ravel(right)
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        part = (claimed >= low) & (claimed <= high)
        error = 3 * np.sqrt(claimed[part].mean() * 0.7 / part.sum())
        assert true[part].mean() == pytest.approx(claimed[part].mean(), abs=error)


def test_equal_settings_share_the_chance_and_seed_effects_cancel():
    ours, theirs = [2.0, 2.4, 1.9], [2.4, 2.0, 1.9]
    found = chances_of_best([runs(*ours), runs(*theirs)], seed=3)
    assert found[0] == pytest.approx(0.5, abs=0.015)
    assert sum(found) == pytest.approx(1.0)
    assert found == chances_of_best([runs(*ours), runs(*theirs)], seed=3)
    moved = [
        [v + e for v, e in zip(r, (0, 7, -3), strict=True)] for r in (ours, theirs)
    ]
    shifted = chances_of_best([runs(*moved[0]), runs(*moved[1])], seed=3)
    assert shifted == pytest.approx(found, abs=0.01)


def test_chances_with_a_missing_run_and_a_setting_over_the_limit():
    failed = Result((), 103, Status.FAILED, {"y": None, "rmse": None})
    uneven = fresh_runs(GOAL, [result((), 101, 2.0), result((), 102, 2.6), failed])
    over = runs(0.1, 0.2, 0.3, rmse=13.0)
    found = chances_of_best([uneven, over, runs(2.5, 2.9, 2.7)])
    assert found[1] == 0.0
    assert found[0] > 0.5
    assert sum(found) == pytest.approx(1.0)


def test_chances_without_noise_and_without_repeats():
    assert chances_of_best([runs(1.0, 1.0), runs(2.0, 2.0)]) == [1.0, 0.0]
    assert chances_of_best([runs(1.0), runs(2.0)]) is None  # one run each tells nothing
    assert chances_of_best([runs(1.0, 2.0)]) == [1.0]
    assert chances_of_best([runs(1.0, 2.0, rmse=99.0)]) is None


@pytest.mark.parametrize(
    ("values", "chances"),
    [
        ([(6.43, 6.46, 3.9, 5.75, 4.2)] * 2, [0.5, 0.5]),
        ([(6.43, 6.46, 3.9, 5.75, 4.2)] * 4, [0.25] * 4),
        ([(3.0, 3.0, 3.0)] * 2, [0.5, 0.5]),
        ([(0.1, 0.2), (1e-15, 0.1), (1e-15, 0.1)], [0.0, 0.5, 0.5]),
        ([(0.0, 0.0)] * 2, [0.5, 0.5]),
        ([(0.3, 0.3), (0.1, 0.1), (0.1 + 1e-9, 0.1 + 1e-9)], [0.0, 1.0, 0.0]),
    ],
)
def test_equal_settings_share_the_chance_without_noise(values, chances):
    settings = [runs(*row) for row in values]
    assert chances_of_best(settings) == chances
    assert chances[choose(settings)] == max(chances)


def test_a_final_that_was_told_unasked_is_not_proposed_again():
    history, strategy = told(*SEARCHED), Anova(SPACE, GOAL)
    (point,) = {p.point for p in race(strategy, history, 1)}
    history = history.tell([result(point, 101, 0.0)])
    again = race(strategy, history, 9)
    assert point in {p.point for p in again}
    assert (point, 101) not in {p.key for p in again}
    assert len({p.key for p in again}) == 9


@pytest.mark.parametrize("numbers", [(-1, 8), (3, 0), (3, -2)])
def test_numbers_of_a_race_are_checked(numbers):
    k, n_settings = numbers
    with pytest.raises(StrategyError, match=f"k >= 0 and n_settings >= 1.* k={k} and"):
        race(Anova(SPACE, GOAL), told(*SEARCHED), k, n_settings=n_settings)


def test_arguments_of_finals_are_checked():
    space = SearchSpace.from_values({"a": [1, 2, 3]})
    lines = make_strategy("levelled", space=space, goal=Goal("y"), seed=1)
    for wrong, said in (
        (lambda: finals_shape(100, 0.5, 3, 0), "seeds >= 1"),
        (lambda: finalists(lines, History(), -1), "n >= 0"),
        (lambda: race(lines, History(), 3), "race needs the model of 'anova'"),
    ):
        with pytest.raises(StrategyError, match=said):
            wrong()
