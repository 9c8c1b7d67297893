"""The finals of a campaign: configuration, budget, journal, estimate, report."""

import pytest

from collinear.campaign.decide import decide
from collinear.campaign.digests import search_digest
from collinear.campaign.files import read_json, write_json
from collinear.campaign.journal import FINALS, Step, control_of
from collinear.campaign.report import write_report
from collinear.campaign.schema import ConfigError
from collinear.campaign.status import read_status, status_line
from collinear.campaign.steps import candidates, first_batches, journal_of, update
from collinear.campaign.trials import TrialName, read_candidates, trial_files

TWO_BY_TWO = {"share": 0.5, "settings": 2, "seeds": 2}


def score(root, name, niqe, rmse=9.0, status="done"):
    values = {"niqe": niqe, "rmse": None if niqe is None else rmse}
    path = trial_files(root, name).folder / "score.json"
    write_json(path, {"status": status, "values": values})


def step(campaign, root, lane, number, niqe):
    """Asks, scores by a function of (point, seed) and tells; returns the trials."""
    table = root / f"lanes/{lane}/{number}/candidates.tsv"
    candidates(campaign, root, Step(lane, number), table)
    names = read_candidates(table)
    for name in names:
        value = niqe(name.point, name.seed)
        score(root, name, value, status="done" if value is not None else "diverged")
    if names:
        update(campaign, root, Step(lane, number), table.with_name("update.json"))
    return [(name.point, name.seed) for name in names]


SEARCHED = {"0-0": 5.0, "0-1": 4.0, "1-0": 3.0, "1-1": 6.0, "2-0": 2.0, "2-1": 7.0}


def value(point, seed):
    """Setting 2-0 was lucky in the search; 1-0 is the better one."""
    base = SEARCHED.get(point, 4.5) + 0.01 * (seed % 100)
    return base + 2.0 if point == "2-0" and seed > 100 else base


def run_all(campaign, root, niqe=value):
    asked = []
    for lane in [*campaign.lane_names, FINALS]:
        number = 0
        while names := step(campaign, root, lane, number, niqe):
            asked += names
            number += 1
    score(root, conventional(), 4.5)
    return asked


def conventional():
    return TrialName("conventional", 1)


@pytest.fixture
def make(make_campaign):
    def of(**changes):
        defaults = {"lanes": 1, "batch": 5, "max_trials": 9, "finals": TWO_BY_TWO}
        return make_campaign(**(defaults | changes))

    return of


@pytest.mark.parametrize("off", [False, {"share": 0}])
def test_campaigns_without_finals_keep_their_digest_and_history(make_campaign, off):
    plain, without = make_campaign(), make_campaign(finals=off)
    assert without.finals is None
    assert search_digest(without) == search_digest(plain)
    assert first_batches(without) == first_batches(plain)
    assert without.search_trials == without.max_trials


def test_defaults_are_those_of_the_documentation(make_campaign):
    for given in (True, {}):
        campaign = make_campaign(finals=given, max_trials=363)
        assert campaign.finals_shape == (8, 3)
        assert campaign.search_trials == 339


def test_seeds_follow_from_the_noise(make_campaign):
    finals = {"noise": 0.71, "resolve": 1.0, "share": 0.5}
    assert make_campaign(finals=finals, max_trials=100).finals_shape == (8, 4)


def test_whole_numbers_may_have_a_decimal_point(make):
    assert make(finals=TWO_BY_TWO | {"settings": 2.0, "seeds": 2.0}) == make()


def test_digest_follows_finals_and_the_control_that_they_run(make, make_campaign):
    plain = search_digest(make())
    assert plain != search_digest(make(finals=False))
    assert plain != search_digest(make(finals=TWO_BY_TWO | {"seeds": 1}))
    assert plain != search_digest(make(conventional={"a": 2.0, "b": 15.0}))


@pytest.mark.parametrize(
    ("finals", "message"),
    [
        ({"share": 1.0}, "finals"),
        ({"share": -0.1}, "finals"),
        ({"seeds": 0}, "finals"),
        ({"settings": 0}, "finals"),
        ({"seed": 3}, "finals: unknown key 'seed'; did you mean 'seeds'"),
        ("yes", "finals"),
        ({"noise": 0.7}, r"noise and resolve together.*got \['noise'\]"),
        ({"noise": 0.7, "resolve": 1, "seeds": 3}, "noise and resolve together"),
        ({"noise": 0, "resolve": 1.0}, "finals"),
        ({"noise": 1.0, "resolve": 0.1}, "takes 769 seeds of each setting"),
        ({"share": 0.1}, "at least two trials, but share 0.1 of max_trials 9"),
    ],
)
def test_wrong_finals_are_refused(make, finals, message):
    with pytest.raises(ConfigError, match=message):
        make(finals=finals)


def test_lanes_and_queue_must_fit_into_what_finals_leave(make):
    with pytest.raises(ConfigError, match=r"finals leave of max_trials \(5\)"):
        make(lanes=6)
    with pytest.raises(ConfigError, match=r"finals leave of max_trials \(5\)"):
        make(enqueue=[{"a": a, "b": b} for a in (0.0, 1.0, 2.0) for b in (10.0, 20.0)])


