"""The race of pretrainings: configuration, digests, choice, and the winner's state."""

import copy
import math

import pytest

from collinear.campaign.digests import check_frozen, freeze, training_digest
from collinear.campaign.files import read_json, write_json
from collinear.campaign.outcome import ProgramError
from collinear.campaign.race import (
    adopt_winner,
    check_record,
    choose,
    decide_race,
    race_notes,
    variant_input,
)
from collinear.campaign.race_plan import PretrainRace
from collinear.campaign.race_report import draw_race, race_table
from collinear.campaign.schema import ConfigError
from collinear.campaign.start import check_input

VARIANTS = {"base": {}, "fast": {"pretrain.rate": 4.0}}
RACE = {"variants": VARIANTS, "epochs": 20}


@pytest.fixture
def make_raced(make_campaign, settings):
    def make(race=RACE, command=("program", "part")):
        application = copy.deepcopy(settings["application"])
        application["settings"] = {"epochs": 3, "pretrain": {"rate": 1.0}}
        if command:
            application["pretrain_variant"] = list(command)
        return make_campaign(
            application=application, **({"pretrain_race": race} if race else {})
        )

    return make


def record(level, pace=5.0, count=20, **changes):
    losses = [level + 2 * math.exp(-t / pace) for t in range(1, count + 1)]
    found = {"status": "done", "losses": losses, "seconds": 10.0, "interval": 1.0}
    return found | {"longest": 200, "spent_seconds": 200.0} | changes


LOST = {"status": "diverged", "reason": "NaN loss", "losses": [3.0]}


def race_of(*names, wall=None, rank_by="tested"):
    return PretrainRace({name: {} for name in names}, {"epochs": 20}, wall, rank_by)


@pytest.mark.parametrize(
    ("race", "words"),
    [
        (
            {**RACE, "variants": {"base": {}}},
            ["two variants or more, but got 1 (base)"],
        ),
        ({"variants": VARIANTS}, ["either epochs or iterations", "neither"]),
        ({**RACE, "iterations": 5}, ["either epochs or iterations", "both"]),
        ({**RACE, "epochs": 0}, ["pretrain_race.epochs", "greater than 0"]),
        ({**RACE, "rank_by": "luck"}, ["pretrain_race.rank_by", "'luck'", "tested"]),
        ({**RACE, "wall_second": 5}, ["unknown key 'wall_second'", "'wall_seconds'"]),
        ({**RACE, "variants": {"a": {}, "b/c": {}}}, ["b/c"]),
        ({**RACE, "variants": {"a": {}, "b": 3}}, ["pretrain_race.variants.b"]),
        (
            {**RACE, "variants": {"a": {}, "b": {"pretrain.rate": 1.0}}},
            ["variants.b: is the same as a"],
        ),
        (
            {**RACE, "variants": {"a": {}, "b": {"epochs.rate": 1.0}}},
            ["variants.b: epochs.rate leads through epochs, which is 3"],
        ),
    ],
)
def test_a_race_that_cannot_be_run_is_refused(make_raced, race, words):
    with pytest.raises(ConfigError) as caught:
        make_raced(race)
    for word in words:
        assert word in str(caught.value)


def test_a_program_without_the_command_is_refused(make_raced):
    with pytest.raises(ConfigError, match=r"needs a command application\.pretrain_var"):
        make_raced(command=None)


def test_the_race_is_in_the_digest_only_when_it_is_on(make_raced, tmp_path):
    plain = training_digest(make_raced(None, command=None))
    assert training_digest(make_raced(None)) == plain, "a command alone changes nothing"
    digests = {
        training_digest(make_raced(race))
        for race in (
            RACE,
            {**RACE, "epochs": 30},
            {**RACE, "wall_seconds": 60},
            {**RACE, "rank_by": "last"},
            {**RACE, "variants": {**VARIANTS, "slow": {"pretrain.rate": 0.5}}},
            {**RACE, "variants": dict(reversed(VARIANTS.items()))},
        )
    }
    assert len(digests | {plain}) == 7
    freeze(make_raced(), tmp_path)
    with pytest.raises(ConfigError, match=r"race\.epochs: 20 -> 30"):
        check_frozen(make_raced({**RACE, "epochs": 30}), tmp_path)


def test_a_variant_and_the_check_get_whole_settings(make_raced):
    campaign = make_raced({**RACE, "variants": {"a": {}, "b": {"pretrain": {"x": 2}}}})
    given = variant_input(campaign, "b")
    assert given["settings"] == {"epochs": 3, "pretrain": {"rate": 1.0, "x": 2}}
    assert given["race"] == {
        "epochs": 20,
        "settings": {"epochs": 3, "pretrain": {"rate": 1.0}},
    }
    asked = check_input(campaign)["race"]
    assert asked["epochs"] == 20
    assert asked["variants"]["b"] == given["settings"]
    assert "race" not in check_input(make_raced(None))


def test_the_best_at_the_end_wins_and_at_a_wall_time_the_fast_one():
    records = {
        "fast": record(1.0, 3.0, seconds=10.0),
        "slow": record(0.5, 8.0, seconds=60.0),
    }
    at_end = choose(race_of("fast", "slow"), records)
    assert (at_end["winner"], at_end["by"]) == ("slow", "prediction")
    assert at_end["ranking"][0]["judged_at"] == 200
    soon = choose(race_of("fast", "slow", wall=300.0, rank_by="prediction"), records)
    assert soon["winner"] == "fast"
    assert [row["judged_at"] for row in soon["ranking"]] == [30, 5]
    assert "300 s after its start" in soon["why"]
    late = choose(race_of("fast", "slow", wall=1e6, rank_by="prediction"), records)
    assert "after 200 epochs, 12000 s after its start" in late["why"]


