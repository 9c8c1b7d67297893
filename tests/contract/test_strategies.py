"""What every strategy promises, whatever it searches and whatever happens to trials."""

import math
import random
from itertools import pairwise

import pytest

from collinear.search import (
    Asked,
    Goal,
    History,
    Limit,
    Proposal,
    Result,
    SearchSpace,
    Status,
    StrategyError,
    Told,
    explored_lines,
    make_strategy,
    waits,
)

KINDS = {
    "ippe": ("ippe", {}),
    "s2017": ("s2017", {}),
    "s2018": ("s2018", {}),
    "radial": ("radial", {}),
    "levelled-q1": ("levelled", {"q": 1}),
    "levelled-q4": ("levelled", {"q": 4}),
    "levelled-latin": ("levelled", {"q": 3, "start": "latin", "count": "batches"}),
    "s2018-latin": ("s2018", {"start": "latin", "alpha": 1.0}),
    "anova": ("anova", {}),
    "anova-one": ("anova", {"second_model": False}),
    "random": ("random", {}),
    "exhaustive": ("exhaustive", {}),
}
SHAPES = [(1,), (2,), (3,), (11,), (1, 1), (2, 1, 2), (1, 5, 2), (3, 3, 3), (4, 5, 3)]
GOAL = Goal("y")
LIMITED = Goal("y", (Limit("r", 1.0),))


def grid(shape):
    return SearchSpace.from_values({f"x{k}": range(n) for k, n in enumerate(shape)})


def bowl(point):
    """A tilted bowl with ripples; no two points of a small grid tie."""
    along = sum((k + 1.3) * i for k, i in enumerate(point))
    centre = sum((i - 2.1 - 0.7 * k) ** 2 for k, i in enumerate(point))
    return 2.0 + centre + 0.3 * math.sin(1.7 * along) + 0.01 * along


def done(proposal, value=None, **others):
    value = bowl(proposal.point) if value is None else value
    return Result(proposal.point, proposal.seed, Status.DONE, {"y": value, **others})


def ended(status, values=None):
    return lambda p: Result(p.point, p.seed, status, values or {})


def mixed(seed):
    """Outcomes of all kinds, each a fixed function of the point."""

    def outcome(proposal):
        luck = random.Random(f"{seed}{proposal.point}").random()
        if luck < 0.2:
            return Result(proposal.point, proposal.seed, Status.FAILED)
        if luck < 0.35:
            return Result(proposal.point, proposal.seed, Status.DIVERGED)
        if luck < 0.45:
            return Result(proposal.point, proposal.seed, Status.STOPPED, {"y": 1.0})
        return done(proposal, r=4.0 * luck - 1.5)

    return outcome


def play(strategy, outcome=done, cap=4, history=None):
    """Runs a search to its end, one whole batch after the other, and checks it."""
    history = history or History()
    for _ in range(strategy.space.size + 1):
        batch = strategy.ask(history, cap)
        check_batch(strategy, history, batch, cap)
        if not batch:
            return history
        history = history.ask(batch).tell([outcome(p) for p in batch])
    raise AssertionError("the search asked more often than the grid has points")


def check_batch(strategy, history, batch, cap):
    before = {p.key for p in history.proposals} | {r.key for r in history.results}
    keys = [p.key for p in batch]
    assert len(keys) <= cap
    assert len(set(keys)) == len(keys)
    assert before.isdisjoint(keys)
    assert all(p.point in strategy.space and p.seed == 1 and p.reason for p in batch)


def points_of(history):
    return [p.point for p in history.proposals]


