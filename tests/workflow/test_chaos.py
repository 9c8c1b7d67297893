"""Five rounds of the chaos benchmark; benchmarks/chaos has fifty, and Slurm's."""

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "chaos"
MODULES = ("campaigns", "disturb", "run")


@pytest.fixture
def chaos(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import campaigns
    import run

    yield campaigns, run
    for name in MODULES:
        sys.modules.pop(name)


def test_disturbed_campaigns_end_as_the_undisturbed(chaos, tmp_path):
    _, run = chaos
    good = run.run(seed=4, rounds=5, slurm_rounds=0, out=tmp_path / "rounds.jsonl")
    lines = [
        json.loads(x) for x in (tmp_path / "rounds.jsonl").read_text().splitlines()
    ]
    assert sum("round" in line for line in lines) == 5
    assert good, [line["faults"] for line in lines if line.get("faults")]


def diary(folder, *rows):
    folder.mkdir(exist_ok=True)
    (folder / "1-1-seed1.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([[1, 10, "start"], [2, 10, "step"], [3, 10, "end"]], None),
        ([[1, 10, "step"], [2, 11, "step"], [3, 11, "end"]], None),
        ([[1, 10, "step"], [2, 11, "step"], [3, 10, "step"], [4, 11, "end"]], "at the"),
        ([[1, 10, "step"], [3, 10, "end"], [4, 11, "start"]], "after its end"),
        ([[1, 10, "end"], [3, 11, "end"]], "2 times"),
        ([[1, 10, "step"]], "0 times"),
    ],
)
def test_the_checks_see_what_they_are_for(chaos, tmp_path, rows, fault):
    campaigns, _ = chaos
    diary(tmp_path / "diary", *rows)
    checkout = campaigns.Checkout(tmp_path / "none", tmp_path / "diary")
    found = [f for f in campaigns.faults(checkout, None) if "report" not in f]
    assert found == [] if fault is None else any(fault in f for f in found)


def test_torn_files_and_missing_scores_are_seen(chaos, tmp_path):
    campaigns, _ = chaos
    checkout = campaigns.Checkout(tmp_path, tmp_path / "diary")
    work = checkout.root / "trials/1-1/seed1/work"
    work.mkdir(parents=True)
    (work / "metrics.json").write_text('{"status": "do')
    found = " ".join(campaigns.faults(checkout, None))
    assert "work/metrics.json is not whole" in found
    assert "score.json is missing" in found


@pytest.mark.parametrize("called", [False, True])
def test_only_the_last_call_may_end_a_training(chaos, tmp_path, called):
    campaigns, _ = chaos
    checkout = campaigns.Checkout(tmp_path, tmp_path / "diary")
    diary(tmp_path / "diary", [1, 10, "start"], [2, 10, "step"])
    work = checkout.root / "trials/1-1/seed1/work"
    work.mkdir(parents=True)
    (work / "metrics.json").write_text(json.dumps({"last_call": called}))
    found = " ".join(campaigns.faults(checkout, None))
    assert ("trained to its end 0 times" in found) != called
    assert ("weights.pt is missing" in found) != called
