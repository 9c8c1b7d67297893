"""Several limits, a warm start, queued settings and a stop rule through Snakemake."""

from collinear.campaign.files import read_json
from collinear.campaign.journal import Journal


def test_a_second_campaign_starts_from_the_first(workspace, config):
    first = config | {
        "strategy": {"name": "anova"},
        "max_trials": 4,
        "limits": {"rmse": [11.5, 12.5, 16.0]},
        "conventional": {"a": 1.0, "b": 5.0},
    }
    workspace.write(first)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    assert "best niqe within rmse <= 12.5" in done.stderr
    report = workspace.results() / "report"
    assert (report / "limits.tsv").read_text().count("\n") == 4
    assert (report / "front.tsv").exists()
    assert "ended: all 4 trials were asked" in (report / "index.html").read_text()

    second = first | {
        "campaign": "second",
        "limits": {},
        "max_trials": 5,
        "batch": 3,
        "warm_start": "results/standin",
        "enqueue": [{"a": 5.0, "b": 5.0}],
        "stop": {"hours": 1e-6},
    }
    workspace.write(second)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    assert "warm start from 4 earlier settings" in done.stderr
    root = workspace.results("second")
    reasons = [p.reason for p in Journal(root / "history").history().proposals]
    assert reasons[0] == "user"
    assert set(reasons[1:]) == {"warm", "fill"}
    assert len(reasons) == 3
    assert "at most 1e-06 wanted" in read_json(root / "estimate.json")["ending"]
