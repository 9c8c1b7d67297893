"""Names, seeds and inputs of trials."""

import pytest

from collinear.campaign.trials import (
    CONVENTIONAL,
    TrialName,
    candidates_table,
    conventional_trial,
    parse_point,
    point_name,
    program_input,
    read_candidates,
    training_seed,
    trial_params,
)
from collinear.search import Proposal


def test_point_names_round_trip():
    assert point_name((3, 0, 10)) == "3-0-10"
    assert parse_point("3-0-10") == (3, 0, 10)


def test_conventional_setting_off_the_grid_has_a_named_folder(campaign):
    name = conventional_trial(campaign)
    assert name == TrialName(CONVENTIONAL, 1)
    assert trial_params(campaign, name) == {"a": 1.0, "b": 15.0}


def test_conventional_setting_on_the_grid_is_the_trial_of_its_point(make_campaign):
    campaign = make_campaign(conventional={"a": 1.0, "b": 20.0})
    assert conventional_trial(campaign) == TrialName("1-1", 1)


def test_conventional_setting_is_whole_where_the_axis_is(make_campaign):
    """A program gets the same kind of number from it as from a trial."""
    campaign = make_campaign(
        space={"a": [0, 1, 2], "b": [10.0, 20.0]}, conventional={"a": 2.0, "b": 15}
    )
    params = trial_params(campaign, conventional_trial(campaign))
    assert [repr(v) for v in params.values()] == ["2", "15.0"]
    assert (
        repr(
            make_campaign(
                space={"a": [0, 1], "b": [1]}, conventional={"a": 0.5, "b": 1}
            ).conventional
        )
        == "{'a': 0.5, 'b': 1}"
    )


def test_no_conventional_setting(make_campaign, settings):
    del settings["conventional"]
    assert conventional_trial(make_campaign()) is None


def test_training_seeds_are_paired_over_points_and_differ_over_indices():
    seeds = [training_seed(7, n) for n in range(200)]
    assert len(set(seeds)) == 200
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert training_seed(8, 1) != training_seed(7, 1)


def test_training_seed_is_pinned():
    """A change would silently make running campaigns mix two kinds of seeds."""
    assert training_seed(7, 1) == 1808820083


def test_table_round_trips_with_exact_values(campaign, tmp_path):
    table = candidates_table(campaign, [Proposal((2, 1), 4, "why")])
    assert table.splitlines() == ["point\tseed\treason\ta\tb", "2-1\t4\twhy\t2.0\t20.0"]
    path = tmp_path / "t.tsv"
    path.write_text(table)
    assert read_candidates(path) == [TrialName("2-1", 4)]


def test_program_gets_settings_and_params(campaign):
    given = program_input(campaign, {"a": 1.0})
    assert given == {
        "settings": {"epochs": 3},
        "scoring": {},
        "params": {"a": 1.0},
        "threads": 1,
    }


@pytest.mark.parametrize("name", ["3-0-9", "9-9"])
def test_points_off_the_grid_are_refused(campaign, name):
    with pytest.raises(ValueError, match="not on the grid"):
        trial_params(campaign, TrialName(name, 1))
