"""A history is its events, one by one or all at once."""

import copy
import pickle

import numpy as np
import pytest

from collinear.search import (
    Anova,
    Asked,
    Goal,
    History,
    Limit,
    Proposal,
    Result,
    SearchSpace,
    Status,
    Told,
)

EVENTS = (
    Asked((Proposal((0,)), Proposal((1,)))),
    Told((Result((1,), 1, Status.DONE, {"y": 1.0}),)),
    Asked((Proposal((2,)),)),
    # Told again, and twice within an event: the first counts.
    Told(
        (
            Result((1,), 1, Status.FAILED),
            Result((2,), 1, Status.DONE, {"y": 3.0}),
            Result((2,), 1, Status.DIVERGED),
        )
    ),
)


def test_replay_equals_asking_and_telling():
    history = History()
    for event in EVENTS:
        if isinstance(event, Asked):
            history = history.ask(event.proposals)
        else:
            history = history.tell(event.results)
    assert History.replay(EVENTS) == history
    assert [r.values.get("y") for r in history.results] == [1.0, 3.0]


def test_a_longer_history_leaves_the_shorter_one_as_it_was():
    short = History.replay(EVENTS[:2])
    assert len(short.proposals) == 2
    longer = short.ask([Proposal((5,))]).tell([Result((5,), 1, Status.FAILED)])
    assert (len(short.proposals), len(short.results)) == (2, 1)
    assert (len(longer.proposals), len(longer.results)) == (3, 2)


def test_the_text_of_a_status_is_that_status():
    result = Result((1,), 1, "done", {"y": 2.0})
    assert result == Result((1,), 1, Status.DONE, {"y": 2.0})
    assert result.status is Status.DONE
    assert History().tell([result]).incumbent(Goal("y")) is result


@pytest.mark.parametrize("status", ["Done", "ok", None, 1])
def test_an_unknown_status_is_refused(status):
    with pytest.raises(ValueError, match=r"one of \['done', .*\], but got"):
        Result((1,), 1, status)


@pytest.mark.parametrize(
    "point", [[1, 2], np.array([1, 2]), (np.int64(1), np.uint8(2))], ids=repr
)
def test_a_point_becomes_a_tuple_of_int(point):
    for trial in (Proposal(point), Result(point, 1, Status.DONE)):
        assert trial.point == (1, 2)
        assert [type(i) for i in trial.point] == [int, int]
        assert type(trial.point) is tuple


def test_the_model_sees_results_at_points_of_numpy():
    space = SearchSpace.from_values({"a": range(4), "b": range(4)})
    history = History().tell(
        [Result(np.array(p), 1, Status.DONE, {"y": sum(p)}) for p in space.points()]
    )
    models, seen = Anova(space, Goal("y")).models(history)
    assert models is not None
    assert len(seen) == space.size


@pytest.mark.parametrize("point", [(1.0, 2.0), (np.float64(1), 2), "12", (1, None), 3])
def test_an_index_that_is_no_whole_number_is_refused(point):
    for make in (Proposal, lambda p: Result(p, 1, Status.DONE)):
        with pytest.raises(ValueError, match="one whole number for each axis, but got"):
            make(point)


@pytest.mark.parametrize("huge", [-1.7e308, -(10**400)], ids=["float", "int"])
def test_a_cost_as_large_as_no_training_has_is_never_the_incumbent(huge):
    results = [Result((i,), 1, "done", {"y": y}) for i, y in enumerate((huge, 3.0))]
    history = History().tell(results)
    assert history.incumbent(Goal("y")) is results[1]
    assert history.incumbent(Goal("y", lower_is_better=False)) is results[1]


def test_values_are_numbers_of_python():
    """To a float32, the largest cost is infinite, and infinity is not above it."""
    goal = Goal("y")
    for number in (np.float32("inf"), np.float64("inf"), np.float32("nan"), 10**400):
        assert goal.cost(Result((0,), 1, "done", {"y": number})) is None
    found = Result((0,), 1, "done", {"y": np.float32(0.5), "z": None, "n": np.int8(3)})
    assert dict(found.values) == {"y": 0.5, "z": None, "n": 3.0}
    assert type(found.values["y"]) is type(found.values["n"]) is float
    for wrong in ("3.2", [1.0], 1j):
        with pytest.raises(ValueError, match="value 'y' must be a number or None"):
            Result((0,), 1, "done", {"y": wrong})


def test_histories_are_pickled_copied_and_hashed():
    history = History.replay(EVENTS)
    for again in (pickle.loads(pickle.dumps(history)), copy.deepcopy(history)):
        assert again == history
        assert hash(again) == hash(history)
        with pytest.raises(TypeError):
            again.results[0].values["y"] = 2.0


@pytest.mark.parametrize(
    "wrong", [lambda: Limit("x", "5"), lambda: Limit("x", 5.0, (None,))]
)
def test_a_limit_is_a_number(wrong):
    with pytest.raises(ValueError, match="limits on 'x' must be numbers"):
        wrong()


@pytest.mark.parametrize("limits", [Limit("x", 1.0), (5.0,), "x"])
def test_limits_are_a_tuple_of_limits(limits):
    assert Goal("y", [Limit("x", 1.0)]) == Goal("y", (Limit("x", 1.0),))
    with pytest.raises(ValueError, match="limits must be a tuple of Limit"):
        Goal("y", limits)
