"""What each job reports that it needs, and what a machine gives."""

import re
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]


def resources(output):
    """The resources line of the first job of each rule in a dry run."""
    found = {}
    blocks = re.split(r"\n(?:local)?(?:rule|checkpoint|localcheckpoint) ", output)[1:]
    for block in blocks:
        rule = block.split(":", 1)[0]
        line = re.search(r"resources: (.*)", block)
        pairs = (word.split("=", 1) for word in line.group(1).split(", "))
        found.setdefault(rule, dict(pairs))
    return found


def test_slurm_jobs_ask_for_one_gpu_memory_and_time(workspace, config):
    workspace.write(config)
    done = workspace.run("-n", profile="slurm")
    assert done.returncode == 0, done.stdout + done.stderr
    needs = resources(done.stdout + done.stderr)
    for rule in ("pretrain", "finetune"):
        assert needs[rule]["gpu"] == "1"
        assert int(needs[rule]["mem_mb"]) >= 8000
        assert int(needs[rule]["runtime"]) >= 600
    assert "gpu" not in needs["score"]
    assert int(needs["score"]["runtime"]) <= 120


def test_only_trainings_take_a_slot_on_this_machine(workspace, config):
    workspace.write(config)
    done = workspace.run("-n")
    needs = resources(done.stdout + done.stderr)
    with_gpu = {rule for rule, need in needs.items() if "gpu" in need}
    assert with_gpu == {"pretrain", "finetune"}


def test_search_and_report_never_leave_the_head_node():
    """Else each proposal would wait in the queue of the cluster."""
    text = (REPOSITORY / "Snakefile").read_text()
    block = re.search(r"localrules:\n((?:    \w+,\n)+)", text).group(1)
    rules = {line.strip(" ,") for line in block.splitlines()}
    searching = {"all", "candidates", "update", "close_lane", "decide", "report"}
    # Compute nodes often have no network; the choice of a race is a small thing.
    assert rules == searching | {"ma_model", "pretrain_race"}


def profile(name):
    path = REPOSITORY / "profiles" / name / "config.v9+.yaml"
    return yaml.safe_load(path.read_text())


def test_slurm_profile_gives_fifty_slots_and_room_for_scoring():
    slurm = profile("slurm")
    assert slurm["executor"] == "slurm"
    assert slurm["resources"]["gpu"] == 50
    assert slurm["jobs"] > 50


def test_default_profile_holds_nothing_of_one_machine():
    """It wins over --profile, so such a key would silently override the user's."""
    machine = {"cores", "jobs", "resources", "executor", "default-resources"}
    assert not machine & set(profile("default"))
    assert profile("default")["rerun-triggers"] == ["mtime", "params", "input"]


def test_a_repeated_pretraining_asks_slurm_for_more():
    """The first attempt's numbers are those of the dry run above."""
    wanted = profile("slurm")["set-resources"]["pretrain"]["mem_mb"]
    names = {"__builtins__": {}, "min": min}
    asked = [eval(wanted, names, {"attempt": n}) for n in (1, 2, 3, 4)]
    assert asked == [16000, 24000, 32000, 32000]


def test_the_slurm_profile_leaves_trials_to_their_rule():
    """Numbers there would win over what is predicted for a trial."""
    assert "finetune" not in profile("slurm")["set-resources"]
