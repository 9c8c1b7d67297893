"""What a trial asks Slurm for, by default and predicted."""

from __future__ import annotations

import json

import pytest

from collinear.campaign.cost_figure import draw_costs
from collinear.campaign.outcome import ProgramError
from collinear.campaign.prepare import (
    Need,
    observed_costs,
    predicted_cost,
    prepared_notes,
    trial_need,
)
from collinear.campaign.trials import CONVENTIONAL, TrialName

WHOLE = {"seconds": [3600, 1800, 7200], "memory_mib": [2000, 1500, 2500]}
HALF = {"seconds": [1800, 900, 3600], "memory_mib": [1000, 750, 1250]}


@pytest.fixture
def prepared(make_campaign, settings):
    commands = {"profile": ["program", "cost"], "tune_minibatch": ["program", "tune"]}
    return make_campaign(
        application=settings["application"] | commands,
        prepare={"profile": True, "tune_minibatch": True},
    )


def write_cost(root, cases, names=("a",)):
    (root / "prepare").mkdir(exist_ok=True)
    stages = {"finetune": {"names": list(names), "cases": cases}}
    (root / "prepare/cost.json").write_text(json.dumps({"stages": stages}))


@pytest.fixture
def root(tmp_path):
    write_cost(tmp_path, [{"zero": [], **WHOLE}, {"zero": ["a"], **HALF}])
    return tmp_path


def test_without_a_profile_the_numbers_are_fixed(campaign, prepared, root, tmp_path):
    name = TrialName("1-0", 1)
    asked = [trial_need(campaign, root, name, attempt) for attempt in (1, 2, 3, 4)]
    assert asked == [
        Need(900, 16000),
        Need(1350, 24000),
        Need(1800, 32000),
        Need(1800, 32000),
    ]
    assert trial_need(prepared, tmp_path / "empty", name, 1) == Need(900, 16000)


def test_a_predicted_trial_asks_for_the_upper_end(prepared, root):
    """7200 s and a quarter, five minutes; 2500 MiB and a fifth, one GB."""
    need = trial_need(prepared, root, TrialName("1-0", 1), 1)
    assert need == Need(155, 4146)
    assert trial_need(prepared, root, TrialName("1-0", 1), 3).minutes == 310


def test_a_trial_with_a_term_off_asks_for_less(prepared, root):
    assert prepared.space.params((0, 0))["a"] == 0
    assert trial_need(prepared, root, TrialName("0-0", 1), 1) == Need(80, 2573)
    whole = predicted_cost(prepared, root, TrialName(CONVENTIONAL, 1))
    assert whole == {k: list(map(float, v)) for k, v in WHOLE.items()}


def test_a_case_that_is_not_there_falls_back(prepared, root):
    write_cost(root, [{"zero": [], **WHOLE}])
    assert trial_need(prepared, root, TrialName("0-0", 1), 1) == Need(900, 16000)


@pytest.mark.parametrize(
    "case",
    [
        {"zero": [], "seconds": [1, 1, -1], "memory_mib": [1, 1, 1]},
        {"zero": [], "seconds": [1, 1], "memory_mib": "much"},
        {"zero": []},
    ],
)
def test_costs_that_cannot_be_used_are_refused(prepared, root, case):
    write_cost(root, [case])
    with pytest.raises(ProgramError, match="does not hold the cost of a trial"):
        trial_need(prepared, root, TrialName("1-0", 1), 1)


def test_the_report_says_what_came_true(prepared, root):
    for index, seconds in enumerate([3600, 7300, None]):
        folder = root / f"trials/{index}-0/seed1"
        folder.mkdir(parents=True)
        record = {"status": "done", "seconds": seconds}
        (folder / "metrics.json").write_text(json.dumps(record))
    trials = observed_costs(prepared, root)
    found = [(trial.ratio, trial.inside) for trial in trials]
    assert found == [(2.0, True), (7300 / 3600, False)]
    assert trials[0].memory_mib is None
    draw_costs(trials, root / "costs.svg")
    assert "observed minutes" in (root / "costs.svg").read_text()
    batch = {"measurements": 5, "fastest": 32, "minibatch": 8, "why": "whole"}
    (root / "prepare/batch.json").write_text(json.dumps(batch))
    notes = prepared_notes(prepared, root)
    assert "(5 of them): fastest 32; the minibatch stayed 8 (whole)" in notes[0]
    assert "Of 2 trials with a predicted time, the median took 2.01 times" in notes[1]
    assert "50% ended inside" in notes[1]
