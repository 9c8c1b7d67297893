"""Files are whole or absent; locks die with their holders."""

import os
import subprocess
import sys

import pytest

from collinear.campaign.files import (
    canonical,
    digest,
    publish,
    read_json,
    try_lock,
    write_json,
    write_text,
)


def test_equal_values_have_equal_digests():
    assert digest({"b": 1.0, "a": [1e-6]}) == digest({"a": [0.000001], "b": 1.0})
    assert digest({"a": 1}) != digest({"a": 2})


def test_nan_never_reaches_a_file(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not list(tmp_path.glob("*.json"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("inf"))


def test_failed_write_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    monkeypatch.setattr(os, "replace", _disk_full)
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old"


def _disk_full(source, target):
    raise OSError("disk full")


def test_broken_json_is_named(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"x\.json: not valid JSON"):
        read_json(path)


def test_published_file_outlives_the_removal_of_its_source_and_its_copy(tmp_path):
    source, target = tmp_path / "work" / "w.pt", tmp_path / "w.pt"
    source.parent.mkdir()
    source.write_text("weights")
    for _ in range(2):  # again over an existing link
        publish(source, target)
        assert target.read_text() == "weights"
    target.unlink()
    assert source.read_text() == "weights"
    assert [p.name for p in tmp_path.iterdir()] == ["work"]


def test_publish_copies_where_links_are_not_to_be_had(tmp_path, monkeypatch):
    def no_links(source, target):
        raise OSError("no links on this file system")

    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "a").write_text("x")
    publish(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "x"


def test_lock_names_its_owner_and_dies_with_it(tmp_path):
    code = (
        "import sys, time; from pathlib import Path;"
        "from collinear.campaign.files import try_lock;"
        "try_lock(Path(sys.argv[1]), 'somebody'); print('held', flush=True);"
        "time.sleep(60)"
    )
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert try_lock(path, "me") == "somebody"
        holder.kill()
    descriptor = try_lock(path, "me")
    assert isinstance(descriptor, int)
    os.close(descriptor)
