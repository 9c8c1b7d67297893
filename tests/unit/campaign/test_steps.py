"""Asking and telling through the journal."""

import pytest

from collinear.campaign.digests import search_digest
from collinear.campaign.files import read_json, write_json
from collinear.campaign.journal import Step
from collinear.campaign.steering import last_ending
from collinear.campaign.steps import (
    candidates,
    candidates_key,
    first_batches,
    first_trials,
    journal_of,
    lanes_of,
    update,
)
from collinear.campaign.trials import read_candidates, trial_files


def finish(root, names, niqe=5.0):
    for name in names:
        path = trial_files(root, name).folder / "score.json"
        values = {"niqe": niqe, "rmse": 9.0}
        write_json(path, {"status": "done", "values": values})


def ask(campaign, root, lane, step):
    table = root / f"{lane}-{step}.tsv"
    candidates(campaign, root, Step(lane, step), table)
    return read_candidates(table)


def tell(campaign, root, lane, step):
    return update(campaign, root, Step(lane, step), root / f"{lane}-{step}.json")


def test_first_batches_are_disjoint_slices(campaign):
    batches = first_batches(campaign)
    assert [len(b) for b in batches.values()] == [2, 2]
    points = [p.point for batch in batches.values() for p in batch]
    assert points == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_small_budget_is_spread_over_the_lanes(make_campaign):
    batches = first_batches(make_campaign(max_trials=3))
    assert [len(b) for b in batches.values()] == [2, 1]


def test_fast_lane_does_not_take_what_a_slow_lane_has_yet_to_ask(campaign, tmp_path):
    names = ask(campaign, tmp_path, "lane00", 0)
    finish(tmp_path, names)
    tell(campaign, tmp_path, "lane00", 0)
    second = ask(campaign, tmp_path, "lane00", 1)
    late = ask(campaign, tmp_path, "lane01", 0)
    assert not set(second) & set(late)
    assert len({*names, *second, *late}) == 5  # the budget


def test_asking_again_publishes_the_same_table(campaign, tmp_path):
    first = ask(campaign, tmp_path, "lane00", 0)
    assert ask(campaign, tmp_path, "lane00", 0) == first
    assert first_trials(campaign, tmp_path, "lane00") == first


def test_budget_counts_over_all_lanes_and_a_larger_one_reopens(make_campaign, tmp_path):
    campaign = make_campaign(lanes=1, batch=4)
    for step, expected in ((0, 4), (1, 1), (2, 0)):
        names = ask(campaign, tmp_path, "lane00", step)
        assert len(names) == expected
        finish(tmp_path, names)
        if names:
            tell(campaign, tmp_path, "lane00", step)
    larger = make_campaign(lanes=1, batch=4, max_trials=6)
    assert len(ask(larger, tmp_path, "lane00", 2)) == 1


def test_key_of_a_step_changes_only_for_a_lane_that_is_over(make_campaign, tmp_path):
    campaign = make_campaign(lanes=1, batch=5)
    finish(tmp_path, ask(campaign, tmp_path, "lane00", 0))
    tell(campaign, tmp_path, "lane00", 0)
    assert ask(campaign, tmp_path, "lane00", 1) == []
    other = make_campaign(lanes=1, batch=5, limits={})
    old, new = search_digest(campaign), search_digest(other)
    assert candidates_key(other, tmp_path, Step("lane00", 0)) == old
    assert candidates_key(other, tmp_path, Step("lane00", 1)) == new


def test_update_tells_once_and_publishes_a_copy(campaign, tmp_path):
    names = ask(campaign, tmp_path, "lane00", 0)
    finish(tmp_path, names)
    entry = tell(campaign, tmp_path, "lane00", 0)
    finish(tmp_path, names, niqe=1.0)  # a file touched afterwards changes nothing
    assert tell(campaign, tmp_path, "lane00", 0) == entry
    assert read_json(tmp_path / "lane00-0.json") == entry


