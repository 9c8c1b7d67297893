"""Whole campaigns of the stand-in program through Snakemake."""

import json

import pytest

from collinear.campaign.files import read_json
from collinear.campaign.journal import Journal, comparable


def told(workspace):
    return comparable(Journal(workspace.results() / "history"))


def starts(workspace):
    """How often each training was started, by folder."""
    files = sorted(workspace.results().glob("trials/*/seed*/work/starts.txt"))
    return {path.parts[-4]: len(path.read_text().splitlines()) for path in files}


def jobs(output):
    """The job table of a dry run, without its total."""
    rows = output.split("count\n", 1)[1].split("total", 1)[0].splitlines()[1:]
    return {name: int(count) for name, count in (row.split() for row in rows)}


def test_first_dry_run_shows_pretrain_first_batch_and_update(workspace, config):
    workspace.write(config | {"conventional": {"a": 2.5, "b": 1.0}})
    done = workspace.run("-n")
    assert done.returncode == 0, done.stderr
    counts = jobs(done.stdout + done.stderr)
    assert counts["pretrain"] == counts["update"] == counts["candidates"] == 1
    assert counts["finetune"] == counts["score"] > 1


def test_campaign_ends_and_the_same_command_does_nothing(workspace, config):
    workspace.write(config)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    assert "of at most 10 trials; best niqe" in done.stderr
    assert len(told(workspace)) == 10
    estimate = read_json(workspace.results() / "estimate.json")
    assert estimate["trials"] == 10
    again = workspace.run()
    assert "Nothing to be done" in again.stdout + again.stderr
    assert set(starts(workspace).values()) == {1}


def test_no_timer_wakes_the_main_process_while_jobs_wait(workspace, config):
    """Snakemake's rate limit renews one for each event; see `begin` in common.smk."""
    config |= {"max_trials": 4, "batch": 4, "strategy": {"name": "random"}}
    config["application"]["settings"] = {"seconds": 2}
    workspace.write(config)
    done = workspace.run("--verbose", "--resources", "gpu=1")
    assert done.returncode == 0, done.stderr
    log = done.stdout + done.stderr
    looked, ended = log.count("Ready jobs: "), log.count("Finished jobid: ")
    assert ended > 10
    assert looked <= ended + 2


@pytest.mark.parametrize("strategy", ["random", "anova"])
def test_two_lanes_share_budget_and_never_a_trial(workspace, config, strategy):
    workspace.write(config | {"strategy": {"name": strategy}, "lanes": 2, "batch": 2})
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    rows = told(workspace)
    assert {row[0] for row in rows} == {"lane00", "lane01"}
    assert len({row[2:4] for row in rows}) == len(rows) == 10
    # The second step of a lane had seen results, at least its own first ones.
    assert all(f"{lane}-0" in seen for lane, step, *_, seen in rows if step == 1)


def test_fewer_lanes_lose_nothing_that_was_asked(workspace, config):
    config |= {"strategy": {"name": "anova"}, "lanes": 3, "batch": 2}
    workspace.write(config)
    assert workspace.run("--until", "candidates").returncode == 0
    asked = workspace.results() / "history/asked"
    assert len(list(asked.glob("lane0*-0.json"))) == 3
    workspace.write(config | {"lanes": 1})
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    rows = told(workspace)
    assert len({row[2:4] for row in rows}) == 10
    assert all(row[4] == "done" for row in rows)
    assert [row[1] for row in rows if row[0] != "lane00"] == [0] * 4
    again = workspace.run()
    assert "Nothing to be done" in again.stdout + again.stderr


def test_conventional_setting_off_the_grid_cannot_change_when_it_was_run(
    workspace, config
):
    config |= {"max_trials": 2, "conventional": {"a": 2.5, "b": 2.5}}
    workspace.write(config)
    assert workspace.run().returncode == 0
    workspace.write(config | {"conventional": {"a": 100.5, "b": 2.5}})
    done = workspace.run()
    assert done.returncode != 0
    assert "conventional.a: 2.5 -> 100.5" in done.stdout + done.stderr


def test_failing_picture_costs_itself_alone_and_the_report_takes_up_its_settings(
    workspace, config
):
    config["application"]["illustrate"] = ["false"]
    config |= {"max_trials": 2, "batch": 2}
    workspace.write(config)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    report = workspace.results() / "report"
    assert (report / "photograph.png").read_bytes().startswith(b"\x89PNG")
    log = (workspace.results() / "logs/photograph.log").read_text()
    assert "application.illustrate ended with exit code 1" in log
    documented = {"source": "a paper", "objective_name": "niqe", "objective": 1.5}
    workspace.write(config | {"documented_result": documented})
    assert workspace.run().returncode == 0
    assert "a paper" in (report / "result.tsv").read_text()


def test_failed_and_diverged_trials_are_recorded_and_the_campaign_goes_on(
    workspace, config
):
    settings = {"broken": [5.0], "diverging": [0.0]}
    application = config["application"] | {"settings": settings}
    workspace.write(
        config | {"application": application, "conventional": {"a": 5.0, "b": 0.5}}
    )
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    status = {row[2]: row[4] for row in told(workspace)}
    assert len(status) == 10
    assert {s for p, s in status.items() if p[0] == 0} == {"diverged"}
    assert {s for p, s in status.items() if p[0] == 5} == {"failed"}
    assert starts(workspace)["conventional"] == 3  # the fourth attempt only records
    estimate = read_json(workspace.results() / "estimate.json")
    assert estimate["conventional"]["status"] == "failed"
    assert estimate["best"]["status"] == "done"