@pytest.mark.parametrize(
    ("changes", "wall", "said"),
    [
        ({"losses": [3, 1] * 10}, None, "b jumps from loss to loss by"),
        ({"losses": [3.0, 2.0]}, None, "b has 2 losses, fewer than 5"),
        ({}, 5.0, "has no loss within 5 s, one takes it 10 s"),
    ],
)
def test_what_cannot_be_continued_is_ranked_by_what_it_showed(changes, wall, said):
    choice = choose(
        race_of("a", "b", wall=wall), {"a": record(1), "b": record(2) | changes}
    )
    assert (choice["winner"], choice["by"]) == ("a", "last")
    assert said in choice["why"]
    assert "not by predicted ends" in choice["why"]
    assert {row["form"] for row in choice["ranking"]} == {"last"}


def test_predictions_count_only_where_they_stand_the_test():
    """Two that keep their order: nothing speaks for predictions, so last losses do."""
    apart = {"low": record(0.5, 3.0), "high": record(1.5, 3.0)}
    tested = choose(race_of("high", "low"), apart)
    assert (tested["winner"], tested["by"]) == ("low", "last")
    assert "did not predict the order at its end better" in tested["why"]
    asked = choose(race_of("high", "low", rank_by="prediction"), apart)
    assert (asked["winner"], asked["by"]) == ("low", "prediction")
    # One that overtakes: the first half predicts the end, last losses do not.
    crossing = {"fast": record(1.0, 3.0), "slow": record(0.5, 8.0)}
    assert choose(race_of("fast", "slow"), crossing)["by"] == "prediction"
    plain = choose(race_of("fast", "slow", rank_by="last"), crossing)
    assert (plain["by"], plain["by_last"]) == ("last", ["slow", "fast"])


def test_diverged_and_failed_come_last_and_all_of_them_are_a_failure():
    failed = {"status": "failed", "reason": "broken"}
    choice = choose(race_of("x", "y", "z"), {"x": LOST, "y": failed, "z": record(1.0)})
    assert choice["winner"] == "z"
    assert "no other variant can go on" in choice["why"]
    with pytest.raises(ProgramError, match=r"x diverged \(NaN loss\); y failed"):
        choose(race_of("x", "y"), {"x": LOST, "y": failed})


def test_equal_variants_are_a_tie_that_is_said():
    choice = choose(race_of("a", "b"), {"a": record(1.0), "b": record(1.0)})
    assert choice["winner"] == "a"
    assert "equal, so the one that is named first" in choice["why"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "stopped"}, "done or diverged"),
        ({"losses": []}, "finite numbers"),
        ({"losses": [1.0, None]}, "finite numbers"),
        ({"losses": "many"}, "finite numbers"),
        ({"seconds": 0}, "seconds must be above 0"),
        ({"interval": None}, "interval must be above 0"),
        ({"longest": 19}, "20 have run already"),
    ],
)
def test_a_record_that_breaks_the_contract_is_refused(tmp_path, changes, said):
    check_record(record(1.0), tmp_path)
    with pytest.raises(ProgramError, match=said):
        check_record(record(1.0) | changes, tmp_path)


@pytest.fixture
def ran(make_raced, tmp_path):
    """A campaign whose two variants have run."""
    campaign, folder = make_raced(), tmp_path / "pretrain/race"
    for name, level in (("base", 1.0), ("fast", 0.5)):
        for path in (folder / name, folder / name / "work"):
            write_json(path / "race.json", record(level))
        for file in ("state.pt", "settings.json", "attempts.jsonl", "lock"):
            (folder / name / "work" / file).write_text(f"{file} of {name}")
    return campaign, tmp_path


def test_the_winners_state_moves_over_once(ran):
    campaign, root = ran
    assert "2 of 2 variants have run" in race_notes(campaign, root)[0]
    assert decide_race(campaign, root)["winner"] == "fast"
    given = adopt_winner(campaign, root)
    assert given["settings"]["pretrain"] == {"rate": 4.0}
    work = root / "pretrain/work"
    assert [path.name for path in work.iterdir()] == ["state.pt"]
    (work / "state.pt").write_text("further on")
    assert adopt_winner(campaign, root) == given
    assert (work / "state.pt").read_text() == "further on"
    assert (
        "the others took 0.0556 GPU hours. Ranked by" in race_notes(campaign, root)[0]
    )


def test_a_choice_stands(ran):
    campaign, root = ran
    first = decide_race(campaign, root)
    write_json(root / "pretrain/race/base/race.json", record(0.1))
    (root / "pretrain/race/choice.json").unlink()
    assert decide_race(campaign, root) == first
    assert read_json(root / "pretrain/race/choice.json") == first


def test_a_lost_state_is_named(ran):
    campaign, root = ran
    decide_race(campaign, root)
    (root / "pretrain/race/fast").rename(root / "elsewhere")
    with pytest.raises(ProgramError, match="the training state of the winner is gone"):
        adopt_winner(campaign, root)


@pytest.mark.parametrize("rank_by", ["prediction", "last"])
@pytest.mark.parametrize("wall", [None, 300.0, 5.0])
def test_table_and_figure(tmp_path, wall, rank_by):
    records = {"a": record(1.0), "b": record(0.5, 12.0), "c": LOST}
    choice = choose(race_of("a", "b", "c", wall=wall, rank_by=rank_by), records)
    header, *rows = [line.split("\t") for line in race_table(choice).splitlines()]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert {len(row) for row in rows} == {len(header)}
    assert dict(zip(header, rows[2], strict=True))["reason"] == "NaN loss"
    draw_race(choice, tmp_path / "race.svg")
    drawn = (tmp_path / "race.svg").read_text()
    assert "c: diverged" in drawn
    assert ("seconds of training" if wall else "epoch") in drawn
