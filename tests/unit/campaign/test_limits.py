"""A list of limits on one value, and an objective to be maximised, in a campaign."""

import pytest

from collinear.campaign.decide import decide
from collinear.campaign.digests import search_digest
from collinear.campaign.files import read_json, write_json
from collinear.campaign.journal import Step
from collinear.campaign.report import write_report
from collinear.campaign.schema import ConfigError
from collinear.campaign.status import read_status, status_line
from collinear.campaign.steps import journal_of
from collinear.search import Proposal, Result, Status

VALUES = {
    (0, 0): (5.0, 9.0),
    (0, 1): (3.0, 13.0),
    (1, 0): (4.0, 12.0),
    (1, 1): (6.0, 14.0),
}
SEVERAL = {"rmse": [8.0, 11.5, 12.5, 16.0]}


def run(root):
    journal = journal_of(root)
    journal.record_asked(Step("lane00", 0), [Proposal(p) for p in VALUES])
    results = [
        Result(point, 1, Status.DONE, {"niqe": niqe, "rmse": rmse})
        for point, (niqe, rmse) in VALUES.items()
    ]
    journal.record_told(Step("lane00", 0), results, "scoring")
    values = {"niqe": 4.5, "rmse": 9.0}
    path = root / "trials/conventional/seed1/score.json"
    write_json(path, {"status": "done", "values": values})


def test_estimate_has_the_best_within_each_limit_and_the_front(make_campaign, tmp_path):
    run(tmp_path)
    estimate = decide(make_campaign(limits=SEVERAL), tmp_path)
    found = [
        (e["maximum"], e["best"] and e["best"]["trial"]) for e in estimate["each_limit"]
    ]
    assert found == [
        (8.0, None),
        (11.5, "0-0/seed1"),
        (12.5, "1-0/seed1"),
        (16.0, "0-1/seed1"),
    ]
    assert [s["trial"] for s in estimate["front"]] == [
        "0-0/seed1",
        "1-0/seed1",
        "0-1/seed1",
    ]
    assert estimate["best"]["trial"] == "0-1/seed1"


def test_one_limit_needs_no_front(campaign, tmp_path):
    run(tmp_path)
    estimate = decide(campaign, tmp_path)
    assert (estimate["each_limit"], estimate["front"]) == ((), ())


@pytest.mark.parametrize("name", ["exhaustive", "levelled"])
def test_report_shows_limits_and_front(make_campaign, tmp_path, name):
    run(tmp_path)
    campaign = make_campaign(limits=SEVERAL, strategy={"name": name}, lanes=1)
    write_json(tmp_path / "estimate.json", decide(campaign, tmp_path))
    write_report(campaign, tmp_path, read_json(tmp_path / "estimate.json"))
    page = (tmp_path / "report/index.html").read_text()
    assert "Several limits on rmse" in page
    assert ("knew the loosest limit only" in page) is (name == "levelled")
    limits = (tmp_path / "report/limits.tsv").read_text().splitlines()
    assert limits[0].split("\t")[:2] == ["rmse within", "trial"]
    assert [row.split("\t")[1] for row in limits[1:]] == [
        "none",
        "0-0/seed1",
        "1-0/seed1",
        "0-1/seed1",
    ]
    assert len((tmp_path / "report/front.tsv").read_text().splitlines()) == 4
    assert "Pareto front" in (tmp_path / "report/tradeoff.svg").read_text()


def test_status_tells_the_best_within_each_limit(make_campaign, tmp_path):
    run(tmp_path)
    line = status_line(read_status(make_campaign(limits=SEVERAL), tmp_path))
    assert "nothing within rmse <= 8" in line
    assert "best niqe within rmse <= 12.5: 4" in line


def test_a_list_of_one_limit_changes_no_digest(make_campaign):
    assert search_digest(make_campaign(limits={"rmse": [12.5]})) == search_digest(
        make_campaign()
    )


def test_digests_of_campaigns_without_new_keys_stay(make_campaign):
    """The value of the version before several limits."""
    assert (
        search_digest(make_campaign())
        == "9dccd464421b65281e35dac834f56cca837108335a3343958ef1d4ecdc2fec3a"
    )


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"rmse": []}, "limits.rmse"),
        ({"rmse": [12.5, 11.5]}, "must ascend"),
        ({"rmse": [12.5, 12.5]}, "must ascend"),
        ({"rmse": [0, 12.5]}, "greater than 0"),
        ({"rmse": ["a"]}, "limits.rmse"),
        ({"rmse": [1.0, 2.0], "niqe": [1.0, 2.0]}, "only one value"),
    ],
)
def test_wrong_limits_are_refused(make_campaign, limits, message):
    with pytest.raises(ConfigError, match=message):
        make_campaign(limits=limits)


def test_an_objective_may_be_maximised(make_campaign, tmp_path):
    run(tmp_path)
    campaign = make_campaign(maximise=True, limits={"rmse": [12.5, 16.0]})
    estimate = decide(campaign, tmp_path)
    assert estimate["best"]["trial"] == "1-1/seed1"
    assert [e["best"]["trial"] for e in estimate["each_limit"]] == [
        "0-0/seed1",
        "1-1/seed1",
    ]
    assert "improves on the conventional setting by 1.5" in estimate["verdict"]
    write_json(tmp_path / "estimate.json", estimate)
    write_report(campaign, tmp_path, read_json(tmp_path / "estimate.json"))
    assert "maximised" in (tmp_path / "report/index.html").read_text()
    assert search_digest(campaign) != search_digest(
        make_campaign(limits={"rmse": [12.5, 16.0]})
    )
