"""The searches follow DSICE 1.0.1 point by point (provenance: README.md).

The original may put a point into a batch twice, or ask for a measured point again;
ours never does. Dropping a repeat leaves the other points of the batch as they were,
but a batch of the original that spent s slots on repeats holds s new points fewer than
ours. So in each round we compare with the new points of the original, in their order:
ours must begin with them, and must equal them where the original repeated nothing. Then
the original's batch is told, and the next round is compared. Nothing else is relaxed:
every new point of all 17 runs is compared, also of the runs that DSICE never finishes
(after their last new point the original repeats points for ever).
"""

import json
from pathlib import Path

import numpy as np
import pytest

from collinear.search import Goal, History, Result, SearchSpace, Status, make_strategy

CASES = json.loads((Path(__file__).parent / "dsice_1_0_1_traces.json").read_text())
NAMES = {"S_IPPE": "ippe", "S_2017": "s2017", "S_2018": "s2018", "P_2024B": "radial"}
GOAL = Goal("y")


def _name(case):
    shape = "x".join(str(n) for n in case["shape"])
    return f"{case['algorithm']}-{shape}-cap{case['cap']}"


def _strategy(case):
    axes = {f"x{k}": range(n) for k, n in enumerate(case["shape"])}
    return make_strategy(
        NAMES[case["algorithm"]],
        {"alpha": case["alpha"]},
        space=SearchSpace.from_values({name: list(v) for name, v in axes.items()}),
        goal=GOAL,
    )


def _flat(proposals, shape):
    return [int(np.ravel_multi_index(p.point, shape)) for p in proposals]


def _tell(history, batch, case):
    results = [
        Result(p.point, 1, Status.DONE, {"y": case["table"][index]})
        for p, index in zip(batch, _flat(batch, case["shape"]), strict=True)
    ]
    return history.ask(batch).tell(results)


def _follow(case):
    """Compares every round; returns our history at the end of the trace."""
    strategy, history, seen = _strategy(case), History(), set()
    cap = case["cap"] or len(case["table"])
    for number, taken in enumerate(case["rounds"]):
        new = [index for index in dict.fromkeys(taken) if index not in seen]
        seen.update(new)
        if not new:
            continue
        batch = strategy.ask(history, cap)
        ours = _flat(batch, case["shape"])
        assert ours[: len(new)] == new, f"round {number}"
        if len(new) == len(taken):
            assert ours == new, f"round {number} has no repeats"
        history = _tell(history, batch[: len(new)], case)
    return strategy, history


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_rounds_equal_reference(case):
    strategy, history = _follow(case)
    if case["finished"]:
        assert strategy.ask(history, 1) == ()
        best = history.incumbent(GOAL)
        assert _flat([best], case["shape"]) == [case["best"]]


@pytest.mark.parametrize("case", [c for c in CASES if c["cap"] == 1], ids=_name)
def test_sequential_runs_are_reproduced_without_help(case):
    strategy, history, order = _strategy(case), History(), []
    while batch := strategy.ask(history, 1):
        order += _flat(batch, case["shape"])
        history = _tell(history, batch, case)
    assert order == list(dict.fromkeys(i for taken in case["rounds"] for i in taken))


@pytest.mark.parametrize("case", [c for c in CASES if not c["finished"]], ids=_name)
def test_runs_that_block_the_original_end_here(case):
    strategy, history = _follow(case)
    while batch := strategy.ask(history, case["cap"]):
        history = _tell(history, batch, case)
    assert strategy.ask(history, case["cap"]) == ()
