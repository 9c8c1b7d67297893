"""How the strategies walk: examples to follow by hand, and the big grid."""

import time
from statistics import median

import numpy as np
import pytest

from collinear.search import (
    S2018,
    Goal,
    History,
    Levelled,
    Limit,
    Radial,
    Result,
    SearchSpace,
    Status,
    make_strategy,
)
from collinear.search.ledger import Ledger
from collinear.search.replay import Desk

GOAL = Goal("y")
BIG = (10, 11, 11, 11)  # the grid of the 2022 report


def grid(shape):
    return SearchSpace.from_values(
        {f"x{k}": list(range(n)) for k, n in enumerate(shape)}
    )


def noisy_bowl(shape, seed, sd=0.03):
    """A rotated bowl of range about 5 with fixed noise: one cost for each point."""
    chance = np.random.default_rng(seed)
    d = len(shape)
    u = np.stack(np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij"), -1)
    turn, _ = np.linalg.qr(chance.normal(size=(d, d)))
    axes = (u - chance.uniform(0.15, 0.85, d)) @ turn
    bowl = 2 + (axes**2 * np.array([8, 4, 2, 0.5])[:d]).sum(-1)
    return bowl + chance.normal(0, sd, shape)


def play(strategy, cost, cap):
    """Returns the history and the widths of all batches."""
    history, widths = History(), []
    while batch := strategy.ask(history, cap):
        widths.append(len(batch))
        results = [
            Result(p.point, 1, Status.DONE, {"y": float(cost(p.point))}) for p in batch
        ]
        history = history.ask(batch).tell(results)
    return history, widths


def drive(strategy, cost, cap):
    """The same without replaying: feeds the running search. Returns the batches."""
    desk = Desk(Ledger(strategy.space, GOAL), strategy.space.shape, strategy.alpha)
    search = strategy.search(desk)
    wishes, batches = next(search, None), []
    while wishes is not None:
        batch = list(dict.fromkeys(w.point for w in wishes()))[:cap]
        assert batch, "the search goes on and wants nothing"
        assert desk.ledger.visited.isdisjoint(batch)
        batches.append(batch)
        told = [Result(p, 1, Status.DONE, {"y": float(cost(p))}) for p in batch]
        try:
            wishes = search.send(desk.ledger.tell(told))
        except StopIteration:
            wishes = None
    return batches


def distance_to(centre):
    return lambda point: sum((i - c) ** 2 for i, c in zip(point, centre, strict=True))


def test_s2018_measures_neighbours_then_the_line_through_the_best():
    strategy = S2018(grid((5, 5)), GOAL)
    history, widths = play(strategy, distance_to((2.2, 3.9)), 50)
    points = [p.point for p in history.proposals]
    assert points[:5] == [(2, 2), (3, 2), (1, 2), (2, 3), (2, 1)]
    assert widths[:2] == [1, 4]
    assert points[5:7] == [(2, 0), (2, 4)]
    assert history.incumbent(GOAL).point == (2, 4)


def test_s2018_follows_the_best_neighbour_even_when_it_is_worse():
    strategy = S2018(grid((9, 9)), GOAL)
    history, _ = play(strategy, distance_to((4, 4)), 50)
    line = strategy.lines(history)[0]
    assert line.base == (4, 4)
    assert len(strategy.lines(history)) == 2  # one for each level, then the end


def test_levelled_begins_with_base_and_trisection_of_the_axis_lines():
    batch = Levelled(grid(BIG), GOAL).ask(History(), 50)
    assert len(batch) == 17
    assert (batch[0].point, batch[0].reason) == ((5, 5, 5, 5), "start")
    assert batch[1].point == (0, 5, 5, 5)
    assert batch[1].reason == "trisection of line [1 0 0 0]"


@pytest.mark.parametrize("q", [1, 2, 4])
def test_levelled_adds_q_points_of_each_line(q):
    strategy = Levelled(grid(BIG), GOAL, q=q)
    table = noisy_bowl(BIG, 1)
    history = History()
    for _ in range(2):
        batch = strategy.ask(history, 50)
        told = [Result(p.point, 1, Status.DONE, {"y": table[p.point]}) for p in batch]
        history = history.ask(batch).tell(told)
    assert len(batch) == 4 * q


def test_levelled_moves_within_a_level_before_it_goes_oblique():
    strategy = Levelled(grid((9, 9)), GOAL)
    history, _ = play(strategy, distance_to((6.1, 1.2)), 50)
    lines = [(line.base, line.n_axes) for line in strategy.lines(history)]
    assert lines[:2] == [((4, 4), 1)] * 2
    assert lines[2][1] == 1
    assert lines[-1] == ((6, 1), 2)


def test_levelled_has_the_size_of_the_reported_campaign():
    """The 2022 report: 363 trials in 27 batches, 13.4 on average, at most 50."""
    strategy = Levelled(grid(BIG), GOAL)
    runs = [
        [len(b) for b in drive(strategy, noisy_bowl(BIG, s).__getitem__, 50)]
        for s in range(7)
    ]
    jobs, batches = [sum(r) for r in runs], [len(r) for r in runs]
    assert 280 <= median(jobs) <= 440
    assert 24 <= median(batches) <= 40
    assert 9 <= sum(jobs) / sum(batches) <= 15
    assert max(max(r) for r in runs) == 50


def test_levelled_golden_trajectory():
    """Our own values of today: a change of the search must be seen and meant."""
    history, widths = play(Levelled(grid((6, 7, 5)), GOAL), _ripples, 20)
    assert widths == [11, 3, 2, 6, 2, 1, 6, 2, 1, 6, 2, 1, 13, 2, 7]
    assert history.incumbent(GOAL).point == (4, 2, 3)


def _ripples(point):
    i, j, k = point
    return (i - 3.7) ** 2 + 2 * (j - 2.3) ** 2 + (k - 2.6) ** 2 + ((3 * i + j) % 4) / 8


@pytest.mark.slow
def test_radial_ends_from_200_starts_and_repeats_nothing():
    """The published search never ended from 5 of 40 random starts on this grid."""
    chance, space = np.random.default_rng(0), grid(BIG)
    cost = distance_to((3.3, 7.2, 2.4, 5.1))
    for _ in range(200):
        start = tuple(int(chance.integers(n)) for n in BIG)
        batches = drive(Radial(space, GOAL, start=start), cost, 50)
        points = [p for batch in batches for p in batch]
        assert len(points) == len(set(points))


def test_driving_equals_replaying():
    strategy, table = Levelled(grid((5, 6, 4)), GOAL), noisy_bowl((5, 6, 4), 3)
    history, _ = play(strategy, table.__getitem__, 8)
    driven = [p for b in drive(strategy, table.__getitem__, 8) for p in b]
    assert driven == [p.point for p in history.proposals]


def test_line_of_three_points_does_not_block():
    strategy = Radial(grid((3, 3)), GOAL, start=(1, 1))
    history, _ = play(strategy, distance_to((0.2, 1.9)), 2)
    assert history.incumbent(GOAL).point == (0, 2)


def test_base_never_moves_to_an_infeasible_point():
    """Low costs over the limit attract the spline, and lose every comparison."""
    goal = Goal("y", (Limit("r", 4.0),))
    strategy = Levelled(grid((9, 9)), goal)
    history = History()
    while batch := strategy.ask(history, 50):
        told = [
            Result(p.point, 1, Status.DONE, {"y": -p.point[0], "r": p.point[0]})
            for p in batch
        ]
        history = history.ask(batch).tell(told)
    assert all(line.base[0] <= 4 for line in strategy.lines(history))
    assert history.incumbent(goal).point[0] == 4


@pytest.mark.parametrize("name", ["s2018", "radial", "levelled"])
def test_replay_of_600_results_is_fast(name):
    strategy = make_strategy(name, space=grid(BIG), goal=GOAL)
    table, history = noisy_bowl(BIG, 5), History()
    chance = np.random.default_rng(1)
    for _ in range(300):  # results of foreign points, in single events
        point = tuple(int(chance.integers(n)) for n in BIG)
        history = history.tell([Result(point, 1, Status.DONE, {"y": table[point]})])
    while len(history.results) < 600 and (batch := strategy.ask(history, 10)):
        history = history.ask(batch)
        for p in batch:
            value = float(table[p.point])
            history = history.tell([Result(p.point, 1, Status.DONE, {"y": value})])
    begin = time.perf_counter()
    strategy.ask(history, 50)
    assert time.perf_counter() - begin < 2.0
