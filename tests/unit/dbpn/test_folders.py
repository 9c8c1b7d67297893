"""Folders of images: several of them, given copies, and what is wrong with them."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from collinear.dbpn.data import DataError, data_digest, list_images, load_pair
from collinear.dbpn.folders import find_images
from collinear.dbpn.minibatch import PatchSource
from collinear.dbpn.section import ConfigError
from collinear.dbpn.store import load_or_keep_pairs
from collinear.quality.images import ImageError, write_png

EVALUATION = {"evaluation": ["chelsea"]}


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def div2k(tmp_path):
    """DIV2K's tree with two images and both kinds of names: folder X2, file 0001x2."""
    for name, shape in {"0001": (41, 48), "0002": (44, 50)}.items():
        write_png(make(tmp_path / "DIV2K_train_HR") / f"{name}.png", noise(*shape))
        low = make(tmp_path / "DIV2K_train_LR_bicubic" / "X2") / f"{name}x2.png"
        write_png(low, noise(shape[0] // 2, shape[1] // 2, seed=1))
    return tmp_path


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def data_of(root, **more):
    train = str(root / "DIV2K_train_HR")
    low = str(root / "DIV2K_train_LR_bicubic")
    return {"data": {"source": "folder", "train": train, "train_lq": low, **more}}


def listed(tiny, root, **more):
    return list_images(tiny(data_of(root, **more), scoring=EVALUATION)).train


@pytest.mark.parametrize("more", [{}, {"template": "{}x2"}])
def test_div2k_is_found_by_its_own_names(tiny, div2k, more):
    images = listed(tiny, div2k, **more)
    assert [image.low.name for image in images] == ["0001x2.png", "0002x2.png"]
    pair = load_pair(images[0], 2)
    assert (pair.gt.shape, pair.lq.shape) == ((40, 48, 3), (20, 24, 3))
    assert np.array_equal(pair.lq, noise(20, 24, seed=1))


def test_the_inner_folder_may_be_named_too(tiny, div2k):
    low = str(div2k / "DIV2K_train_LR_bicubic" / "X2")
    assert len(listed(tiny, div2k, train_lq=low)) == 2


def test_equal_names_are_a_pair(tiny, div2k):
    low = make(div2k / "own")
    for name, shape in {"0001": (21, 24), "0002": (22, 25)}.items():  # rounded up
        write_png(low / f"{name}.png", noise(*shape))
    images = listed(tiny, div2k, train_lq=str(low))
    assert load_pair(images[0], 2).lq.shape == (20, 24, 3)


def test_several_folders_are_one_set(tiny, div2k):
    write_png(make(div2k / "Flickr2K_HR") / "000001.png", noise(40, 40))
    folders = [str(div2k / "DIV2K_train_HR"), str(div2k / "Flickr2K_HR")]
    data = {"data": {"source": "folder", "train": folders}}
    images = list_images(tiny(data, scoring=EVALUATION)).train
    assert [image.stem for image in images] == ["0001", "0002", "000001"]


def test_evaluation_images_may_have_their_own_copies(tiny, div2k):
    write_png(make(div2k / "valid") / "0801.png", noise(104, 200))
    low = make(div2k / "valid_lq") / "small_0801.png"
    write_png(low, noise(52, 100, seed=2))
    scoring = {"evaluation": str(div2k / "valid"), "template": "small_{}"}
    scoring |= {"evaluation_lq": str(div2k / "valid_lq")}
    image = list_images(tiny(data_of(div2k), scoring=scoring)).evaluation[0]
    assert np.array_equal(load_pair(image, 2).lq, noise(52, 100, seed=2))


def test_low_resolution_images_are_part_of_the_digest(tiny, div2k):
    given, made = (
        data_digest(listed(tiny, div2k, **more), 2) for more in ({}, {"train_lq": None})
    )
    low = div2k / "DIV2K_train_LR_bicubic" / "X2" / "0001x2.png"
    write_png(low, noise(20, 24, seed=5))
    assert len({given, made, data_digest(listed(tiny, div2k), 2)}) == 3


@pytest.mark.parametrize("store", ["ram", "map"])
def test_stores_hold_the_given_copies(tiny, div2k, store):
    images = listed(tiny, div2k)
    kept = load_or_keep_pairs(images, 2, div2k / "cache", store)
    assert np.array_equal(kept[1].lq, noise(22, 25, seed=1))
    assert isinstance(kept[1].lq.base, np.memmap) == (store == "map")


def missing(root):
    (root / "DIV2K_train_LR_bicubic" / "X2" / "0002x2.png").unlink()


def left_over(root):
    low = root / "DIV2K_train_LR_bicubic" / "X2" / "0003x2.png"
    write_png(low, noise(20, 20))


def wrong_size(root):
    low = root / "DIV2K_train_LR_bicubic" / "X2" / "0002x2.png"
    write_png(low, noise(22, 24))


def twins(root):
    write_png(root / "DIV2K_train_HR" / "0001.jpg", noise(40, 40))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing, r"data\.train_lq: .*0002\.png has no low .* '0002' or '0002x2'"),
        (left_over, r"data\.train_lq: .*0003x2\.png has no original named '0003'"),
        (wrong_size, r"0002x2\.png: .* 2 times smaller .* 24 x 22 .* 50 x 44"),
    ],
)
def test_pairs_that_do_not_fit_are_named(tiny, div2k, spoil, message):
    spoil(div2k)
    with pytest.raises(DataError, match=message):
        listed(tiny, div2k)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"template": "x4"}, r"data\.template must be a name with one \{\}"),
        ({"template": "{}{}"}, r"data\.template must be a name with one \{\}"),
        (
            {"template": "{}", "train_lq": None},
            "data.template is only for data.train_lq",
        ),
        ({"train_lq": 3}, "data.train_lq must be a folder of images"),
        ({"train": []}, "data.train must be a folder of images"),
        ({"store": "map"}, "data.store: map needs data.cache"),
        ({"store": "disk"}, "data.store must be one of auto, ram, map, device"),
    ],
)
def test_bad_keys_of_data_are_refused(tiny, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        tiny(data_of(tmp_path, **changes), scoring=EVALUATION)


def test_copies_of_builtin_photographs_cannot_be_given(tiny):
    with pytest.raises(ConfigError, match=r"data\.train_lq is only for source"):
        tiny({"data": {"train_lq": "x"}})


def test_a_store_that_was_interrupted_leaves_nothing(tiny, div2k, monkeypatch):
    images = listed(tiny, div2k)
    Path(images[1].low).unlink()
    with pytest.raises(ValueError, match="0002x2"):
        load_or_keep_pairs(images, 2, div2k / "cache")
    assert list((div2k / "cache").iterdir()) == []


def saved(mode, name="bad.png"):
    def spoil(folder):
        path = folder / "DIV2K_train_HR" / name
        if mode == "I;16":
            image = Image.fromarray(np.zeros((48, 48), np.uint16))
        else:
            image = Image.new(mode, (48, 48))
        image.save(path)

    return spoil


def truncated(folder):
    path = folder / "DIV2K_train_HR" / "0001.png"
    path.write_bytes(path.read_bytes()[:-20])


def other_format(folder):
    (folder / "DIV2K_train_HR" / "bad.png").write_bytes(b"II*\x00" + bytes(60))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (saved("RGBA"), r"bad\.png.*alpha"),
        (saved("L"), r"bad\.png.*grayscale"),
        (saved("P"), r"bad\.png.*palette"),
        (saved("I;16"), r"bad\.png.*16-bit"),
        (saved("CMYK", "bad.jpg"), r"bad\.jpg.*CMYK"),
        (saved("RGB", "bad.jpeg"), None),
        (truncated, r"0001\.png.*(truncated|damaged)"),
        (other_format, r"bad\.png"),
    ],
)
def test_images_that_are_not_8_bit_rgb_are_refused(tiny, div2k, spoil, message):
    """Before any training, by the header."""
    spoil(div2k)
    train = {"data": {"source": "folder", "train": str(div2k / "DIV2K_train_HR")}}
    settings = tiny(train, scoring=EVALUATION)
    if message is None:
        assert len(list_images(settings).train) == 3
        return
    with pytest.raises(ImageError, match=message):
        list_images(settings)


