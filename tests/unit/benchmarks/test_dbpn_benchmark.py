"""The benchmarks of D-DBPN run, at a size that says nothing about speed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "dbpn"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import gpu
    import step

    yield gpu, step
    for name in ("gpu", "step", "plain"):
        sys.modules.pop(name)


def test_the_gpu_script_runs_at_tiny_size(bench, tmp_path, monkeypatch):
    gpu, _ = bench
    out = tmp_path / "tiny.json"
    arguments = ["--tiny", "--no-compile", "--seeds", "1", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["gpu.py", *arguments])
    monkeypatch.setitem(gpu.TINY, "finetune", 2)
    monkeypatch.setitem(gpu.TINY, "pretrain", 2)
    gpu.main()
    found = json.loads(out.read_text())
    assert found["tiny"]
    assert set(found["variants"]) == {
        "plain fp32",
        "lean fp32",
        "lean bf16",
        "lean bf16 channels_last",
    }
    assert found["variants"]["plain fp32"]["times faster than plain fp32"] == 1
    assert found["GFLOP an update"]["plain"] > 1.3 * found["GFLOP an update"]["lean"]
    assert [row["precision"] for row in found["precision"]] == ["fp32", "bf16"]
    assert all(row["niqe"] > 0 for row in found["precision"])


def test_full_size_needs_a_gpu(bench, tmp_path, monkeypatch, capsys):
    gpu, _ = bench
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path / "x.json")])
    with pytest.raises(SystemExit):
        gpu.main()
    assert "there is no GPU here" in capsys.readouterr().err


def test_ratios_are_taken_inside_a_round(bench):
    _, step = bench
    seconds = {
        "plain fp32": {"cpu": [2.0, 40.0, 6.0]},
        "ours": {"cpu": [1.0, 10.0, 2.0]},
    }
    found = step.summary(seconds)["ours"]
    assert found["cpu ratio"] == 3
    assert found["cpu ratios"] == [2, 4, 3]