def test_first_step_can_be_told_before_its_table_is_published(campaign, tmp_path):
    names = first_trials(campaign, tmp_path, "lane01")
    finish(tmp_path, names)
    entry = tell(campaign, tmp_path, "lane01", 0)
    assert len(entry["results"]) == len(names)
    assert ask(campaign, tmp_path, "lane01", 0) == names


def test_new_scoring_is_told_in_place(make_campaign, tmp_path, settings):
    campaign = make_campaign(lanes=1)
    names = ask(campaign, tmp_path, "lane00", 0)
    finish(tmp_path, names)
    tell(campaign, tmp_path, "lane00", 0)
    application = settings["application"] | {"scoring": {"images": "others"}}
    rescored = make_campaign(lanes=1, application=application)
    finish(tmp_path, names, niqe=1.0)
    tell(rescored, tmp_path, "lane00", 0)
    results = journal_of(tmp_path).history().results
    assert {r.values["niqe"] for r in results} == {1.0}


def test_added_lane_of_a_running_campaign_is_asked_with_the_history(
    make_campaign, tmp_path
):
    campaign = make_campaign(lanes=1)
    first = ask(campaign, tmp_path, "lane00", 0)
    wider = make_campaign(lanes=2)
    assert first_trials(wider, tmp_path, "lane01") is None
    assert not set(ask(wider, tmp_path, "lane01", 0)) & set(first)


def test_missing_score_is_an_error_not_a_result(campaign, tmp_path):
    ask(campaign, tmp_path, "lane00", 0)
    with pytest.raises(FileNotFoundError):
        tell(campaign, tmp_path, "lane00", 0)
    assert journal_of(tmp_path).told(Step("lane00", 0)) is None


def test_removed_lane_is_told_and_asks_no_more(make_campaign, campaign, tmp_path):
    first = ask(campaign, tmp_path, "lane01", 0)
    fewer = make_campaign(lanes=1)
    assert lanes_of(fewer, tmp_path) == ["lane00", "lane01"]
    finish(tmp_path, first)
    tell(fewer, tmp_path, "lane01", 0)
    step = Step("lane01", 1)
    assert candidates_key(fewer, tmp_path, step).endswith("removed")
    assert ask(fewer, tmp_path, "lane01", 1) == []
    assert candidates_key(fewer, tmp_path, step).endswith("removed")
    journal = journal_of(tmp_path)
    assert journal.asked(step)["ending"]["rule"] == "lanes"
    assert last_ending(fewer, journal) is None
    assert not (tmp_path / "last_call.json").exists()

    assert candidates_key(campaign, tmp_path, step) == search_digest(campaign)
    again = ask(campaign, tmp_path, "lane01", 1)
    assert again
    assert not set(again) & set(first)


def test_lane_that_was_over_stays_so_when_it_is_removed(make_campaign, tmp_path):
    campaign = make_campaign(max_trials=4)
    names = ask(campaign, tmp_path, "lane01", 0)
    finish(tmp_path, names)
    tell(campaign, tmp_path, "lane01", 0)
    assert ask(campaign, tmp_path, "lane01", 1) == []
    entry = journal_of(tmp_path).asked(Step("lane01", 1))
    fewer = make_campaign(max_trials=4, lanes=1)
    key = candidates_key(campaign, tmp_path, Step("lane01", 1))
    assert candidates_key(fewer, tmp_path, Step("lane01", 1)) == key
    assert ask(fewer, tmp_path, "lane01", 1) == []
    assert journal_of(tmp_path).asked(Step("lane01", 1)) == entry


def test_a_lane_that_is_removed_with_another_search_is_quiet_after_one_look(
    make_campaign, tmp_path
):
    step = Step("lane01", 1)
    names = ask(make_campaign(max_trials=4), tmp_path, "lane01", 0)
    finish(tmp_path, names)
    tell(make_campaign(max_trials=4), tmp_path, "lane01", 0)
    assert ask(make_campaign(max_trials=4), tmp_path, "lane01", 1) == []
    fewer = make_campaign(max_trials=5, lanes=1)
    key = candidates_key(fewer, tmp_path, step)
    assert ask(fewer, tmp_path, "lane01", 1) == []
    assert candidates_key(fewer, tmp_path, step) == key
