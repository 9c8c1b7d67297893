"""The bicubic rule: limiting cases, symmetry and values by hand."""

from __future__ import annotations

import numpy as np
import pytest

from collinear.quality.resize import resize_bicubic, resize_bicubic_uint8

NOISE = np.random.default_rng(0).uniform(0, 255, (13, 17))


def test_same_size_changes_nothing():
    assert np.array_equal(resize_bicubic(NOISE, 1), NOISE)


@pytest.mark.parametrize("scale", [0.25, 0.5, 0.3, 2, 4, 2.5])
def test_constants_stay_constant(scale):
    result = resize_bicubic(np.full((20, 24), 7.0), scale)
    assert np.allclose(result, 7.0, rtol=1e-14)


def test_enlarging_twice_by_hand():
    """Weights of Keys' kernel at 0.25 and 0.75 from the nearest pixels."""
    ramp = np.array([[0.0, 0.0, 0.0, 64.0, 0.0, 0.0, 0.0]])
    result = resize_bicubic(ramp, size=(1, 14))[0, 4:10]
    # |x| = 1.75, 1.25, 0.75, 0.25 ... from the pixel with 64.
    expected = 64 * np.array([-0.0703125, 0.2265625, 0.8671875])
    assert np.allclose(result, [*expected, *expected[::-1]])


@pytest.mark.parametrize("scale", [0.5, 0.25, 3])
def test_mirroring_the_image_mirrors_the_result(scale):
    whole = NOISE[:12, :16]  # sizes that the scale divides; others start at one corner
    mirrored = resize_bicubic(whole[::-1, ::-1], scale)[::-1, ::-1]
    assert np.allclose(mirrored, resize_bicubic(whole, scale), atol=1e-10)


def test_sizes_are_rounded_up_and_channels_kept():
    assert resize_bicubic(np.zeros((9, 10, 3)), 0.25).shape == (3, 3, 3)
    assert resize_bicubic(np.zeros((9, 10, 3)), size=(5, 4)).shape == (5, 4, 3)


def test_eight_bits_round_half_up_and_clip():
    image = np.array([[0, 255, 255, 0, 0, 1]], dtype=np.uint8)
    exact = resize_bicubic(image, size=(1, 12))
    expected = np.floor(np.clip(exact, 0, 255) + 0.5)
    assert exact.max() > 255
    assert np.array_equal(resize_bicubic_uint8(image, size=(1, 12)), expected)


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="either scale or size"):
        resize_bicubic(NOISE)
    with pytest.raises(ValueError, match="scale must be positive"):
        resize_bicubic(NOISE, 0)
    with pytest.raises(ValueError, match="size must be positive"):
        resize_bicubic(NOISE, size=(0, 3))
    with pytest.raises(ValueError, match="dtype uint8"):
        resize_bicubic_uint8(NOISE, 2)
