"""Images: which ones, that they fit, and which patches of them are trained on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from collinear.dbpn.data import (
    DataError,
    builtin_path,
    data_digest,
    list_images,
    load_pairs,
)
from collinear.dbpn.minibatch import oriented
from collinear.dbpn.patches import ORIENTATIONS, plan_patches
from collinear.dbpn.store import load_or_keep_pairs
from collinear.quality.images import ImageError, write_png
from collinear.quality.score import ScoreError

SIZES = [(12, 20), (30, 11), (16, 16)]


def noise(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def test_builtin_photographs_are_there(tiny):
    images = list_images(tiny({"scale": 4}))
    assert [image.stem for image in images.evaluation] == ["chelsea", "flower"]
    assert len(images.train) == 6
    pair = load_pairs(images.evaluation[:1], 4)[0]
    assert (pair.gt.shape, pair.lq.shape) == ((300, 448, 3), (75, 112, 3))


def test_builtin_names_can_be_chosen(tiny):
    images = list_images(
        tiny({"data": {"train": ["china"]}}, scoring={"evaluation": ["coffee"]})
    )
    assert [image.stem for image in images.train] == ["china"]
    with pytest.raises(DataError, match="but got 'lena'"):
        builtin_path("lena")


def test_folder_is_read_in_the_order_of_names(tiny, folders, scoring):
    images = list_images(tiny({"data": folders}, scoring=scoring))
    assert [image.stem for image in images.train] == ["train0", "train1"]
    assert (images.train[0].width, images.train[0].height) == (48, 40)


def test_digest_follows_content_names_and_scale(tiny, folders, scoring):
    before = list_images(tiny({"data": folders}, scoring=scoring)).train
    assert data_digest(before, 2) == data_digest(before, 2)
    assert data_digest(before, 2) != data_digest(before, 4)
    assert data_digest(before, 2) != data_digest(before[:1], 2)
    write_png(Path(folders["train"]) / "train1.png", noise(44, 40))
    assert data_digest(
        list_images(tiny({"data": folders}, scoring=scoring)).train, 2
    ) != data_digest(before, 2)


def test_kept_arrays_equal_fresh_ones(tiny, folders, scoring, tmp_path):
    images = list_images(tiny({"data": folders}, scoring=scoring)).train
    fresh = load_pairs(images, 2)
    for _ in range(2):  # made, then read
        kept = load_or_keep_pairs(images, 2, tmp_path / "cache")
        for ours, theirs in zip(kept, fresh, strict=True):
            assert ours.stem == theirs.stem
            assert np.array_equal(ours.gt, theirs.gt)
            assert np.array_equal(ours.lq, theirs.lq)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def spoil_overlap(folder):
    source = folder / "evaluation" / "evaluation0.png"
    (folder / "train" / "other.png").write_bytes(source.read_bytes())


def spoil_twins(folder):
    write_png(folder / "train" / "TRAIN0.png", noise(40, 40))


def spoil_size(folder):
    write_png(folder / "train" / "narrow.png", noise(40, 15))


def spoil_evaluation(folder):
    write_png(folder / "evaluation" / "small.png", noise(103, 300))


def spoil_file(folder):
    (folder / "train" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")


def spoil_all(folder):
    for path in (folder / "train").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (
            spoil_overlap,
            DataError,
            r"evaluation0\.png.*other\.png has the same content",
        ),
        (spoil_twins, DataError, "must differ in more than case"),
        (spoil_size, DataError, r"narrow\.png.*needs 16 pixels.*15 x 40"),
        (spoil_evaluation, ScoreError, r"small\.png.*two blocks"),
        (spoil_file, ImageError, r"broken\.png"),
        (spoil_all, DataError, r"data\.train.*no \.png"),
    ],
)
def test_images_that_do_not_fit_are_named(
    tiny, folders, scoring, tmp_path, spoil, error, message
):
    spoil(tmp_path)
    with pytest.raises(error, match=message):
        list_images(tiny({"data": folders}, scoring=scoring))


def test_missing_folder_is_named(tiny, folders, scoring):
    with pytest.raises(DataError, match="nowhere is not a folder"):
        list_images(tiny({"data": {**folders, "train": "nowhere"}}, scoring=scoring))


def patches_of(steps, **changes):
    request = {"minibatch": 4, "patch": 8, "sizes": SIZES, "seed": 1} | changes
    seed = request.pop("seed")
    return [plan_patches(seed, "finetune", step, **request) for step in steps]


def test_patches_depend_on_seed_stage_and_step_alone():
    assert patches_of(range(5))[3:] == patches_of([3, 4])
    assert patches_of([0]) != patches_of([0], seed=2)
    other = plan_patches(1, "pretrain", 0, minibatch=4, patch=8, sizes=SIZES)
    assert patches_of([0])[0] != other


def test_patches_lie_inside_and_reach_the_borders():
    chosen = [patch for step in patches_of(range(200)) for patch in step]
    for patch in chosen:
        height, width = SIZES[patch.image]
        assert 0 <= patch.top <= height - 8
        assert 0 <= patch.left <= width - 8
    first = [patch for patch in chosen if patch.image == 0]
    assert {patch.top for patch in first} == set(range(5))
    assert {patch.orientation for patch in chosen} == set(range(ORIENTATIONS))


def test_an_epoch_uses_each_image_once():
    chosen = [patch.image for step in patches_of(range(3)) for patch in step]
    assert [Counter(chosen[at : at + 3]) for at in (0, 3, 6, 9)] == [
        Counter(range(3))
    ] * 4


def test_orientations_are_the_symmetries_of_the_square():
    image = torch.arange(3 * 4 * 4).reshape(3, 4, 4)
    crops = [oriented(image[:, 1:3, 2:4], turn).flatten().tolist() for turn in range(8)]
    assert crops[0] == image[:, 1:3, 2:4].flatten().tolist()
    assert len({tuple(crop) for crop in crops}) == 8
