"""One pretraining for each design: names, values, digests, and the speed front."""

import copy

import pytest

from collinear.campaign.decide import example_weights
from collinear.campaign.designs import design_of, design_params, pretrain_folder
from collinear.campaign.digests import training_digest
from collinear.campaign.files import write_json
from collinear.campaign.journal import Journal, Step
from collinear.campaign.schema import ConfigError
from collinear.campaign.speed_front import (
    draw_speeds,
    read_speeds,
    speed_note,
    speed_table,
)
from collinear.campaign.start import check_input
from collinear.campaign.trials import CONVENTIONAL, TrialName
from collinear.search import Proposal, Result, Status


@pytest.fixture
def designed(make_campaign):
    return make_campaign(pretrain_axes=["a"])


def test_a_trial_starts_from_the_pretraining_of_its_design(
    designed, campaign, tmp_path
):
    assert design_of(designed, TrialName("2-1", 5)) == "2"
    assert design_params(designed, "2") == {"a": 2.0}
    assert pretrain_folder(tmp_path, "2") == tmp_path / "pretrain/2"
    assert design_of(campaign, TrialName("2-1", 5)) is None
    assert pretrain_folder(tmp_path, None) == tmp_path / "pretrain"
    assert design_params(campaign, None) == {}


def test_designs_follow_the_order_of_pretrain_axes(make_campaign):
    both = make_campaign(pretrain_axes=["b", "a"])
    assert design_of(both, TrialName("2-1", 1)) == "1-2"
    assert design_params(both, "1-2") == {"b": 20.0, "a": 2.0}


def test_the_conventional_setting_has_a_design_on_the_grid_or_its_own(make_campaign):
    name = TrialName(CONVENTIONAL, 1)
    # a = 1 is on its axis, b = 15 is not.
    assert design_of(make_campaign(pretrain_axes=["a"]), name) == "1"
    off = make_campaign(pretrain_axes=["b"])
    assert design_of(off, name) == CONVENTIONAL
    assert design_params(off, CONVENTIONAL) == {"b": 15.0}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pretrain_axes": ["c"]}, r"must be axes of space \['a', 'b'\], but got 'c'"),
        ({"pretrain_axes": []}, "pretrain_axes"),
        ({"pretrain_axes": ["a", "a"]}, "pretrain_axes"),
        ({"prepare": {"profile": True}}, "prepare.profile: measures one network"),
        (
            {"pretrain_race": {"variants": {"x": {}, "y": {"epochs": 5}}, "epochs": 1}},
            "pretrain_race: races one pretraining",
        ),
    ],
)
def test_what_knows_one_pretraining_only_is_refused(
    make_campaign, settings, changes, said
):
    application = copy.deepcopy(settings["application"])
    commands = {"profile": ["program"], "pretrain_variant": ["program"]}
    given = {"pretrain_axes": ["a"], "application": application | commands} | changes
    with pytest.raises(ConfigError, match=said):
        make_campaign(**given)


def test_init_is_refused(make_campaign, settings):
    application = copy.deepcopy(settings["application"]) | {"init": "w.pt"}
    with pytest.raises(ConfigError, match=r"application\.init: is the start of one"):
        make_campaign(pretrain_axes=["a"], application=application)


def test_digest_and_check_know_it_only_where_it_is_used(designed, campaign):
    assert training_digest(designed) != training_digest(campaign)
    assert check_input(designed)["pretrain_axes"] == ["a"]
    assert "pretrain_axes" not in check_input(campaign)


def told(root, results, **metrics):
    """A journal with these (point, seed, values, seconds)."""
    journal = Journal(root / "history")
    made = []
    for point, seed, values, seconds in results:
        folder = root / f"trials/{'-'.join(map(str, point))}/seed{seed}"
        record = {"status": "done", "seconds": seconds, "epochs": 10}
        write_json(folder / "metrics.json", {**record, **metrics})
        made.append(Result(point, seed, Status.DONE, values))
    step = Step("lane00", 0)
    journal.record_asked(step, [Proposal(r.point, r.seed) for r in made], search="x")
    journal.record_told(step, made, "scoring")


POINTS = [
    ((0, 0), 1, {"niqe": 5.0, "rmse": 10.0}, 100.0),
    ((0, 0), 2, {"niqe": 6.0, "rmse": 10.0}, 102.0),
    ((0, 1), 1, {"niqe": 5.8, "rmse": 10.0}, 101.4),
    ((1, 0), 1, {"niqe": 4.0, "rmse": 10.0}, 200.0),
    ((1, 1), 1, {"niqe": 4.5, "rmse": 10.0}, 300.0),
    ((2, 0), 1, {"niqe": 1.0, "rmse": 99.0}, 50.0),
]


def test_the_front_of_speed_and_quality(designed, tmp_path):
    told(tmp_path, POINTS)
    speeds, unit = read_speeds(designed, tmp_path)
    assert unit == "epoch"
    by_point = {speed.point: speed for speed in speeds}
    mean = by_point["0-0"]
    assert (mean.runs, mean.values["niqe"]) == (2, 5.5)
    assert mean.seconds == pytest.approx(10.1)
    # As fast as 0-0 in two digits, and worse; 2-0 is over the limit of the RMSE.
    assert [speed.point for speed in speeds if speed.on_front] == ["0-0", "1-0"]
    assert not by_point["2-0"].feasible
    table = speed_table(designed, speeds, unit).splitlines()
    assert table[0].split("\t")[:4] == ["trial", "a", "b", "runs"]
    assert table[2].split("\t") == [
        *("0-0", "0", "10", "2", "5.5", "10", "10.1", "yes", "yes")
    ]
    note = speed_note(designed, speeds, unit)
    assert "2 settings are on the front" in note
    assert "a 0 with niqe 5.5 at 10.1 s per epoch to a 1 with niqe 4" in note
    draw_speeds(designed, speeds, unit, tmp_path / "front.svg")
    assert "seconds per epoch" in (tmp_path / "front.svg").read_text()


def test_steps_are_the_unit_where_every_program_counts_them(designed, tmp_path):
    told(tmp_path, POINTS, iterations=1000)
    speeds, unit = read_speeds(designed, tmp_path)
    assert unit == "step"
    assert speeds[-1].seconds == pytest.approx(0.3)


def test_nothing_done_is_an_empty_front(designed, tmp_path):
    (tmp_path / "history").mkdir()
    speeds, unit = read_speeds(designed, tmp_path)
    assert speeds == []
    assert speed_note(designed, speeds, unit) == ""
    draw_speeds(designed, speeds, unit, tmp_path / "front.svg")
    assert (tmp_path / "front.svg").exists()


def test_the_photograph_shows_the_pretraining_of_the_best(designed, campaign, tmp_path):
    estimate = {"best": {"trial": "2-1/seed1"}, "conventional": None}
    weights = example_weights(designed, tmp_path, estimate)
    assert weights["pretrained"] == tmp_path / "pretrain/2/weights.pt"
    weights = example_weights(campaign, tmp_path, estimate)
    assert weights["pretrained"] == tmp_path / "pretrain/weights.pt"
    nothing = {"best": None, "conventional": None}
    (tmp_path / "pretrain/1").mkdir(parents=True)
    (tmp_path / "pretrain/1/weights.pt").touch()
    weights = example_weights(designed, tmp_path, nothing)
    assert weights["pretrained"] == tmp_path / "pretrain/1/weights.pt"
