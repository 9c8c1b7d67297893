"""Pictures of a campaign: nothing is drawn where it does not lie."""

import pytest
from matplotlib.axes import Axes

from collinear.campaign.estimate import Setting
from collinear.campaign.figures import axis_end, draw_message, history_figure
from collinear.campaign.tradeoff import tradeoff_figure
from collinear.search import Goal, Limit, Result, Status

GOAL = Goal("niqe", (Limit("rmse", 12.5),))


def result(number, niqe, rmse):
    return Result((number,), 1, Status.DONE, {"niqe": niqe, "rmse": rmse})


def setting(niqe, rmse):
    return Setting("0/seed1", {}, "done", {"niqe": niqe, "rmse": rmse}, True)


@pytest.fixture
def drawn(monkeypatch):
    """What is scattered, by label."""
    found, scatter = {}, Axes.scatter

    def watched(self, xs, ys, **options):
        found[options.get("label")] = list(zip(xs, ys, strict=True))
        return scatter(self, xs, ys, **options)

    monkeypatch.setattr(Axes, "scatter", watched)
    return found


MOSTLY_OVER = [(0.17, 13), (0.43, 13), (0.58, 13), (3.13, 11), (4.57, 11), (90, 60)]


def test_trials_below_what_is_pointed_out_are_where_they_are(drawn, tmp_path):
    results = [result(i, *pair) for i, pair in enumerate(MOSTLY_OVER)]
    marked = {"best": setting(3.13, 11), "conventional": setting(5.0, 12)}
    tradeoff_figure(results, GOAL, marked, tmp_path / "x.svg", "rmse")
    assert drawn["trial"] == [(11, 3.13), (11, 4.57)]
    assert drawn["over a limit"] == [(13, 0.17), (13, 0.43), (13, 0.58)]
    [(x, y)] = drawn["over a limit beyond the axes"]
    assert 13 <= x < 60
    assert 5.0 <= y < 90


def test_a_trial_above_the_history_has_a_mark_of_its_own(drawn, tmp_path):
    results = [result(i, *pair) for i, pair in enumerate(MOSTLY_OVER)]
    history_figure([results], GOAL, setting(5.0, 12), tmp_path / "x.svg")
    assert drawn["trial"] == [(4, 3.13), (5, 4.57)]
    assert len(drawn["over a limit"]) == 3
    assert [x for x, _ in drawn["over a limit above the axis"]] == [6]


def test_the_axis_holds_what_is_marked():
    assert axis_end([1.0, 2.0, 3.0, 100.0], [None]) < 100.0
    assert axis_end([1.0, 2.0, 3.0, 100.0], [50.0, None]) == 50.0


def test_a_message_is_a_picture(tmp_path):
    draw_message("it went wrong; see the log", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