@pytest.mark.parametrize("kind", KINDS)
class TestStrategyContract:
    def make(self, kind, shape=(4, 5, 3), goal=GOAL):
        name, options = KINDS[kind]
        return make_strategy(name, options, space=grid(shape), goal=goal, seed=7)

    @pytest.mark.parametrize("cap", [1, 3, 50])
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_search_ends_without_repeats(self, kind, shape, cap):
        history = play(self.make(kind, shape), cap=cap)
        assert history.results

    @pytest.mark.parametrize(
        "outcome",
        [
            ended(Status.FAILED),
            ended(Status.DIVERGED),
            ended(Status.STOPPED, {"y": 1.0}),
            ended(Status.DONE),
            ended(Status.DONE, {"y": math.nan}),
            ended(Status.DONE, {"y": math.inf}),
            ended(Status.DONE, {"y": -math.inf}),
            ended(Status.DONE, {"y": 1e300}),
            ended(Status.DONE, {"y": 2.0, "r": 1.5}),
            ended(Status.DONE, {"y": 2.0, "r": math.nan}),
            ended(Status.DONE, {"y": 2.0}),
        ],
    )
    @pytest.mark.parametrize("shape", [(1,), (3, 3), (2, 1, 2), (4, 5, 3)], ids=str)
    def test_search_ends_when_every_trial_goes_wrong(self, kind, shape, outcome):
        play(self.make(kind, shape, LIMITED), outcome)

    def test_search_ends_when_every_trial_is_over_the_limit(self, kind):
        def outcome(proposal):
            return done(proposal, r=2.0 + sum(proposal.point))

        play(self.make(kind, goal=LIMITED), outcome)

    @pytest.mark.parametrize("seed", range(8))
    def test_search_ends_when_outcomes_are_mixed(self, kind, seed):
        strategy = self.make(kind, (5, 4, 4), LIMITED)
        history = play(strategy, mixed(seed), cap=5)
        best = history.incumbent(LIMITED)
        assert best is None or LIMITED.feasible(best)

    def test_one_failed_start_does_not_end_the_search(self, kind):
        strategy = self.make(kind)
        first = strategy.ask(History(), 1)
        failed = [Result(p.point, p.seed, Status.FAILED) for p in first]
        history = play(strategy, history=History().ask(first).tell(failed))
        assert len(history.results) > 5 or kind == "ippe"

    def test_exhausted_grid_ends_the_search(self, kind):
        strategy = self.make(kind)
        everything = [Proposal(p) for p in strategy.space.points()]
        history = History().ask(everything).tell([done(p) for p in everything])
        assert strategy.ask(history, 5) == ()

    @pytest.mark.parametrize("shape", [(4, 5, 3), (40,), (19, 13)], ids=str)
    def test_order_within_a_batch_does_not_matter(self, kind, shape):
        strategy = self.make(kind, shape, LIMITED)
        forward = backward = History()
        while batch := strategy.ask(forward, 6):
            assert strategy.ask(backward, 6) == batch
            results = [mixed(3)(p) for p in batch]
            forward = forward.ask(batch).tell(results)
            backward = backward.ask(batch).tell(results[::-1])

    def test_results_told_twice_change_nothing(self, kind):
        strategy = self.make(kind)
        once = twice = History()
        while batch := strategy.ask(once, 3):
            results = tuple(done(p) for p in batch)
            once = once.ask(batch).tell(results)
            events = (*twice.events, Asked(batch), Told(results + results))
            twice = History((*events, Told(results[::-1])))
            assert strategy.ask(twice, 3) == strategy.ask(once, 3)

    def test_foreign_results_are_accepted(self, kind):
        strategy = self.make(kind)
        foreign = [Proposal(p, seed) for p in [(0, 0, 0), (2, 2, 2)] for seed in (1, 2)]
        off_grid = [Proposal((9, 9, 9)), Proposal((1,)), Proposal((-1, 0, 0))]
        told = [done(p, 1.0) for p in [*foreign, *off_grid]]
        history = play(strategy, history=History().tell(told))
        assert {p.point for p in foreign}.isdisjoint(points_of(history))

    def test_foreign_results_may_come_at_any_time(self, kind):
        strategy, chance, history = self.make(kind), random.Random(5), History()
        grid_points = list(strategy.space.points())
        while batch := strategy.ask(history, 2):
            check_batch(strategy, history, batch, 2)
            history = history.ask(batch).tell([done(p) for p in batch])
            stranger = Proposal(chance.choice(grid_points))
            history = history.tell([mixed(1)(stranger)])

    def test_pending_trials_are_not_asked_again(self, kind):
        strategy, history = self.make(kind), History()
        for _ in range(400):
            batch = strategy.ask(history, 3)
            check_batch(strategy, history, batch, 3)
            history = history.ask(batch)
            if not batch and not history.pending:
                return
            history = history.tell([done(p) for p in history.pending[-1:]])
        raise AssertionError("the search did not end")

    def test_only_waiting_strategies_wait(self, kind):
        strategy, history = self.make(kind), History()
        while batch := strategy.ask(history, 7):
            history = history.ask(batch)
        asked_all = len(history.proposals) == strategy.space.size
        assert asked_all is not waits(KINDS[kind][0])

    def test_replay_gives_the_same_batch_byte_for_byte(self, kind):
        full = play(self.make(kind, goal=LIMITED), mixed(2), cap=5)
        asked = [i for i, e in enumerate(full.events) if isinstance(e, Asked)]
        for i in asked:
            again = self.make(kind, goal=LIMITED).ask(History(full.events[:i]), 5)
            assert repr(again) == repr(full.events[i].proposals)

    def test_a_smaller_k_takes_the_top_of_the_list(self, kind):
        strategy = self.make(kind)
        for shorter, longer in pairwise(strategy.ask(History(), k) for k in range(9)):
            assert longer[: len(shorter)] == shorter

    @pytest.mark.parametrize(
        ("scale", "shift"),
        [(4.0, 0.0), (1.0, 8.0), (1e-3, -5.0), (1.0, -5.0), (0.37, 11.0)],
    )
    def test_shift_and_scale_of_the_objective_change_nothing(self, kind, scale, shift):
        """But for lines of equal stand-ins alone, where rounding decides."""

        def rescaled(proposal):
            result = mixed(5)(proposal)
            if result.status is not Status.DONE:
                return result
            return done(proposal, scale * bowl(proposal.point) + shift)

        def plain(proposal):
            result = mixed(5)(proposal)
            return done(proposal) if result.status is Status.DONE else result

        strategy = self.make(kind, (5, 6, 4))
        assert points_of(play(strategy, rescaled)) == points_of(play(strategy, plain))

    def test_maximising_the_negative_is_minimising(self, kind):
        upward = self.make(kind, goal=Goal("y", lower_is_better=False))
        negative = play(upward, lambda p: done(p, -bowl(p.point)))
        assert points_of(negative) == points_of(play(self.make(kind)))

    def test_a_single_valued_axis_changes_nothing(self, kind):
        plain = points_of(play(self.make(kind, (5, 4, 6))))
        wider = play(
            self.make(kind, (5, 1, 4, 6)),
            lambda p: done(p, bowl(p.point[:1] + p.point[2:])),
        )
        assert [p[:1] + p[2:] for p in points_of(wider)] == plain

    def test_lines_lie_on_the_grid_and_hold_their_base(self, kind):
        strategy = self.make(kind, goal=LIMITED)
        history = play(strategy, mixed(6))
        for line in strategy.lines(history):
            assert line.base in line.points
            assert all(point in strategy.space for point in line.points)

    def test_explored_lines_are_finite(self, kind):
        strategy = self.make(kind, goal=LIMITED)
        lines = explored_lines(strategy, play(strategy, mixed(6)))
        assert lines
        for line in lines:
            assert all(math.isfinite(s.fitted) for s in line.samples)
            assert all(math.isfinite(f) for f in line.markers)
            assert len(line.positions) == len(line.markers)

    def test_no_trials_wanted_gives_none(self, kind):
        assert self.make(kind).ask(History(), 0) == ()

    def test_negative_count_is_an_error(self, kind):
        with pytest.raises(StrategyError, match="k >= 0"):
            self.make(kind).ask(History(), -1)


@pytest.mark.parametrize("kind", ["s2018", "levelled-q1"])
def test_permuted_axes_give_permuted_batches_while_lines_follow_axes(kind):
    """Oblique lines may turn their direction round, and trisection is not symmetric."""
    name, options = KINDS[kind]
    plain = make_strategy(name, options, space=grid((7, 9, 6)), goal=GOAL)
    turned = make_strategy(name, options, space=grid((6, 7, 9)), goal=GOAL)
    first = second = History()
    for _ in range(3):
        one, two = plain.ask(first, 50), turned.ask(second, 50)
        assert {p.point for p in one} == {p.point[1:] + p.point[:1] for p in two}
        first = first.ask(one).tell([done(p) for p in one])
        second = second.ask(two).tell(
            [done(p, bowl(p.point[1:] + p.point[:1])) for p in two]
        )