def test_budget_is_reserved_and_control_runs_are_beside_it(make, tmp_path):
    campaign = make()
    asked = run_all(campaign, tmp_path)
    searched = [name for name in asked if name[1] < 100]
    fresh = [n for n in asked if n[1] > 100 and n[0] != "conventional"]
    control = [n for n in asked if n[0] == "conventional"]
    assert len(searched) == 5
    assert fresh == [("2-0", 101), ("2-0", 102), ("1-0", 101), ("1-0", 102)]
    assert control == [("conventional", 101), ("conventional", 102)]
    assert len(searched) + len(fresh) == campaign.max_trials
    status = read_status(campaign, tmp_path)
    assert status.finished
    assert status.told == 9


def test_estimate_is_chosen_on_fresh_runs_only(make, tmp_path):
    campaign = make()
    run_all(campaign, tmp_path)
    estimate = decide(campaign, tmp_path)
    assert estimate["search_best"]["trial"] == "2-0/seed1"
    assert estimate["best"]["trial"] == "1-0/seed101"
    assert estimate["best"]["values"]["niqe"] == pytest.approx(3.015)
    finals = estimate["finals"]
    winner = next(f for f in finals["finalists"] if f["point"] == "1-0")
    assert winner["sd"] == pytest.approx(0.01 / 2**0.5)
    assert winner["difference"]["mean"] == pytest.approx(3.0 - 4.5)
    assert winner["difference"]["n"] == 2
    assert winner["p_best"] == 1.0
    assert (winner["kept"], winner["n"]) == (2, 2)
    raw = finals["raw_best"]
    assert (raw["point"], raw["recorded"]) == ("2-0", pytest.approx(2.01))
    assert raw["optimism"] == pytest.approx(2.01 - 4.015)
    assert estimate["improvement"] == pytest.approx(1.5)
    assert estimate["conventional"]["values"]["niqe"] == pytest.approx(4.515)
    assert "On 2 fresh runs" in estimate["verdict"]
    assert "1.5 better than the conventional setting" in estimate["verdict"]
    line = status_line(read_status(campaign, tmp_path))
    assert "finals: niqe 3.015 (sd 0.0071) in 2 fresh runs at a=1 b=10" in line
    without = decide(make(finals=False), tmp_path)
    assert without["best"]["trial"] == "2-0/seed1"


def test_report_shows_the_finals(make, tmp_path):
    campaign = make()
    run_all(campaign, tmp_path)
    write_report(campaign, tmp_path, decide(campaign, tmp_path))
    page = (tmp_path / "report/index.html").read_text()
    assert "<h2>Finals</h2>" in page
    assert "2.005 better than the mean of its fresh runs" in page
    rows = (tmp_path / "report/finals.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows] == [
        "setting",
        "1-0",
        "2-0",
        "conventional",
    ]
    assert "recorded in the search" in (tmp_path / "report/finals.svg").read_text()
    assert "101" in (tmp_path / "report/trials.tsv").read_text()


def test_a_diverging_finalist_is_not_chosen(make, tmp_path):
    def wild(point, seed):
        return None if (point, seed) == ("1-0", 102) else value(point, seed)

    campaign = make()
    run_all(campaign, tmp_path, wild)
    estimate = decide(campaign, tmp_path)
    assert estimate["best"]["trial"] == "2-0/seed101"
    write_report(campaign, tmp_path, estimate)
    assert "1 diverged" in (tmp_path / "report/finals.svg").read_text()


def test_nothing_left_to_choose_is_said_plainly(make, tmp_path):
    campaign = make()
    run_all(campaign, tmp_path, lambda p, s: None if s > 100 else value(p, s))
    estimate = decide(campaign, tmp_path)
    assert estimate["best"] is None
    assert "No finalist kept the limits" in estimate["verdict"]
    assert estimate["conventional"]["status"] == "diverged"
    assert "2 settings holds" in status_line(read_status(campaign, tmp_path))
    write_report(campaign, tmp_path, estimate)


def test_the_conventional_setting_as_a_finalist_is_run_once(make, tmp_path):
    campaign = make(conventional={"a": 1.0, "b": 10.0})
    fresh = [name for name in run_all(campaign, tmp_path) if name[1] > 100]
    assert len(set(fresh)) == len(fresh) == 4
    found = decide(campaign, tmp_path)["finals"]
    assert found["conventional"]["point"] == "1-0"
    winner = next(f for f in found["finalists"] if f["point"] == "1-0")
    assert winner["difference"]["mean"] == 0.0


def test_without_a_conventional_setting_there_is_no_control(make, settings, tmp_path):
    settings.pop("conventional")
    campaign = make()
    assert "conventional" not in {point for point, _ in run_all(campaign, tmp_path)}
    estimate = decide(campaign, tmp_path)
    assert estimate["best"]["trial"] == "1-0/seed101"
    assert estimate["finals"]["conventional"] is None
    assert estimate["improvement"] is None
    assert estimate["finals"]["finalists"][0]["difference"] is None
    write_report(campaign, tmp_path, estimate)


