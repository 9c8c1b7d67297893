"""The command: tables, exit codes, and one message for each bad input."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from collinear.quality.__main__ import main
from collinear.quality.images import write_png
from collinear.quality.ma_features import ma_features
from collinear.quality.ma_model import load_model
from collinear.quality.score import perceptual_index, score_set

RNG = np.random.default_rng(12)
NAMES = ("a", "b", "c")


def picture(height=104, width=200):
    walk = np.cumsum(RNG.normal(0, 9, (height, width, 3)), axis=1)
    return np.clip(walk + RNG.normal(128, 4, (height, width, 3)), 0, 255).astype("u1")


@pytest.fixture
def folders(tmp_path):
    """Two folders of three images each; results are noisy originals."""
    sr, hr = tmp_path / "sr", tmp_path / "hr"
    for folder in (sr, hr):
        folder.mkdir()
    for name in NAMES:
        gt = picture()
        noisy = np.clip(gt + RNG.normal(0, 6, gt.shape), 0, 255).astype("u1")
        write_png(hr / f"{name}.png", gt)
        write_png(sr / f"{name}.png", noisy)
    return sr, hr


def run(capsys, *arguments):
    """Return exit code, stdout and stderr."""
    code = main([str(argument) for argument in arguments])
    found = capsys.readouterr()
    return code, found.out, found.err


def test_json_has_every_number(folders, stand_in, capsys):
    model = stand_in()
    options = ("--ma-model", model, "--foreign-model", "--json", "--jobs", 1)
    code, out, err = run(capsys, *folders, *options)
    content = json.loads(out)
    read = [
        (name, *(np.asarray(Image.open(f / f"{name}.png")) for f in folders))
        for name in NAMES
    ]
    expected = score_set(read, model=load_model(model, foreign=True))
    assert code == 0
    assert err == ""
    assert content["values"] == expected.values
    assert [image["ma"] for image in content["images"]] == [
        image.ma for image in expected.images
    ]
    values = content["values"]
    index = perceptual_index(values["niqe"], values["ma"])
    assert values["perceptual_index"] == index
    assert content["ma_model"]["blob"] == load_model(model, foreign=True).blob


def test_without_a_model_the_index_is_null_and_said(folders, capsys):
    code, out, _ = run(capsys, *folders, "--json", "--jobs", 1)
    content = json.loads(out)
    assert code == 0
    assert content["values"]["perceptual_index"] is None
    assert content["reason"] == "Ma's model was not given"
    code, out, _ = run(capsys, *folders, "--jobs", 1)
    assert "No Ma model, so no perceptual index" in out
    assert out.splitlines()[0].split() == ["image", "RMSE", "NIQE", "Ma", "PI"]


def test_csv_has_a_row_an_image(folders, capsys):
    _, out, _ = run(capsys, *folders, "--csv", "--jobs", 1)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["name"] for row in rows] == list(NAMES)
    assert rows[0]["ma"] == ""
    assert float(rows[0]["rmse"]) ** 2 == pytest.approx(float(rows[0]["mse"]))


@pytest.mark.slow
def test_two_processes_give_the_same_output(folders):
    command = [sys.executable, "-m", "collinear.quality", *map(str, folders), "--json"]
    one, two = (
        subprocess.run([*command, "--jobs", n], capture_output=True, check=True).stdout
        for n in ("1", "2")
    )
    assert one == two


def test_a_model_that_comes_later_measures_nothing_again(
    folders, stand_in, tmp_path, capsys, monkeypatch
):
    cache = ("--cache", tmp_path / "cache", "--json", "--jobs", 1)
    run(capsys, *folders, *cache)
    monkeypatch.setattr("collinear.quality.score.measure", None)
    monkeypatch.setattr("collinear.quality.folders.scored_luma", None)
    options = ("--ma-model", stand_in(), "--foreign-model")
    code, out, _ = run(capsys, *folders, *cache, *options)
    assert code == 0
    assert json.loads(out)["values"]["perceptual_index"] is not None


def test_damaged_cache_files_are_measured_again(folders, tmp_path, capsys):
    cache = ("--cache", tmp_path / "cache", "--json", "--jobs", 1)
    _, first, _ = run(capsys, *folders, *cache)
    for number, path in enumerate((tmp_path / "cache").iterdir()):
        content = path.read_bytes()
        path.write_bytes(b"" if number % 2 else content.replace(b"1", b"2"))
    assert run(capsys, *folders, *cache) == (0, first, "")


def test_flat_windows_are_warned_about(folders, capsys):
    sr, _ = folders
    image = np.asarray(Image.open(sr / "b.png")).copy()
    image[20:50, 20:50] = 90
    write_png(sr / "b.png", image)
    code, _, err = run(capsys, *folders, "--csv", "--jobs", 1)
    assert code == 0
    assert err.startswith("warning: b: ")
    assert "of the 7 x 7 windows are constant" in err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"exif": {0x0112: 6}}, "EXIF orientation 6"),
        ({"gamma": 1.0}, "gamma 1"),
        ({"exif": {0x0112: 1}}, None),
        ({"gamma": 0.45455}, None),
    ],
)
def test_what_is_not_applied_is_warned_about(folders, capsys, more, said):
    sr, _ = folders
    image, info, keep = Image.open(sr / "b.png"), PngInfo(), {}
    before = run(capsys, *folders, "--csv", "--jobs", 1)[1]
    if "exif" in more:
        keep["exif"] = Image.Exif()
        keep["exif"].update(more["exif"])
    else:
        info.add(b"gAMA", round(more["gamma"] * 1e5).to_bytes(4, "big"))
    image.copy().save(sr / "b.png", pnginfo=info, **keep)
    code, scores, err = run(capsys, *folders, "--csv", "--jobs", 1)
    assert (code, scores) == (0, before)
    if said is None:
        assert err == ""
    else:
        assert err.startswith(f"warning: {sr / 'b.png'}: its {said} was not applied")


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (b"desc Adobe RGB (1998)", "its colour profile, which is not sRGB"),
        (b"desc sRGB IEC61966-2.1", None),
        ("mluc sRGB built-in".encode("utf-16-be"), None),
    ],
)
def test_a_colour_profile_is_warned_about(folders, capsys, profile, said):
    sr, _ = folders
    before = run(capsys, *folders, "--csv", "--jobs", 1)[1]
    image = Image.open(sr / "b.png").copy()
    image.save(sr / "b.png", icc_profile=profile)
    code, scores, err = run(capsys, *folders, "--csv", "--jobs", 1)
    assert (code, scores) == (0, before)
    assert (said in err) if said else err == ""


def test_later_frames_are_warned_about(folders, capsys):
    sr, _ = folders
    first = Image.open(sr / "b.png").copy()
    other = first.transpose(Image.Transpose.ROTATE_180)
    first.save(sr / "b.png", save_all=True, append_images=[other, first])
    code, _, err = run(capsys, *folders, "--csv", "--jobs", 1)
    assert code == 0
    assert "its animation of 3 frames was not applied" in err


def test_photographs_of_a_phone_get_advice_that_helps(folders, capsys):
    sr, _ = folders
    image = Image.open(sr / "b.png").copy()
    image.save(sr / "b.jpg", format="MPO", save_all=True, append_images=[image])
    (sr / "b.png").unlink()
    code, _, err = run(capsys, *folders, "--csv", "--jobs", 1)
    assert code == 2
    assert "MPO, as phones write them" in err


def test_a_number_of_jobs_in_other_digits_is_named(folders, capsys):
    with pytest.raises(SystemExit):
        run(capsys, *folders, "--jobs", "²")
    assert "must be 1 or more, but got '²'" in capsys.readouterr().err


@pytest.mark.parametrize("exif", [b"II*\0", b"garbage", b"MM\0*\0\0\0\xff"])
def test_damaged_exif_says_nothing(folders, capsys, exif):
    sr, _ = folders
    before = run(capsys, *folders, "--csv", "--jobs", 1)
    image = Image.open(sr / "b.png").copy()
    image.save(sr / "b.png", exif=exif)
    assert run(capsys, *folders, "--csv", "--jobs", 1) == before


def with_mode(mode):
    return lambda sr, hr: Image.new(mode, (200, 104)).save(sr / "a.png")


def with_png(where, image):
    def edit(sr, hr):
        write_png((sr if where == "sr" else hr) / "a.png", image)

    return edit


def deep(sr, hr):
    Image.fromarray(RNG.integers(0, 60000, (104, 200)).astype("u2")).save(sr / "a.png")


def as_jpeg(sr, hr):
    Image.open(hr / "a.png").save(sr / "a.png", format="JPEG")


def as_cmyk(sr, hr):
    (sr / "a.png").unlink()
    Image.new("CMYK", (200, 104)).save(sr / "a.jpg")


def as_float(sr, hr):
    Image.new("F", (200, 104)).save(sr / "a.png", format="TIFF")


def truncated(sr, hr):
    (sr / "a.png").write_bytes((sr / "a.png").read_bytes()[:-500])


def case(sr, hr):
    for folder in (sr, hr):
        shutil.copy(folder / "a.png", folder / "A.png")


def renamed(sr, hr):
    (sr / "a.png").rename(sr / "z.png")


def emptied(sr, hr):
    for path in sr.iterdir():
        path.unlink()


BAD = {
    "names": (renamed, r"missing in .*: a; without an original in .*: z"),
    "case": (case, "differ in more than case, but got 'A' and 'a'"),
    "empty": (emptied, r"has no \.png"),
    "no folder": (lambda sr, hr: shutil.rmtree(sr), "must be a folder"),
    "size": (with_png("sr", picture(104, 208)), "one size, but got 208 x 104"),
    "small": (with_png("hr", picture(100, 200)), "two blocks"),
    "one block": (with_png("hr", picture(120, 120)), "two blocks"),
    "gray": (with_mode("L"), "grayscale"),
    "palette": (with_mode("P"), "palette"),
    "alpha": (with_mode("RGBA"), "alpha"),
    "CMYK": (as_cmyk, "CMYK"),
    "16 bit": (deep, "16-bit"),
    "float": (as_float, "the file is TIFF"),
    "JPEG": (as_jpeg, "the name says PNG, but the file is JPEG"),
    "truncated": (truncated, "is truncated"),
    "constant": (with_png("sr", np.full((104, 200, 3), 9, "u1")), "is constant"),
    "constant original": (with_png("hr", np.full((104, 200, 3), 9, "u1")), "constant"),
}


@pytest.mark.parametrize(("edit", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_has_one_message(folders, capsys, edit, message):
    edit(*folders)
    assert_refused(run(capsys, *folders, "--jobs", 1), message)


def assert_refused(found, message):
    code, out, err = found
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert re.search(message, err), err


def test_bad_input_in_a_worker_has_one_message(folders, capsys):
    truncated(*folders)
    assert_refused(run(capsys, *folders, "--jobs", 2), "is truncated")


@pytest.mark.parametrize("name", ["a.png", "none.mat"])
def test_models_of_the_wrong_kind_are_refused(folders, capsys, name):
    model = folders[0] / name
    assert_refused(run(capsys, *folders, "--ma-model", model), name)


def test_wrong_options_end_with_two(folders, capsys):
    with pytest.raises(SystemExit) as ended:
        run(capsys, *folders, "--jobs", "0")
    assert ended.value.code == 2


def damaged(content, chooser):
    """Return bytes with a few of them changed, cut out, doubled or cut off."""
    found = bytearray(content)
    for _ in range(chooser.randint(1, 4)):
        at = chooser.randrange(max(len(found), 1))
        kind = chooser.choice(["flip", "cut", "double", "zero", "end"])
        if kind == "flip" and found:
            found[at] ^= 1 << chooser.randrange(8)
        elif kind == "cut":
            del found[at : at + chooser.randint(1, 64)]
        elif kind == "double":
            found[at:at] = found[at : at + chooser.randint(1, 64)]
        elif kind == "zero":
            found[at : at + 8] = bytes(8)
        elif kind == "end" and chooser.random() < 0.3:
            del found[at:]
    return bytes(found)


@pytest.mark.parametrize("victim", ["sr", "hr", "model", "compact", "cache"])
def test_damaged_files_never_end_in_a_traceback(
    folders, stand_in, tmp_path, capsys, victim
):
    """Scored or refused. COLLINEAR_FUZZ_SECONDS says how long, all five together."""
    sr, hr = folders
    for name in NAMES[1:]:
        (sr / f"{name}.png").unlink()
        (hr / f"{name}.png").unlink()
    cache, keep = tmp_path / "cache", tmp_path / "keep"
    model = stand_in()
    load_model(model, foreign=True, keep=keep)
    (compact,) = keep.iterdir()
    model = compact if victim == "compact" else model
    options = ("--ma-model", model, "--foreign-model", "--jobs", 1, "--json")
    options += ("--cache", cache)
    assert run(capsys, *folders, *options)[0] == 0
    files = {"sr": [sr / "a.png"], "hr": [hr / "a.png"], "cache": [*cache.iterdir()]}
    targets = files.get(victim, [model])
    original = {path: path.read_bytes() for path in targets}
    seconds = float(os.environ.get("COLLINEAR_FUZZ_SECONDS", "5")) / 5
    chooser = random.Random(victim)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        path = chooser.choice(targets)
        path.write_bytes(damaged(original[path], chooser))
        code, _, err = run(capsys, *folders, *options)
        assert code in (0, 2), (path, err)
        assert "Traceback" not in err
        assert code == 0 or err.count("\n") == 1
        for target in targets:
            target.write_bytes(original[target])


def test_features_are_kept_bit_for_bit(tmp_path):
    from collinear.quality.measure import measure
    from collinear.quality.records import RecordCache

    y = picture(96, 192)[..., 0]
    cache = RecordCache(tmp_path)
    cache.keep(y, y, measure("x", y, y))
    found = cache.find(y, y)
    assert found is not None
    for one, other in zip(found.features.groups, ma_features(y).groups, strict=True):
        assert np.array_equal(one, other)