@pytest.mark.parametrize("cache", [None, "cache"])
def test_images_are_not_copied_for_training(tiny, div2k, cache):
    """A second copy of a large set would not fit the memory."""
    folder = div2k / cache if cache else None
    pairs = load_or_keep_pairs(listed(tiny, div2k), 2, folder)
    source = PatchSource(pairs, 2, torch.device("cpu"), resident=False)
    for pair, (lq, gt) in zip(pairs, source._images, strict=True):
        assert np.shares_memory(pair.lq, lq)
        assert np.shares_memory(pair.gt, gt)


def test_low_resolution_twins_are_refused_and_hidden_files_passed_over(tiny, div2k):
    low = div2k / "DIV2K_train_LR_bicubic" / "X2"
    (low / "._0001x2.png").write_bytes(b"of another system")
    (div2k / "DIV2K_train_HR" / "._0001.png").write_bytes(b"likewise")
    assert len(listed(tiny, div2k)) == 2
    (low / "0001x2.jpg").write_bytes((low / "0001x2.png").read_bytes())
    with pytest.raises(DataError, match=r"0001x2\.jpg and .*0001x2\.png have the same"):
        listed(tiny, div2k)


@pytest.mark.parametrize("spoil", ["cut", "text", "missing"])
def test_a_damaged_store_is_made_anew(tiny, div2k, spoil):
    images, cache = listed(tiny, div2k), div2k / "cache"
    whole = load_or_keep_pairs(images, 2, cache, "ram")
    [folder] = cache.iterdir()
    if spoil == "cut":
        path = folder / "gt.npy"
        path.write_bytes(path.read_bytes()[:-100])
    elif spoil == "text":
        (folder / "shapes.json").write_text('[["0001"')
    else:
        (folder / "lq.npy").unlink()
    again = load_or_keep_pairs(images, 2, cache)
    assert all(np.array_equal(a.gt, b.gt) for a, b in zip(whole, again, strict=True))
    assert list(cache.iterdir()) == [folder]


