"""Enlarging images: tiles, sizes, and values that are not numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from collinear.dbpn.config import ModelSettings
from collinear.dbpn.infer import upscale
from collinear.dbpn.model import DBPN
from collinear.dbpn.pixels import NonFiniteError, as_tensor, normalise, quantise
from collinear.quality.resize import resize_bicubic_uint8

IMAGE = np.random.default_rng(8).integers(0, 256, (21, 34, 3)).astype(np.uint8)
UNTRAINED = DBPN(2, ModelSettings(stages=2, base=4, feat=8))


def test_normalised_images_come_back():
    assert np.array_equal(quantise(normalise(as_tensor(IMAGE))), IMAGE)


def test_untrained_residual_model_enlarges_bicubically():
    expected = resize_bicubic_uint8(IMAGE, 2).astype(int)
    assert np.abs(upscale(UNTRAINED, IMAGE, 2) - expected).max() <= 1


def test_tiles_equal_the_whole_with_enough_overlap():
    torch.manual_seed(0)
    network = DBPN(2, ModelSettings(stages=2, base=4, feat=8, residual=False))
    whole = upscale(network, IMAGE, 2)
    tiles = upscale(network, IMAGE, 2, tile=9, overlap=14).astype(int)
    assert whole.shape == (42, 68, 3)
    assert whole.std() > 1
    assert np.abs(tiles - whole).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 2)])
def test_smallest_images_are_enlarged(shape):
    image = np.full((*shape, 3), 77, np.uint8)
    assert (
        upscale(UNTRAINED, image, 2).tolist()
        == np.full((shape[0] * 2, shape[1] * 2, 3), 77).tolist()
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_numbers_are_refused(value):
    network = DBPN(2, ModelSettings(stages=2, base=4, feat=8))
    with torch.no_grad():
        network.output.bias[0] = value
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        upscale(network, IMAGE, 2)
