"""Patches: the same bytes by every way, and cheap."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from collinear.dbpn.config import AUGMENTATIONS
from collinear.dbpn.data import ImagePair
from collinear.dbpn.minibatch import PatchSource, choose_resident, oriented
from collinear.dbpn.patches import Patch, plan_patches
from collinear.quality.resize import resize_bicubic_uint8

CPU = torch.device("cpu")
TURNS = {
    0: lambda image: image,
    1: np.rot90,
    2: lambda image: np.rot90(image, 2),
    3: lambda image: np.rot90(image, 3),
    4: np.fliplr,
    5: lambda image: np.fliplr(np.rot90(image)),
    6: lambda image: np.fliplr(np.rot90(image, 2)),
    7: lambda image: np.fliplr(np.rot90(image, 3)),
}


def sources(pairs):
    return [PatchSource(pairs, 2, CPU, resident=resident) for resident in (False, True)]


def test_both_ways_return_the_same_bytes(pairs):
    """One cuts on the host, the other gathers on the device that holds all images."""
    sliced, gathered = sources(pairs)
    assert sliced.sizes == [pair.lq.shape[:2] for pair in pairs]
    for step in range(20):
        patches = plan_patches(3, "x", step, minibatch=5, patch=7, sizes=sliced.sizes)
        ours, theirs = (s.minibatch(patches, 7) for s in (sliced, gathered))
        assert ours[0].shape == (5, 3, 7, 7)
        assert ours[1].shape == (5, 3, 14, 14)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("orientation", range(8))
def test_patches_are_cut_where_they_are_planned(pairs, orientation):
    source = sources(pairs)[0]
    patch = Patch(image=1, top=3, left=2, orientation=orientation)
    lq, gt = source.minibatch([patch], 6)
    turn = TURNS[orientation]
    assert np.array_equal(lq[0].permute(1, 2, 0), turn(pairs[1].lq[3:9, 2:8]))
    assert np.array_equal(gt[0].permute(1, 2, 0), turn(pairs[1].gt[6:18, 4:16]))


@pytest.mark.parametrize("orientation", range(8))
def test_a_turned_image_gives_turned_patches(pairs, orientation):
    """Mirroring or turning the data and the patch's place is turning the patch."""
    turn = TURNS[orientation]
    square = [pair for pair in pairs if pair.lq.shape[0] == pair.lq.shape[1]]
    pair = square[0]
    turned = ImagePair("t", turn(pair.gt), turn(pair.lq))
    side = pair.lq.shape[0]
    whole = Patch(image=0, top=0, left=0, orientation=orientation)
    same = Patch(image=0, top=0, left=0, orientation=0)
    before = PatchSource([pair], 2, CPU, resident=False).minibatch([whole], side)
    after = PatchSource([turned], 2, CPU, resident=True).minibatch([same], side)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("orientation", range(8))
def test_low_resolution_images_turn_with_their_originals(pairs, orientation):
    turn = TURNS[orientation]
    for pair in pairs:
        shrunk = resize_bicubic_uint8(np.ascontiguousarray(turn(pair.gt)), 0.5)
        assert np.array_equal(shrunk, turn(pair.lq))


def test_orientations_of_tensors_are_those_of_arrays():
    image = np.arange(3 * 5 * 5).reshape(3, 5, 5)
    for orientation, turn in TURNS.items():
        expected = np.stack([turn(plane) for plane in image])
        found = oriented(torch.from_numpy(image), orientation)
        assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "count"), [("square", 8), ("mirrored", 4), ("none", 1)]
)
def test_augmentation_chooses_the_orientations(name, count):
    drawn = {
        patch.orientation
        for step in range(60)
        for patch in plan_patches(
            1,
            "x",
            step,
            minibatch=4,
            patch=2,
            sizes=[(9, 9)],
            orientations=AUGMENTATIONS[name],
        )
    }
    assert drawn == set(AUGMENTATIONS[name])
    assert len(drawn) == count


def test_the_authors_augmentation_keeps_rows_rows():
    """Their program mirrors and turns by half a turn, never by a quarter."""
    rows = np.repeat(np.arange(4)[:, None], 4, axis=1)
    for orientation in AUGMENTATIONS["mirrored"]:
        assert (np.ptp(TURNS[orientation](rows), axis=1) == 0).all()


def test_images_stay_on_the_host_without_a_gpu(pairs, caplog):
    with caplog.at_level(logging.WARNING):
        assert not choose_resident("auto", pairs, CPU)
        assert not caplog.records
        assert not choose_resident("device", pairs, CPU)
    assert "data.store: device needs a GPU" in caplog.text


def test_large_sets_stay_on_the_host_with_the_reason(pairs, caplog, monkeypatch):
    gpu = torch.device("cuda")
    size = sum(pair.lq.nbytes + pair.gt.nbytes for pair in pairs)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2 * size, 4 * size))
    assert choose_resident("auto", pairs, gpu)
    assert not choose_resident("ram", pairs, gpu)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (size, 4 * size))
    assert not choose_resident("device", pairs, gpu)
    assert "they stay in the memory of the machine" in caplog.text