def test_search_never_sees_the_finals_when_it_goes_on(make, tmp_path):
    campaign = make()
    run_all(campaign, tmp_path)
    assert step(make(max_trials=13), tmp_path, "lane00", 1, value) == []
    larger = make(max_trials=14)
    # Four finals were run, four are kept free: 14 - 8 - 5 = 1.
    assert step(larger, tmp_path, "lane00", 1, value) == [("2-1", 1)]
    assert step(larger, tmp_path, FINALS, 1, value) == []
    entry = journal_of(tmp_path).asked(Step("lane00", 1))
    assert entry["seen"]["finals"] == 1


def test_finals_added_to_a_spent_campaign_say_what_they_need(make, tmp_path):
    plain = make(finals=False, max_trials=5)
    step(plain, tmp_path, "lane00", 0, value)
    score(tmp_path, conventional(), 4.5)
    assert step(plain, tmp_path, "lane00", 1, value) == []
    added = make(max_trials=5)
    assert step(added, tmp_path, "lane00", 1, value) == []
    assert step(added, tmp_path, FINALS, 0, value) == []
    estimate = decide(added, tmp_path)
    assert "raise it by 2" in estimate["verdict"]
    enough = make(max_trials=9)
    assert step(enough, tmp_path, "lane00", 1, value) == []
    names = step(enough, tmp_path, FINALS, 0, value)
    assert len(names) == 6
    assert decide(enough, tmp_path)["best"]["trial"] == "1-0/seed101"


def test_more_seeds_run_only_what_is_missing(make, tmp_path):
    run_all(make(), tmp_path)
    wider = make(max_trials=12, finals={"share": 0.5, "settings": 2, "seeds": 3})
    assert step(wider, tmp_path, "lane00", 1, value) == []
    assert step(wider, tmp_path, FINALS, 1, value) == [
        ("2-0", 103),
        ("1-0", 103),
        ("conventional", 103),
    ]
    assert {f["n"] for f in decide(wider, tmp_path)["finals"]["finalists"]} == {3}


def test_another_scoring_tells_the_control_again(make, tmp_path, settings):
    run_all(make(), tmp_path)
    entry = journal_of(tmp_path).asked(Step(FINALS, 0))
    for name in control_of(entry):
        score(tmp_path, name, 40.0)
    application = settings["application"] | {"scoring": {"images": "others"}}
    rescored = make(application=application)
    update(rescored, tmp_path, Step(FINALS, 0), tmp_path / "u.json")
    told = read_json(tmp_path / "u.json")
    assert [c["values"]["niqe"] for c in told["control"]] == [40.0, 40.0]
    finals = decide(rescored, tmp_path)["finals"]
    assert finals["conventional"]["mean"] == 40.0


def test_several_limits_share_the_finals(make, tmp_path):
    limited = {"0-0": 9.0, "0-1": 9.0, "1-0": 12.0, "1-1": 9.0, "2-0": 15.0}
    campaign = make(
        limits={"rmse": [8.0, 10.0, 12.5, 16.0]},
        max_trials=11,
        finals={"share": 0.6, "settings": 3, "seeds": 2},
    )
    for lane, n in (("lane00", 1), (FINALS, 1)):
        for number in range(n):
            table = tmp_path / "t.tsv"
            candidates(campaign, tmp_path, Step(lane, number), table)
            for name in read_candidates(table):
                rmse = limited.get(name.point, 9.0)
                score(tmp_path, name, SEARCHED.get(name.point, 4.5), rmse)
            update(campaign, tmp_path, Step(lane, number), tmp_path / "u.json")
    score(tmp_path, conventional(), 4.5)
    estimate = decide(campaign, tmp_path)
    found = [(e["maximum"], e["point"]) for e in estimate["finals"]["each_limit"]]
    assert found == [(8.0, None), (10.0, "0-1"), (12.5, "1-0"), (16.0, "2-0")]
    assert [e["best"] and e["best"]["trial"] for e in estimate["each_limit"]] == [
        None,
        "0-1/seed101",
        "1-0/seed101",
        "2-0/seed101",
    ]
    write_report(campaign, tmp_path, estimate)
    page = (tmp_path / "report/index.html").read_text()
    assert "rmse &lt;= 10: 0-1, 2 of 2 runs within the limit" in page
    assert "means of the fresh runs" in page


def test_a_maximised_objective_has_its_best_at_the_top(make, tmp_path):
    campaign = make(maximise=True)
    run_all(campaign, tmp_path)
    estimate = decide(campaign, tmp_path)
    assert estimate["best"]["trial"] == "1-1/seed101"
    assert estimate["improvement"] == pytest.approx(1.5)
    assert "better than the conventional setting" in estimate["verdict"]
    write_report(campaign, tmp_path, estimate)
    assert "highest mean niqe" in (tmp_path / "report/index.html").read_text()
