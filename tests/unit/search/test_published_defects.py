"""The defects of the published parallel search, and that ours does not have them.

`PlainLine` and `rounds` are a plain model of one pass of P_2024B as DSICE 1.0.1 runs
it, defects included, so that each test can show what happens without the cure. The
costs are a dictionary, the d-spline is solved densely, and a line is four short rules.
`cured` takes the repeat out of the set that a line of three points must have.
"""

import math

import numpy as np
import pytest

from collinear.search import (
    Goal,
    History,
    Proposal,
    Result,
    SearchSpace,
    Status,
    dspline,
    make_strategy,
)
from collinear.search.lines import lines_through

GOAL = Goal("y")
LINES = ("ippe", "s2017", "s2018", "radial", "levelled")
BIG = (10, 11, 11, 11)


def needed(n, cured):
    """Indices that a line wants before its first fit, repeats included."""
    last, cuts = n - 1, (1, n - 1)
    if last != 2:
        first = last // 3
        cuts = (first, first + (last - first) // 2)
    wanted = [0, last, *cuts]
    return list(dict.fromkeys(wanted)) if cured or n != 3 else wanted


def spline(n, costs, alpha=0.1):
    """Markers of the d-spline through {index: cost}."""
    m = 3 * n + 2
    bend = alpha * np.diff(np.eye(m), 2, axis=0)
    at = np.eye(m)[[2 + 3 * i for i in costs]]
    target = np.concatenate([list(costs.values()), np.zeros(m - 2)])
    return np.linalg.lstsq(np.vstack([at, bend]), target, rcond=None)[0]


class PlainLine:
    """One line through the base: what it has been credited with, and its wishes."""

    def __init__(self, line, cured=False):
        self.line, self.cured = line, cured
        self.credits, self.costs = [], {}
        self.stays, self.minimum = 0, None

    def credit(self, point, cost):
        index = self.line.index[point]
        self.credits.append(index)
        self.costs[index] = cost
        if self.trisected:
            markers = spline(len(self.line), self.costs)
            place = min(max((int(np.argmin(markers)) - 1) // 3, 0), len(self.line) - 1)
            self.stays = self.stays + 1 if place == self.minimum else 1
            self.minimum = place

    @property
    def trisected(self):
        missing = needed(len(self.line), self.cured)
        for index in self.credits:
            if index in missing:
                missing.remove(index)
        return not missing

    @property
    def done(self):
        full = len(self.costs) == len(self.line)
        return self.trisected and (full or self.stays >= 3)

    def wishes(self):
        points = self.line.points
        if self.done:
            return []
        if not self.trisected:
            first = [i for i in needed(len(points), True) if i not in self.costs]
            rest = [i for i in range(len(points)) if i not in self.costs]
            rest = [i for i in rest if i not in first]
            return [points[i] for i in first + rest or range(len(points))]
        markers = spline(len(points), self.costs)
        free = [i for i in range(len(points)) if i not in self.costs]
        return [points[i] for i in sorted(free, key=lambda i: markers[2 + 3 * i])]


def rounds(shape, base, cost, cap, cured=False, at_most=60):
    """Batches of one pass over all lines through a base; at_most when it never ends.

    As in the original, a point is credited to the line of its direction only, so a
    repeat of the base is credited to none, and batches may hold a point twice. A point
    without a cost (None) is never told.
    """
    lines = [PlainLine(x, cured) for x in lines_through(base, shape, len(shape))]
    for line in lines:
        line.credit(base, cost(base))
    batches = []
    while len(batches) < at_most and not all(line.done for line in lines):
        lists = [line.wishes() for line in lines]
        ranks = range(max(map(len, lists)))
        batch = [w[r] for r in ranks for w in lists if r < len(w)][:cap]
        batches.append(batch)
        for point in batch:
            if point != base and cost(point) is not None:
                owner = next(line for line in lines if point in line.line.index)
                owner.credit(point, cost(point))
    return batches


def make(name, shape, **options):
    axes = {f"x{k}": list(range(n)) for k, n in enumerate(shape)}
    space = SearchSpace.from_values(axes)
    return make_strategy(name, options, space=space, goal=GOAL, seed=3)


def bowl(point):
    return sum((i - 2.3 - 0.4 * k) ** 2 for k, i in enumerate(point))


def told(proposals, cost=bowl):
    return [
        Result(p.point, p.seed, Status.DONE, {"y": cost(p.point)}) for p in proposals
    ]


def play(strategy, cap, cost=bowl):
    history = History()
    while batch := strategy.ask(history, cap):
        history = history.ask(batch).tell(told(batch, cost))
    return history


def random_starts(n):
    chance = np.random.default_rng(0)
    return [tuple(int(chance.integers(s)) for s in BIG) for _ in range(n)]


def ends_a_line_of_three(start):
    lines = lines_through(start, BIG, len(BIG))
    return any(len(x) == 3 and x.index[start] == 2 for x in lines)


def test_defect_1_a_line_of_three_points_blocks_the_original_for_ever():
    assert len(rounds((3, 3), (2, 2), bowl, 4)) == 60
    assert len(rounds((3, 3), (2, 2), bowl, 4, cured=True)) < 60
    history = play(make("radial", (3, 3), start=[2, 2]), 4)
    assert len(history.results) == 7  # the three lines through the corner


def test_defect_1_blocks_the_original_from_some_of_200_starts_and_never_ours():
    """All 200 starts are run to their end in `test_searches`."""
    blocked = [s for s in random_starts(200) if ends_a_line_of_three(s)]
    assert blocked
    for start in blocked[:3]:
        assert len(rounds(BIG, start, bowl, 500, at_most=30)) == 30
        assert len(rounds(BIG, start, bowl, 500, cured=True, at_most=30)) < 30
        history = play(make("radial", BIG, start=list(start)), 500)
        assert history.incumbent(GOAL).point == (2, 3, 3, 4)


def repeats(batches):
    points = [p for batch in batches for p in batch]
    return len(points) - len(set(points))


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("cap", [1, 7, 500])
def test_defect_2_no_batch_repeats_a_point(name, cap):
    start = (1, 1, 1)
    assert repeats(rounds((3, 4, 3), start, bowl, cap)) > 0
    history = play(make(name, (3, 4, 3), start=list(start)), cap)
    assert repeats([[p.point] for p in history.proposals]) == 0


def test_defect_3_many_slots_by_pass_the_spline_of_the_original():
    """With a slot for each point the first batch holds whole lines, whatever f says."""
    points = {p for x in lines_through((4, 4), (9, 9), 2) for p in x.points} - {(4, 4)}
    assert set(rounds((9, 9), (4, 4), bowl, 500)[0]) == points
    strategy, history = make("levelled", (9, 9), q=2, count="batches"), History()
    sizes = []
    while batch := strategy.ask(history, 500):
        by_line = {}
        for proposal in batch:
            if not proposal.reason.startswith(("trisection", "start")):
                by_line.setdefault(proposal.reason.split("[")[1], []).append(proposal)
        sizes += [len(group) for group in by_line.values()]
        history = history.ask(batch).tell(told(batch))
    assert max(sizes) == 2
    assert len(history.results) < 81


@pytest.mark.parametrize("status", [Status.FAILED, None])
def test_defect_4_a_point_without_a_result_blocks_the_original_and_not_ours(status):
    """None is a trial that never reports: it stays pending for ever."""
    lost = (0, 4)

    def cost(point):
        return None if point == lost else bowl(point)

    assert len(rounds((9, 9), (4, 4), cost, 6, cured=True)) == 60
    for name in LINES[1:]:
        strategy, history = make(name, (9, 9)), History()
        lost = play(strategy, 6).proposals[2].point
        while batch := strategy.ask(history, 6):
            history = history.ask(batch)
            history = history.tell(told([p for p in batch if p.point != lost]))
            if status and any(p.point == lost for p in batch):
                history = history.tell([Result(lost, 1, status)])
        assert bowl(history.incumbent(GOAL).point) < bowl((4, 4))
        assert len(history.proposals) > 15
        assert [p.point for p in history.pending] == ([] if status else [lost])


@pytest.mark.parametrize("name", ["s2017", "s2018"])
def test_defect_4_what_is_told_ahead_of_its_turn_does_not_end_a_search(name):
    """A trial that never reports leads to the same points as one that fails."""
    found = []
    for status in (Status.FAILED, None):
        strategy, history = make(name, (9, 9)), History()
        lost = play(strategy, 6).proposals[2].point
        while batch := strategy.ask(history, 6):
            history = history.ask(batch)
            history = history.tell(told([p for p in batch if p.point != lost]))
            if status and any(p.point == lost for p in batch):
                history = history.tell([Result(lost, 1, status)])
        found.append({p.point for p in history.proposals})
    assert found[0] == found[1]


@pytest.mark.parametrize("name", LINES)
def test_defect_4_a_late_result_is_taken_in_where_it_belongs(name):
    """Results that arrive late, one by one, lead to an end without repeats."""
    strategy, history = make(name, (7, 6, 5)), History()
    while True:
        batch = strategy.ask(history, 1)
        history = history.ask(batch)
        waiting = history.pending
        if not waiting:
            break
        if len(waiting) > 5 or not batch:
            history = history.tell(told(waiting[-1:]))
    points = [p.point for p in history.proposals]
    assert len(points) == len(set(points))
    assert strategy.ask(history, 1) == ()


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_defect_4_no_number_that_is_not_finite_reaches_a_fit(value, monkeypatch):
    sick = {0: 3.0, 3: 1.0, 6: value, 10: 2.0}
    with np.errstate(invalid="ignore"):
        try:
            markers = spline(11, sick)
        except np.linalg.LinAlgError:
            markers = np.array([math.nan])
    assert not np.isfinite(markers).all()
    fed = []
    real = dspline.DSpline.add
    monkeypatch.setattr(
        dspline.DSpline,
        "add",
        lambda self, i, y, *, weight=1.0: (
            fed.append(y) or real(self, i, y, weight=weight)
        ),
    )
    for name in LINES:
        play(make(name, (6, 5, 4)), 9, lambda p: value if sum(p) % 3 == 0 else bowl(p))
    assert fed
    assert all(math.isfinite(y) for y in fed)


def line_state(told_together):
    """A plain line whose minimum stays, fed in batches; returns when it is done."""
    line = PlainLine(lines_through((5,), (11,), 1)[0], cured=True)
    for index in (0, 10, 3, 6, *told_together):
        line.credit((index,), (index - 5.0) ** 2)
    return line.done


def test_defect_5_samples_told_together_end_a_line_of_the_original():
    """One look at the spline, one batch of three, and the line is over."""
    assert line_state((5, 4, 2))
    ended = {}
    for count in ("samples", "batches"):
        strategy = make("ippe", (11,), count=count)
        first = [Proposal((i,)) for i in (0, 10, 3, 6)]
        more = [Proposal((i,)) for i in (5, 4, 2)]
        history = History().ask(first).tell(told(first, lambda p: (p[0] - 5.0) ** 2))
        history = history.ask(more).tell(told(more, lambda p: (p[0] - 5.0) ** 2))
        ended[count] = strategy.ask(history, 1) == ()
    assert ended == {"samples": True, "batches": False}


def test_defect_5_is_not_in_levelled_with_one_point_a_line_and_batch():
    """After its trisection a line needs two more batches, however many slots."""
    strategy, history, batches = make("levelled", (11,)), History(), 0
    while batch := strategy.ask(history, 50):
        history = history.ask(batch).tell(told(batch, lambda p: (p[0] - 5.0) ** 2))
        batches += 1
    assert batches >= 3
