"""A training state survives a kill at any byte of the next save."""

from __future__ import annotations

import subprocess
import sys

import pytest

from collinear.dbpn.files import remove_left_overs, write_text
from collinear.dbpn.state import StateError, check_identity
from collinear.dbpn.task import identity_of

# One process that forks: importing torch for each kill would take minutes.
KILLS = """
import os, sys
from pathlib import Path
import torch
from collinear.dbpn import files
from collinear.dbpn.state import load_state, save_state

folder = Path(sys.argv[1])
path, identity = folder / "state.pt", {"seed": 1}
before = {"step": 1, "g": {"w": torch.arange(500.0)}}
after = {"step": 2, "g": {"w": torch.arange(500.0) + 1}}
save_state(path, identity, before)
size = path.stat().st_size

class Dying:
    # A file whose process is killed when it has written so many bytes.
    def __init__(self, file, limit):
        self.file, self.left = file, limit
    def write(self, content):
        if len(content) > self.left:
            self.file.write(bytes(content)[: self.left])
            self.file.flush()
            os._exit(9)
        self.left -= len(content)
        return self.file.write(content)
    def __getattr__(self, name):
        return getattr(self.file, name)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.file.close()

def killed(prepare):
    child = os.fork()
    if child == 0:
        prepare()
        save_state(path, identity, after)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def dies_after(limit):
    def prepare():
        opened = Path.open
        Path.open = lambda self, mode: Dying(opened(self, mode), limit)
    return prepare

def dies_in(owner, name):
    return lambda: setattr(owner, name, lambda *_: os._exit(9))

kills = [dies_after(limit) for limit in range(0, size, 97)]
kills += [dies_in(os, "fsync"), dies_in(Path, "replace")]
for kill in kills:
    assert killed(kill) == 9
    state = load_state(path, identity)
    assert state["step"] == 1
    assert torch.equal(state["g"]["w"], before["g"]["w"])
left = len(list(folder.iterdir())) - 1
files.remove_left_overs(folder)
assert [p.name for p in folder.iterdir()] == ["state.pt"]
assert killed(lambda: None) == 0
assert load_state(path, identity)["step"] == 2
print(len(kills), left)
"""


def test_a_state_survives_a_kill_at_any_byte(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    kills, left = map(int, done.stdout.split())
    assert kills > 20
    assert left == kills


def test_only_left_overs_are_removed(tmp_path):
    kept = [".hidden", "state.pt", ".state.pt.short", ".a.0123456789abcdeg"]
    for name in [*kept, ".state.pt.0123456789abcdef"]:
        write_text(tmp_path / name, "")
    remove_left_overs(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"finetune": {"learning_rate": 0.5}},
            r"\(stage\.learning_rate 0\.001 there and 0\.5 here\)",
        ),
        (
            {"finetune": {"accumulate": 2, "minibatch": 4}},
            "stage.accumulate None there and 2 here",
        ),
        ({"compile": "default"}, "compile None there and default here"),
        ({"features": {"seed": 4}}, "features.seed 0 there and 4 here"),
        ({"abort": {"max_rmse": 9}}, r"max_rmse None there and 9\.0 here"),
    ],
)
def test_settings_that_differ_are_named(tiny, tmp_path, changes, message):
    one = identity_of("finetune", tiny(), 1, "data", None)
    other = identity_of("finetune", tiny(changes), 1, "data", None)
    with pytest.raises(StateError, match=message):
        check_identity(tmp_path / "state.pt", one, other)


def test_identities_from_before_have_no_settings(tiny, tmp_path):
    identity = identity_of("finetune", tiny(), 1, "data", None)
    older = {key: value for key, value in identity.items() if key != "settings"}
    check_identity(tmp_path / "metrics.json", older, identity)
    with pytest.raises(StateError, match="seed is 1, but this training has 2;"):
        check_identity(tmp_path / "m", older, {**identity, "seed": 2})
