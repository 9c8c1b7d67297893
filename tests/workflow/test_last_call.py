"""A search whose last training hangs: the last call ends it."""

import pytest

from collinear.campaign.files import read_json


@pytest.fixture
def hanging(config):
    """The eighth and last trial of the grid's order never ends by itself."""
    settings = {"noise": 0.1, "seconds": 0.1, "slow": [1.0, 1.0], "slow_seconds": 900}
    return config | {
        "application": config["application"] | {"settings": settings},
        "strategy": {"name": "exhaustive"},
        "lanes": 3,
        "batch": 1,
        "max_trials": 11,
        "finals": {"share": 0.3, "settings": 1, "seeds": 3},
        "last_call": {"lengths": 2.0, "least": 4.0},
    }


def test_a_training_that_hangs_does_not_hold_up_the_finals(workspace, hanging):
    workspace.write(hanging)
    done = workspace.run()  # within the ten minutes that a run has here
    assert done.returncode == 0, done.stderr
    root = workspace.results()
    score = read_json(root / "trials/1-1/seed1/score.json")
    assert score["status"] == "failed"
    assert "last call: it trained for" in score["reason"]
    call = read_json(root / "last_call.json")
    assert call["seconds"] == {"all": 4.0}
    others = list(root.glob("trials/*/seed*/score.json"))
    assert [read_json(path)["status"] for path in others].count("done") == 10
    page = (root / "report/index.html").read_text()
    assert "1 training was ended by the last call" in page

    again = workspace.run()
    assert again.returncode == 0, again.stderr
    assert "Nothing to be done" in again.stderr
    starts = (root / "trials/1-1/seed1/work/starts.txt").read_text()
    assert starts.split() == ["finetune"]