def test_an_error_that_is_not_the_store_s_leaves_it(tiny, div2k, monkeypatch):
    images, cache = listed(tiny, div2k), div2k / "cache"
    load_or_keep_pairs(images, 2, cache)
    [folder] = cache.iterdir()
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}

    def fail(*_, **__):
        raise OSError(errno.ENOMEM, "cannot allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr(np, "load", fail)
        with pytest.raises(OSError, match="cannot allocate"):
            load_or_keep_pairs(images, 2, cache)
    assert list(cache.iterdir()) == [folder]
    assert before == {path.name: path.stat().st_ino for path in folder.iterdir()}


def test_only_old_left_overs_of_a_store_are_removed(tiny, div2k):
    images, cache = listed(tiny, div2k), div2k / "cache"
    load_or_keep_pairs(images, 2, cache)
    [folder] = cache.iterdir()
    old, young = (make(cache / f".{folder.name}.{c * 16}") for c in "ab")
    os.utime(old, (0, 0))
    shutil.rmtree(folder)
    load_or_keep_pairs(images, 2, cache)
    assert sorted(cache.iterdir()) == sorted([young, folder])


def test_images_of_other_types_are_named(div2k, caplog):
    folder = div2k / "DIV2K_train_HR"
    assert len(find_images([folder], "data.train")) == 2
    assert not caplog.records
    for name in ("a.tif", "b.WEBP", "c.bmp", "d.gif", ".hidden.tif", "notes.txt"):
        (folder / name).touch()
    assert len(find_images([folder], "data.train")) == 2
    (record,) = caplog.records
    assert record.getMessage().startswith(f"data.train: {folder} holds 4 images of")
    assert "(a.tif, b.WEBP, c.bmp ...)" in record.getMessage()
