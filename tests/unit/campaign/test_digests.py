"""What stops a started campaign, what rescores it, and what it takes up."""

import copy

import pytest

from collinear.campaign.digests import (
    check_frozen,
    freeze,
    scoring_digest,
    search_digest,
    training_digest,
)
from collinear.campaign.files import write_json
from collinear.campaign.schema import ConfigError


def application(base, **changes):
    return {"application": copy.deepcopy(base["application"]) | changes}


def test_frozen_settings_stop_with_old_and_new_value(make_campaign, settings, tmp_path):
    freeze(make_campaign(), tmp_path)
    changed = make_campaign(
        **application(settings, settings={"epochs": 4, "patch": 8}),
        space={"a": [0.0, 1.0, 3.0], "b": [10.0, 20.0]},
    )
    with pytest.raises(ConfigError) as caught:
        check_frozen(changed, tmp_path)
    message = str(caught.value)
    assert "training.settings.epochs: 3 -> 4" in message
    assert "training.settings.patch: not set -> 8" in message
    assert "space.a: [0.0, 1.0, 2.0] -> [0.0, 1.0, 3.0]" in message


def test_conventional_setting_off_the_grid_stays_once_it_has_begun(
    make_campaign, tmp_path
):
    freeze(make_campaign(), tmp_path)
    other = make_campaign(conventional={"a": 1.0, "b": 17.0})
    check_frozen(other, tmp_path)
    began = tmp_path / "trials/conventional/seed1/work/settings.json"
    write_json(began, {"params": {"a": 1.0, "b": 15.0}})
    check_frozen(make_campaign(), tmp_path)
    check_frozen(make_campaign(conventional={"a": 1.0, "b": 20.0}), tmp_path)
    with pytest.raises(ConfigError, match=r"conventional\.b: 15\.0 -> 17\.0"):
        check_frozen(other, tmp_path)


def test_pretraining_of_a_conventional_setting_stays_too(make_campaign, tmp_path):
    several = {"pretrain_axes": ["b"]}
    freeze(make_campaign(**several), tmp_path)
    began = tmp_path / "pretrain/conventional/work/settings.json"
    write_json(began, {"params": {"b": 15.0}})
    check_frozen(make_campaign(**several), tmp_path)
    other = make_campaign(**several, conventional={"a": 1.0, "b": 17.0})
    with pytest.raises(ConfigError, match=r"conventional\.b: 15\.0 -> 17\.0"):
        check_frozen(other, tmp_path)


def test_reordered_axes_are_another_space(make_campaign, tmp_path):
    freeze(make_campaign(), tmp_path)
    swapped = make_campaign(space={"b": [10.0, 20.0], "a": [0.0, 1.0, 2.0]})
    with pytest.raises(ConfigError, match="order of axes"):
        check_frozen(swapped, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"max_trials": 50},
        {"lanes": 1},
        {"batch": 7},
        {"limits": {"rmse": 11.5}},
        {"objective": "rmse"},
        {"strategy": {"name": "random"}},
        {"conventional": {"a": 1.0, "b": 10.0}},
    ],
)
def test_search_settings_may_change_between_starts(make_campaign, tmp_path, change):
    freeze(make_campaign(), tmp_path)
    check_frozen(make_campaign(**change), tmp_path)
    assert training_digest(make_campaign(**change)) == training_digest(make_campaign())
    assert scoring_digest(make_campaign(**change)) == scoring_digest(make_campaign())


def test_scoring_settings_change_the_scoring_digest_only(make_campaign, settings):
    before = make_campaign()
    after = make_campaign(**application(settings, scoring={"images": "others"}))
    assert scoring_digest(after) != scoring_digest(before)
    assert training_digest(after) == training_digest(before)
    assert search_digest(after) == search_digest(before)
