"""Ma's features against the authors' program, a plain version, and themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from collinear.quality.colour import luma
from collinear.quality.ma_dct import dct_features
from collinear.quality.ma_features import FeatureError, ma_features, singular_values
from collinear.quality.pyramid import steerable_pyramid
from collinear.quality.rmse import shave

TOLERANCES = (1e-7, 1e-9, 1e-9)
RNG = np.random.default_rng(8)


def texture(height, width, seed=0):
    """Return a plane with edges and noise, uint8."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, 9, (height, width)), axis=1)
    noisy = 128 + walk + np.cumsum(rng.normal(0, 2, (height, 1)), axis=0)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def assert_close(found, expected, tolerances=TOLERANCES):
    for one, other, tolerance in zip(found, expected, tolerances, strict=True):
        assert np.abs(np.asarray(one) - np.asarray(other)).max() <= tolerance


@pytest.mark.parametrize(
    "name",
    [
        "astronaut_hr",
        "astronaut_bicubic4",
        "chelsea_hr",
        "chelsea_bicubic4",
        "coffee_hr",
        "rocket_bicubic2",
    ],
)
def test_features_equal_the_authors_program(name, golden_features, photograph):
    """Octave 7.3; see the provenance in the golden file."""
    expected = golden_features["images"][name]
    found = ma_features(shave(luma(photograph(name))))
    assert_close(found.groups, [expected[key] for key in ("f1", "f2", "f3")])


def test_all_reference_images(shared_scores):
    """Nine images, among them JPEG, blur and sharpening."""
    oracle = json.loads((shared_scores / "oracle.json").read_text())
    for name, entry in oracle.items():
        pixels = np.asarray(Image.open(shared_scores / "img" / name))
        found = ma_features(shave(luma(pixels)))
        assert_close(found.groups, [entry[key] for key in ("f1", "f2", "f3")])


@pytest.mark.parametrize("shape", [(96, 192), (97, 101), (205, 207), (130, 98)])
def test_the_fast_version_equals_the_plain_one(shape, plain):
    y = texture(*shape)
    expected = plain.ma_features(y)
    assert_close(ma_features(y).groups, expected, (1e-9, 1e-9, 1e-9))


@pytest.mark.parametrize("order", ["F", "strided", "reversed"])
def test_memory_order_does_not_matter(order):
    y = texture(100, 120)
    copies = {
        "F": np.asfortranarray(y),
        "strided": np.repeat(np.repeat(y, 2, 0), 3, 1)[::2, ::3],
        "reversed": y[::-1, ::-1].copy()[::-1, ::-1],
    }
    for one, other in zip(
        ma_features(copies[order]).groups, ma_features(y).groups, strict=True
    ):
        assert np.array_equal(one, other)


def test_number_of_threads_does_not_matter(tmp_path):
    """The sums keep their order: BLAS starts no threads for pieces this small."""
    np.save(tmp_path / "y.npy", texture(472, 612))
    program = (
        "import sys, numpy as np\n"
        "from collinear.quality.ma_features import ma_features\n"
        "groups = ma_features(np.load(sys.argv[1])).groups\n"
        "print(np.concatenate(groups).tobytes().hex())"
    )
    found = set()
    for threads in ("1", "2"):
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(variables, threads)
        command = [sys.executable, "-c", program, str(tmp_path / "y.npy")]
        done = subprocess.run(
            command, env=environment, capture_output=True, check=True, text=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_transposing_leaves_frequencies_and_singular_values():
    """The windows of the DCT and the patches are turned, and so are the groups."""
    y = texture(100, 126)
    one, turned = ma_features(y), ma_features(y.T)
    assert np.allclose(one.frequency, turned.frequency, atol=1e-9)
    assert np.allclose(one.spatial, turned.spatial, atol=1e-9)


def test_flipping_leaves_what_has_no_border_on_one_side():
    plane = texture(90, 120) / 255  # multiples of the step 3 and the patch 5
    for flipped in (plane[::-1], plane[:, ::-1]):
        # The signs of odd frequencies change, and with them the mean in the shape.
        frequency, expected = dct_features([flipped])[2:], dct_features([plane])[2:]
        assert np.allclose(frequency, expected, atol=1e-9)
        found, expected = singular_values([flipped]), singular_values([plane])
        assert np.allclose(found, expected, atol=1e-9)


def test_transposing_turns_the_orientations():
    """Band k becomes band 3 - k; bands 5 and 6 of level 1 differ by their parent."""
    y = texture(96, 131)
    one, turned = ma_features(y).wavelet, ma_features(y.T).wavelet
    assert np.allclose(turned[:4], one[[3, 2, 1, 0]], atol=1e-9)
    assert np.allclose(turned[6:12], one[[9, 8, 7, 6, 11, 10]], atol=1e-9)
    assert np.allclose(turned[18:22], one[[21, 20, 19, 18]], atol=1e-9)


def test_reflecting_turns_the_bands_of_the_pyramid():
    """Band k becomes band 6 - k; the first one turns round. Both are periodic."""
    y = texture(96, 128).astype(float)
    mirror = (np.arange(128) * -1) % 128
    straight, other = steerable_pyramid(y), steerable_pyramid(y[:, mirror])
    for level, half in ((0, mirror), (1, mirror[:64] % 64)):
        for band in range(6):
            expected = straight.levels[level][(6 - band) % 6][:, half]
            sign = -1 if band == 0 else 1
            assert np.allclose(other.levels[level][band], sign * expected, atol=1e-9)


def test_singular_values_do_not_see_the_order_of_patches():
    plane = texture(100, 120) / 255
    patches = plane.reshape(20, 5, 24, 5).transpose(0, 2, 1, 3).reshape(480, 5, 5)
    mixed = patches[RNG.permutation(480)].reshape(20, 24, 5, 5).transpose(0, 2, 1, 3)
    found = singular_values([mixed.reshape(100, 120)])
    assert np.allclose(found, singular_values([plane]), atol=1e-9)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (texture(96, 192).astype(float), "dtype uint8, but got .* float64"),
        (texture(96, 192)[:, :, None], r"but got \(96, 192, 1\)"),
        (texture(45, 200), "46 pixels a side"),
        (texture(60, 60), "25 patches"),
        (np.full((96, 192), 7, np.uint8), "constant image"),
    ],
)
def test_planes_without_features_are_refused(y, message):
    with pytest.raises(FeatureError, match=message):
        ma_features(y)


@pytest.mark.parametrize("axis", [0, 1])
def test_stripes_are_refused(axis):
    """Bands across the stripes vanish but for rounding."""
    stripes = np.zeros((96, 192), np.uint8)
    np.moveaxis(stripes, axis, 0)[::4] = 200
    with pytest.raises(FeatureError, match="too flat"):
        ma_features(stripes)
