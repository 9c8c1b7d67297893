"""Published values of the challenge's MATLAB program, for users who have the data.

None of the data may be shipped. Say where they are:

    COLLINEAR_DIV2K     folder of DIV2K's training originals (0004.png, ...)
    COLLINEAR_PIRM      folder of the PIRM self-validation set: Original/, and
                        results in folders named as below (EDSR/, ...)
    COLLINEAR_MA_MODEL  model.mat of chaoma99/sr-metric

Sources: per-image values of DIV2K, output of the official program in the public
repository dearleiii/PIRM-2018-SISR-Challenge (71cd0f6, "Self-validation Scores");
set values of the self-validation set as published by the challenge's participants.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collinear.quality.colour import luma
from collinear.quality.folders import score_folders
from collinear.quality.images import read_image
from collinear.quality.ma_features import ma_features
from collinear.quality.ma_model import load_model
from collinear.quality.niqe import flat_share, niqe
from collinear.quality.rmse import shave

DIV2K = {  # NIQE and Ma
    "0004": (2.3811264859795, 6.814357476703),
    "0013": (6.6106077238586, 6.544248212190),
    "0018": (2.9753268844023, 6.227705558776),
    "0020": (4.9351864092944, 5.319868016161),
    "0025": (2.7433458669034, 6.856281090030),
}
PIRM = {  # perceptual index and RMSE
    "Original": (2.2818, 0.0),
    "EDSR": (5.2387, 11.1636),
    "SRGAN": (2.214, 15.4226),
    "ESRGAN": (2.5454, 16.4194),
    "EnhanceNet": (2.687584, 15.985258),
}


def folder(variable):
    """Return the folder that a variable names, or skip with the reason."""
    text = os.environ.get(variable)
    if not text:
        pytest.skip(f"{variable} does not say where the data are")
    if not Path(text).exists():
        pytest.skip(f"{variable}: {text} does not exist")
    return Path(text)


@pytest.fixture
def model():
    return load_model(folder("COLLINEAR_MA_MODEL"))


@pytest.fixture
def div2k(request):
    """Shaved luma of an image of DIV2K."""
    path = folder("COLLINEAR_DIV2K") / f"{request.param}.png"
    if not path.exists():
        pytest.skip(f"{path} does not exist")
    return request.param, shave(luma(read_image(path)))


@pytest.mark.parametrize("div2k", DIV2K, indirect=True)
def test_niqe_of_div2k(div2k):
    name, y = div2k
    share = flat_share(y)
    if share > 0.04:
        pytest.skip(f"{share:.1%} of the windows are flat: no claim")
    # Seen: 5e-13 without flat windows, 5.5e-3 at 3.8 %.
    tolerance = 1e-9 if share == 0 else 6e-3
    assert niqe(y) == pytest.approx(DIV2K[name][0], abs=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("div2k", DIV2K, indirect=True)
def test_ma_of_div2k(div2k, model):
    name, y = div2k
    (score,) = model.predict([ma_features(y)])
    # A feature that crosses one split moves the score by about 1e-4.
    assert score == pytest.approx(DIV2K[name][1], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("method", PIRM)
def test_index_of_the_self_validation_set(method, model):
    root = folder("COLLINEAR_PIRM")
    if not (root / method).is_dir():
        pytest.skip(f"{root / method} does not exist")
    score = score_folders(root / method, root / "Original", model=model)
    index, rmse = PIRM[method]
    assert score.values["perceptual_index"] == pytest.approx(index, abs=1e-3)
    assert score.values["rmse"] == pytest.approx(rmse, abs=1e-4)
