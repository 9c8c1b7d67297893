"""NIQE against the authors' program, and the properties behind the score."""

from __future__ import annotations

import numpy as np
import pytest

from collinear.quality import niqe as module
from collinear.quality.colour import luma
from collinear.quality.niqe import (
    block_features,
    distance,
    flat_share,
    gaussian_filter,
    niqe,
    pristine_model,
)

NOISE = np.random.default_rng(1).integers(0, 256, (192, 192)).astype(np.uint8)


def test_pristine_model_is_a_gaussian():
    model = pristine_model()
    assert model.mu.shape == (36,)
    assert np.allclose(model.cov, model.cov.T)
    assert np.linalg.eigvalsh(model.cov).min() > 0


def test_model_comes_with_its_notice():
    text = module.resources.files("collinear.quality").joinpath("niqe_parameters.txt")
    assert "COPYRIGHT NOTICE STARTS" in text.read_text()


def test_distance_is_zero_at_the_model_and_grows_away_from_it():
    model = pristine_model()
    spread = np.random.default_rng(2).normal(size=(8, 36)) * 0.01
    near = model.mu + spread - spread.mean(axis=0)
    assert distance(near, model) == pytest.approx(0, abs=1e-6)
    assert distance(near + 1, model) > distance(near + 0.1, model) > 0.1


def test_nearest_shape_equals_an_exhaustive_search():
    shapes, moments = module._moment_table()
    wanted = np.array([0.0, 0.1, 0.33, 0.5, 0.62, 0.7, 0.74, 1.0, np.nan])
    found = module._shape_of_moment(wanted)
    exhaustive = shapes[np.argmin((moments - wanted[:-1, None]) ** 2, axis=1)]
    assert np.all(np.diff(moments) > 0)
    assert np.array_equal(found[:-1], exhaustive)
    assert np.isnan(found[-1])


def test_shape_of_gaussian_noise_is_two():
    values = np.random.default_rng(3).normal(size=(1, 500, 500))
    shape, left, right, _ = module._fit_aggd(values)
    assert shape[0] == pytest.approx(2, abs=0.03)
    assert left[0] == pytest.approx(np.sqrt(2), abs=0.02)
    assert right[0] == pytest.approx(left[0], abs=0.02)


def test_filter_sums_columns_first_taps_ascending():
    """The order of the sums is a contract: compare with plain loops, bit for bit."""
    offsets = np.arange(-3, 4)
    taps = np.exp(-(offsets**2) / (2 * (7 / 6) ** 2))
    taps /= taps.sum()
    plane = np.pad(NOISE[:9, :8].astype(float), 3, mode="edge")
    columns = np.array(
        [[_ascending(taps, plane[r : r + 7, c]) for c in range(14)] for r in range(9)]
    )
    rows = [
        [_ascending(taps, columns[r, c : c + 7]) for c in range(8)] for r in range(9)
    ]
    assert np.array_equal(gaussian_filter(NOISE[:9, :8].astype(float)), rows)


def _ascending(taps, values):
    total = 0.0
    for tap, value in zip(taps, values, strict=True):
        total += tap * value
    return total


def test_pixels_beyond_whole_blocks_do_not_count():
    wider = np.pad(NOISE, ((0, 50), (0, 30)), mode="reflect")
    assert niqe(wider) == niqe(NOISE)


def test_order_of_blocks_does_not_matter():
    features = block_features(NOISE)
    model = pristine_model()
    assert distance(features[::-1], model) == pytest.approx(distance(features, model))


def test_constant_block_is_dropped_and_constant_image_has_no_score():
    partly = np.concatenate([NOISE, np.full((96, 192), 80, np.uint8)])
    # Rounding noise of a flat block may or may not have both signs.
    assert np.isfinite(niqe(partly))
    assert np.isnan(niqe(np.full((192, 192), 16, np.uint8)))


def test_fewer_than_two_blocks_are_refused():
    with pytest.raises(ValueError, match="two blocks"):
        niqe(NOISE[:191, :100])


def test_flat_share_counts_windows():
    plane = NOISE.copy()
    plane[10:18, 20:27] = 5
    assert flat_share(plane) == pytest.approx(2 / 186**2)


def test_noise_and_blur_are_worse_than_the_photograph(photograph):
    sharp = niqe(luma(photograph("chelsea_hr")))
    assert niqe(luma(photograph("chelsea_bicubic4"))) > sharp + 2
