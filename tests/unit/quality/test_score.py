"""The scores of image sets: the challenge's own numbers, the rules, the refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image

from collinear.quality.records import RecordCache
from collinear.quality.score import ScoreError, score_image, score_set

NAMES = (
    "astronaut_hr",
    "astronaut_bicubic4",
    "chelsea_hr",
    "chelsea_bicubic4",
    "coffee_hr",
    "rocket_bicubic2",
)
RNG = np.random.default_rng(4)
SMALL = RNG.integers(0, 256, (104, 200, 3)).astype(np.uint8)


def assert_matches(score, expected):
    assert score.y_sum == expected["y_sum"]
    assert score.mse == expected["mse"]
    assert score.flat_share == pytest.approx(expected["flat_share"], abs=1e-15)
    # The same arithmetic as the reference with the filter in our order.
    assert score.niqe == pytest.approx(expected["niqe_columns_then_rows"], rel=1e-9)
    if expected["flat_share"] == 0:
        assert score.niqe == pytest.approx(expected["niqe"], abs=1e-9)
    elif expected["flat_share"] <= 0.01:
        assert score.niqe == pytest.approx(expected["niqe"], abs=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_scores_equal_the_reference_program(name, golden, photograph):
    """Octave 7.3, evaluate_results.m; see the provenance in the golden file."""
    gt = photograph(name.split("_")[0] + "_hr")
    assert_matches(score_image(name, photograph(name), gt), golden["images"][name])


def test_all_reference_images(shared_scores):
    """Nine images, among them JPEG, blur and sharpening."""
    oracle = json.loads((shared_scores / "oracle.json").read_text())
    for name, entry in oracle.items():
        sr, gt = (
            np.asarray(Image.open(shared_scores / kind / name))
            for kind in ("img", "hr")
        )
        expected = {
            "y_sum": entry["y_sum"],
            "mse": entry["MSE"],
            "niqe": entry["NIQE"],
            "niqe_columns_then_rows": entry["NIQE_sep_cr"],
            "flat_share": entry["flat7x7"],
        }
        assert_matches(score_image(name, sr, gt), expected)


def test_set_values_are_the_root_of_the_mean_and_the_mean():
    other = np.clip(SMALL.astype(int) + 40, 0, 255).astype(np.uint8)
    score = score_set([("same", SMALL, SMALL), ("brighter", other, SMALL)])
    same, brighter = score.images
    assert same.mse == 0
    assert score.values["rmse"] == math.sqrt(brighter.mse / 2)
    assert score.values["niqe"] == pytest.approx((same.niqe + brighter.niqe) / 2)
    assert score.reason == "Ma's model was not given"
    assert score.values["ma"] is score.values["perceptual_index"] is None


def test_only_the_wanted_values_are_returned():
    assert list(score_set([("a", SMALL, SMALL)], ["rmse"]).values) == ["rmse"]


def test_a_constant_result_has_no_niqe_but_a_reason():
    score = score_set([("flat", np.full_like(SMALL, 128), SMALL)])
    assert score.values["niqe"] is None
    assert score.values["rmse"] > 0
    assert score.reason.startswith("flat: fewer than two blocks")


@pytest.mark.parametrize(
    ("pairs", "goals", "message"),
    [
        ([], ["rmse"], "at least one image"),
        ([("a", SMALL, SMALL)], ["psnr"], "out of niqe, rmse, ma, perceptual_index"),
        ([("a", SMALL, SMALL)], [], "but got none"),
        ([("a", SMALL, SMALL), ("A", SMALL, SMALL)], ["rmse"], "more than case"),
        ([("a", SMALL[:-1], SMALL)], ["rmse"], "a: .*one size.*200 x 103"),
        ([("a", SMALL[:103], SMALL[:103])], ["rmse"], "a: .*two blocks"),
        ([("a", SMALL[:, :199], SMALL[:, :199])], ["rmse"], "104 x 200 at least"),
        ([("a", SMALL, SMALL * 0)], ["rmse"], "a: the original is constant"),
    ],
)
def test_sets_that_cannot_be_scored_are_refused(pairs, goals, message):
    with pytest.raises(ScoreError, match=message):
        score_set(pairs, goals)


def test_originals_are_converted_once_for_all_who_share_a_cache(tmp_path, monkeypatch):
    chance = np.random.default_rng(5)
    gt = chance.integers(0, 256, (120, 220, 3), dtype=np.uint8)
    first, second = (np.maximum(gt, n).astype(np.uint8) for n in (3, 9))
    cache = RecordCache(tmp_path)
    score_set([("a", first, gt)], ("rmse",), cache=cache)
    expected = score_set([("a", second, gt)], ("rmse",))

    def refuse(*given):
        raise AssertionError("an original was converted again")

    monkeypatch.setattr("collinear.quality.score.scored_luma", refuse)
    assert score_set([("a", second, gt)], ("rmse",), cache=cache) == expected
    with pytest.raises(AssertionError, match="again"):
        score_set([("a", second, gt[::-1])], ("rmse",), cache=cache)
