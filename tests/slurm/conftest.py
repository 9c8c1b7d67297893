"""A real Slurm on this machine, with pretended GPUs.

`tools/slurm-up.sh` installs and starts one. The tests start it when it is installed
and stopped, and never submit to a cluster that is not pretended.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location(
    "workflow_conftest", REPOSITORY / "tests" / "workflow" / "conftest.py"
)
_workflow = importlib.util.module_from_spec(_spec)
# A dataclass looks its module up by name.
sys.modules[_spec.name] = _workflow
_spec.loader.exec_module(_workflow)
config = _workflow.config  # the fixture of the stand-in campaign

# Ask often: the jobs of these tests last seconds.
FAST = (
    "--seconds-between-status-checks",
    "1",
    "--slurm-init-seconds-before-status-checks",
    "1",
    "--latency-wait",
    "10",
)


def slurm(*command):
    """Runs a command of Slurm and returns what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="session")
def cluster():
    """The pretended cluster, empty."""
    if shutil.which("slurmctld") is None or shutil.which("scontrol") is None:
        pytest.skip("Slurm is not installed (as root, tools/slurm-up.sh installs it)")
    if os.geteuid() != 0:
        pytest.skip("a pretended Slurm needs root")
    ping = subprocess.run(["scontrol", "ping"], capture_output=True, check=False)
    started = ping.returncode != 0
    up = subprocess.run(
        [str(REPOSITORY / "tools" / "slurm-up.sh")],
        capture_output=True,
        text=True,
        check=False,
    )
    if up.returncode != 0:
        pytest.skip(f"the pretended Slurm cannot be used: {up.stderr.strip()}")
    slurm("scancel", "--user", "root")
    yield
    slurm("scancel", "--user", "root")
    if started:
        subprocess.run([str(REPOSITORY / "tools" / "slurm-down.sh")], check=True)


class SlurmWorkspace(_workflow.Workspace):
    """A checkout whose campaigns run on the pretended cluster."""

    def command(self, *arguments, configfile="campaign.yaml", profile="slurm"):
        often = FAST if profile == "slurm" else ()
        return super().command(
            *often, *arguments, configfile=configfile, profile=profile
        )

    def jobs(self, rule="", state="all"):
        """Numbers of this workspace's jobs of a rule, in the order of submission."""
        out = slurm("squeue", "-h", "-t", state, "-o", "%i|%Z|%k")
        rows = [line.split("|", 2) for line in out.splitlines()]
        here = [r for r in rows if r[1] == str(self.folder)]
        return sorted(int(r[0]) for r in here if r[2].startswith(f"rule_{rule}"))

    def memory(self, number):
        """MB that a job has asked for."""
        out = slurm("squeue", "-h", "-t", "all", "-j", str(number), "-O", "MinMemory")
        return int(out.strip().removesuffix("M"))

    def starts(self):
        """How often the training program of each trial was started."""
        found = self.results().glob("trials/*/seed*/work/starts.txt")
        return {p.parts[-4]: len(p.read_text().split()) for p in found}


@pytest.fixture
def workspace(cluster, tmp_path):
    workspace = SlurmWorkspace(_workflow.make_workspace(tmp_path).folder)
    yield workspace
    for number in workspace.jobs(state="running,pending"):
        slurm("scancel", str(number))


@pytest.fixture
def scontrol(cluster):
    """Runs a command of Slurm and returns what it prints."""
    return slurm
