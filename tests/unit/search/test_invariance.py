"""Turned grids give turned searches, as far as the algorithm itself is symmetric."""

import math
from dataclasses import replace

import numpy as np
import pytest

from collinear.search import (
    Anova,
    Goal,
    History,
    Result,
    SearchSpace,
    Status,
    make_strategy,
)
from collinear.search.grid_model import GridModel, Hyper, Posterior
from collinear.search.hyper import fit_hyper
from collinear.search.kernels import AxisShape

GOAL = Goal("y")


def grid(shape):
    axes = {f"x{k}": list(range(1, n + 1)) for k, n in enumerate(shape)}
    return SearchSpace.from_values(axes)


def cost(point, shape):
    """No two points tie, no axis resembles another, and no curvature is constant."""
    x = [i / (n - 1) for i, n in zip(point, shape, strict=True)]
    bowl = sum((k + 1.0) * (v - 0.3 - 0.17 * k) ** 2 for k, v in enumerate(x))
    waves = sum(0.2 * math.sin(5.0 * v + k) for k, v in enumerate(x))
    return bowl + waves + 0.11 * x[0] * x[-1]


def told(batch, value):
    return [Result(p.point, 1, Status.DONE, {"y": value(p.point)}) for p in batch]


def batches(strategy, value, cap, at_most):
    history, found = History(), []
    while len(found) < at_most and (batch := strategy.ask(history, cap)):
        found.append({p.point for p in batch})
        history = history.ask(batch).tell(told(batch, value))
    return found


@pytest.mark.parametrize("n", [4, 7, 10, 13, 16])
def test_a_reversed_line_is_searched_in_reverse(n):
    """The cuts of a trisection are symmetric where n - 1 is a multiple of three."""
    strategy = make_strategy("ippe", space=grid((n,)), goal=GOAL)
    forward, backward = History(), History()
    for k in [4] + [1] * n:
        one, two = strategy.ask(forward, k), strategy.ask(backward, k)
        assert {n - 1 - p.point[0] for p in one} == {p.point[0] for p in two}
        forward = forward.ask(one).tell(told(one, lambda p: cost(p, (n,))))
        backward = backward.ask(two).tell(
            told(two, lambda p: cost((n - 1 - p[0],), (n,)))
        )
    assert not strategy.ask(forward, 1)


@pytest.mark.parametrize("turned", [(0,), (1,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("name", ["s2018", "levelled"])
def test_reversed_axes_give_reversed_batches_while_lines_follow_axes(name, turned):
    """Oblique lines have other lengths, and trisection is symmetric on some only."""
    shape = (7, 13, 10)

    def mirror(point):
        return tuple(
            n - 1 - i if k in turned else i
            for k, (i, n) in enumerate(zip(point, shape, strict=True))
        )

    start = (2, 5, 3)
    plain = make_strategy(name, {"start": start}, space=grid(shape), goal=GOAL)
    other = make_strategy(name, {"start": mirror(start)}, space=grid(shape), goal=GOAL)
    one = batches(plain, lambda p: cost(p, shape), 50, 3)
    two = batches(other, lambda p: cost(mirror(p), shape), 50, 3)
    assert [{mirror(p) for p in batch} for batch in one] == two


@pytest.mark.parametrize("name", ["s2018", "s2017", "radial", "levelled", "anova"])
def test_names_and_values_of_the_axes_do_not_matter(name):
    """No list here begins with the zero that `anova` takes for "switched off"."""
    shape = (5, 6, 4)
    relabelled = SearchSpace.from_values(
        {f"other{k}": [10.0**i for i in range(n)] for k, n in enumerate(shape)}
    )
    one, two = (
        batches(make_strategy(name, space=s, goal=GOAL), lambda p: cost(p, shape), 7, 6)
        for s in (grid(shape), relabelled)
    )
    assert one == two


AXES = (AxisShape(6), AxisShape(5, categorical=True), AxisShape(7, zero_level=True))
HYPER = Hyper((0.3, 0.2, 0.5), (0.2, 0.1, 0.4), (0.4, 0.7, 0.6), 0.2, 0.5, 0.03)


def data(n=25):
    chance = np.random.default_rng(4)
    points = np.stack([chance.integers(0, a.n_values, n) for a in AXES], axis=1)
    return points, chance.normal(size=n)


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_permuted_axes_give_the_permuted_posterior(order):
    points, values = data()
    turned_axes = tuple(AXES[k] for k in order)
    turned_hyper = replace(
        HYPER,
        **{
            name: tuple(getattr(HYPER, name)[k] for k in order)
            for name in ("curve", "line", "length")
        },
    )
    plain = Posterior(GridModel(AXES, HYPER), points, values)
    turned = Posterior(GridModel(turned_axes, turned_hyper), points[:, order], values)
    shape = [a.n_values for a in AXES]
    expected = plain.mean.reshape(shape).transpose(order).ravel()
    np.testing.assert_allclose(turned.mean, expected, atol=1e-10)
    some = np.array([[0, 0, 0], [5, 4, 6], [2, 3, 1]])
    np.testing.assert_allclose(
        turned.deviations(some[:, order]), plain.deviations(some), atol=1e-10
    )


def test_permuted_categories_give_the_permuted_posterior():
    points, values = data()
    labels = np.array([3, 0, 4, 1, 2])
    moved = points.copy()
    moved[:, 1] = labels[points[:, 1]]
    plain = Posterior(GridModel(AXES, HYPER), points, values)
    turned = Posterior(GridModel(AXES, HYPER), moved, values)
    np.testing.assert_allclose(
        turned.mean.reshape(6, 5, 7)[:, labels], plain.mean.reshape(6, 5, 7), atol=1e-10
    )


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0)])
def test_permuted_axes_are_fitted_as_well(order):
    """The path of the optimiser differs in its last bits, where it ends does not."""
    points, _ = data(60)
    values = np.sin(points[:, 0]) + 0.4 * points[:, 1] % 2 + 0.1 * points[:, 2]
    values = (values - values.mean()) / values.std()
    plain = fit_hyper(AXES, points, values, max_steps=200)
    turned = fit_hyper(
        tuple(AXES[k] for k in order), points[:, order], values, max_steps=200
    )
    assert turned.loss == pytest.approx(plain.loss, abs=0.05)


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_shift_and_scale_of_the_objective_move_the_recommendation(factor):
    space, shape = grid((7, 6)), (7, 6)

    def recommended(scale, shift):
        strategy, history = Anova(space, GOAL, seed=1), History()
        for _ in range(4):
            batch = strategy.ask(history, 6)
            values = told(batch, lambda p: scale * cost(p, shape) + shift)
            history = history.ask(batch).tell(values)
        return strategy.recommend(history)

    plain, moved = recommended(1.0, 0.0), recommended(factor, 7.0)
    assert [r.point for r in moved] == [r.point for r in plain]
    np.testing.assert_allclose(
        [r.cost for r in moved],
        [factor * r.cost + 7.0 for r in plain],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        [r.sd for r in moved], [factor * r.sd for r in plain], rtol=1e-4
    )
