"""A copy of the workflow in a temporary folder, and a way to run it as a user does."""

import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
STAND_IN = str(Path(__file__).with_name("stand_in.py"))


@dataclass(frozen=True)
class Workspace:
    """A checkout in which campaigns are started."""

    folder: Path

    def write(self, config, name="campaign.yaml"):
        path = self.folder / name
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path

    def command(self, *arguments, configfile="campaign.yaml", profile="local"):
        return [
            sys.executable,
            "-m",
            "snakemake",
            *("--profile", f"profiles/{profile}"),
            *("--configfile", configfile),
            *arguments,
        ]

    def run(self, *arguments, **options):
        return subprocess.run(
            self.command(*arguments, **options),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def start(self, *arguments, **options):
        """Starts without waiting, in a process group of its own."""
        with open(self.folder / "stdout.txt", "w") as stdout:
            return subprocess.Popen(
                self.command(*arguments, **options),
                cwd=self.folder,
                stdout=stdout,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_hear_interrupts,
            )

    def results(self, campaign="standin"):
        return self.folder / "results" / campaign


def _hear_interrupts():
    # Workers of pytest-xdist ignore SIGINT, and what they start would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def make_workspace(folder):
    for name in ("workflow", "profiles", "config"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "Snakefile", folder)
    return Workspace(folder)


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path)


@pytest.fixture(scope="session")
def finished_smoke(tmp_path_factory):
    """The smoke campaign, run once without disturbance. Do not change it."""
    workspace = make_workspace(tmp_path_factory.mktemp("smoke"))
    done = workspace.run(configfile="config/smoke.yaml")
    assert done.returncode == 0, done.stderr
    return workspace


@pytest.fixture
def config():
    """A campaign of the stand-in program: fast, with a known optimum at a = b = 3."""

    def command(stage):
        return ["{python}", STAND_IN, stage]

    return {
        "campaign": "standin",
        "seed": 7,
        "space": {
            "a": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
            "b": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        },
        "objective": "niqe",
        "strategy": {"name": "levelled", "q": 1},
        "lanes": 1,
        "batch": 8,
        "max_trials": 10,
        "application": {
            "values": ["niqe", "rmse"],
            "check": command("check"),
            "pretrain": command("pretrain"),
            "finetune": command("finetune"),
            "score": command("score"),
            "settings": {"noise": 0.1},
        },
    }
