"""Luma must round as MATLAB does, also on the 194 colours that lie on a half."""

from __future__ import annotations

import numpy as np
import pytest

from collinear.quality.colour import luma


def test_extremes_and_a_known_colour():
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], dtype=np.uint8)
    assert luma(colours).tolist() == [[16, 235, 81]]


def test_ties_round_as_the_reciprocal_form_does():
    """149 of the 194 ties go down (100 would with a division by 255)."""
    levels = np.arange(256, dtype=np.int32)
    green_blue = 128553 * levels[:, None] + 24966 * levels
    down = ties = 0
    for red in range(256):
        thousandths = 65481 * red + green_blue  # of 255 times Y, without the offset
        green, blue = np.nonzero(thousandths % 255000 == 127500)
        colours = np.stack([np.full_like(green, red), green, blue], axis=1)
        y = luma(colours[None].astype(np.uint8))[0]
        ties += len(y)
        down += int(np.sum(y == thousandths[green, blue] // 255000 + 16))
    assert (ties, down) == (194, 149)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))],
)
def test_other_shapes_and_dtypes_are_refused(image):
    with pytest.raises(ValueError, match="dtype uint8"):
        luma(image)