def test_conventional_setting_on_the_grid_is_trained_once(workspace, config):
    workspace.write(config | {"conventional": {"a": 3.0, "b": 3.0}})
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    assert starts(workspace)["3-3"] == 1


def test_changed_scoring_rescores_without_training(workspace, config):
    workspace.write(config)
    assert workspace.run().returncode == 0
    before = told(workspace)
    config["application"]["scoring"] = {"offset": 100.0}
    workspace.write(config)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    after = told(workspace)
    assert [row[:5] for row in after] == [row[:5] for row in before]
    for old, new in zip(before, after, strict=True):
        assert dict(new[5])["niqe"] == pytest.approx(dict(old[5])["niqe"] + 100.0)
    assert set(starts(workspace).values()) == {1}


def test_larger_budget_goes_on_where_the_campaign_had_ended(workspace, config):
    workspace.write(config)
    assert workspace.run().returncode == 0
    before = told(workspace)
    workspace.write(config | {"max_trials": 13})
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    after = told(workspace)
    assert after[:10] == before
    assert len(after) == 13
    assert set(starts(workspace).values()) == {1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 8}, ["training.seed", "7 -> 8"]),
        ({"space": {"a": [0.0, 1.0], "b": [2.0]}}, ["space.a", "space.b"]),
        ({"threads": 2}, ["training.threads"]),
    ],
)
def test_edited_config_over_a_started_campaign_is_refused(
    workspace, config, change, words
):
    workspace.write(config)
    assert workspace.run("--until", "pretrain").returncode == 0
    workspace.write(config | change)
    done = workspace.run("-n")
    assert done.returncode != 0
    for word in [*words, "start a new campaign"]:
        assert word in done.stderr + done.stdout


def test_finished_work_is_published_not_run_again(workspace, config):
    """Snakemake deletes the outputs of a job whose end it did not see."""
    workspace.write(config)
    assert workspace.run().returncode == 0
    before = told(workspace)
    results = workspace.results()
    # A score alone comes back with the plain command, also of a finished campaign.
    score = sorted(results.glob("trials/*/*/score.json"))[0]
    score.unlink()
    assert workspace.run().returncode == 0
    assert score.exists()
    for path in [
        *results.glob("lanes/*/*/*"),
        *results.glob("trials/*/*/*.*"),
        *results.glob("pretrain/*.*"),
    ]:
        path.unlink()
    done = workspace.run("--forceall")
    assert done.returncode == 0, done.stderr
    assert told(workspace) == before
    assert set(starts(workspace).values()) == {1}


def test_journal_entries_are_small_and_complete(workspace, config):
    workspace.write(config)
    assert workspace.run().returncode == 0
    entry = json.loads(
        (workspace.results() / "history/asked/lane00-0.json").read_text()
    )
    assert set(entry) == {"lane", "step", "sequence", "seen", "search", "trials"}
    assert set(entry["trials"][0]) == {"point", "seed", "reason"}


@pytest.mark.parametrize("trouble", ["broken", "diverging"])
def test_campaign_without_a_single_good_trial_still_reports(workspace, config, trouble):
    settings = {trouble: config["space"]["a"]}
    application = config["application"] | {"settings": settings}
    workspace.write(config | {"application": application, "max_trials": 2})
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    estimate = read_json(workspace.results() / "estimate.json")
    assert estimate["best"] is None
    assert "no estimate" in (workspace.results() / "report/index.html").read_text()


def test_one_axis_one_value_and_no_limits(workspace, config):
    application = config["application"] | {"values": ["niqe"]}
    workspace.write(
        config
        | {
            "campaign": "one-axis",
            "space": {"a": [1.0, 3.0, 4.0]},
            "strategy": {"name": "ippe"},
            "application": application,
        }
    )
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    estimate = read_json(workspace.results("one-axis") / "estimate.json")
    assert estimate["best"]["params"] == {"a": 3.0}
    assert estimate["conventional"] is None


def test_data_that_are_gone_stop_a_start_and_cost_no_trial(workspace, config):
    """Each start that has jobs to run checks them, not the first one alone."""
    data = workspace.folder / "data"
    data.mkdir()
    check = workspace.folder / "check.py"
    check.write_text("import pathlib, sys\nsys.exit(not pathlib.Path('data').exists())")
    config["application"]["check_data"] = ["{python}", "check.py"]
    workspace.write(config | {"max_trials": 4, "batch": 4})
    assert workspace.run().returncode == 0
    before = told(workspace)
    data.rename(workspace.folder / "elsewhere")
    again = workspace.run()
    assert again.returncode == 0  # nothing to do, so nothing is needed
    workspace.write(config | {"max_trials": 8, "batch": 4})
    done = workspace.run()
    assert done.returncode != 0
    assert "application: no message" in done.stderr
    assert told(workspace) == before
    (workspace.folder / "elsewhere").rename(data)
    assert workspace.run().returncode == 0
    assert len(told(workspace)) == 8


def test_a_damaged_journal_is_one_message(workspace, config):
    workspace.write(config | {"max_trials": 4, "batch": 4})
    assert workspace.run().returncode == 0
    (entry,) = workspace.results().glob("history/told/lane00-0.json")
    entry.write_text("")
    done = workspace.run("-n")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "lane00-0.json: not valid JSON" in said
    assert "Traceback" not in said
