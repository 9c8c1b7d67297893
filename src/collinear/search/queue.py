"""Settings that the user wants tried first, before those of the strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collinear.search.history import History, Proposal, plain_point
from collinear.search.replay import StrategyError, taken_points
from collinear.search.space import Axis, Point, SearchSpace, plain_number
from collinear.search.strategies import Strategy

REASON = "user"


def locate_settings(
    settings: Sequence[Mapping[str, float]], space: SearchSpace
) -> tuple[Point, ...]:
    """The grid points of settings that are given by value.

    Args:
        settings: One value for each axis in each of them.
        space: The grid.

    Raises:
        StrategyError: A setting misses an axis, has an unknown one, lies off the grid
            (the message names the nearest values) or comes twice.
    """
    points: list[Point] = []
    for number, setting in enumerate(settings):
        where = f"setting {number}"
        if set(setting) != set(space.names):
            raise StrategyError(
                f"{where} must give one value for each axis {list(space.names)}, but "
                f"got {list(setting)}"
            )
        point = tuple(_index(axis, setting[axis.name], where) for axis in space.axes)
        if point in points:
            raise StrategyError(f"{where} equals setting {points.index(point)}")
        points.append(point)
    return tuple(points)


def ask_with_queue(
    strategy: Strategy, queue: Sequence[Point], history: History, k: int
) -> tuple[Proposal, ...]:
    """Up to k trials: what is left of the queue, then what the strategy proposes.

    A queued trial counts as any other, and the strategy learns from it.

    Args:
        strategy: The search.
        queue: Points to try first; those asked or told before are passed over, and
            so are repeats.
        history: Everything asked and told.
        k: Number of trials wanted, >= 0.

    Raises:
        StrategyError: A point of the queue lies off the grid.
    """
    wanted = dict.fromkeys(plain_point(p) for p in queue)
    for point in wanted:
        if point not in strategy.space:
            raise StrategyError(
                "a queue must hold points of the grid "
                f"{strategy.space.shape}, but got {point!r}; give one index from 0 for "
                "each axis"
            )
    taken = taken_points(history)
    mine = tuple(Proposal(p, 1, REASON) for p in wanted if p not in taken)[: max(k, 0)]
    if mine and len(mine) == k:
        return mine
    before = history.ask(mine) if mine else history
    return (*mine, *strategy.ask(before, k - len(mine)))


def _index(axis: Axis, value: float, where: str) -> int:
    value = plain_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise StrategyError(f"{where}: {axis.name} must be a number, but got {value!r}")
    if value not in axis.values:
        near = sorted(sorted(axis.values, key=lambda v: abs(v - value))[:2])
        raise StrategyError(
            f"{where}: {axis.name} must be a value of its axis, but got {value!r}; the "
            f"nearest are {' and '.join(f'{v:g}' for v in near)}"
        )
    return axis.values.index(value)
