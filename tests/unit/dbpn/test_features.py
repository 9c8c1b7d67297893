"""The feature networks: seeded, normalised, and strict about files."""

from __future__ import annotations

import pytest
import torch

from collinear.dbpn.config import FeatureSettings
from collinear.dbpn.features import (
    FeatureError,
    build_features,
    calibration_images,
    check_feature_file,
    feature_identity,
    feature_layers,
)
from collinear.dbpn.files import digest_of_file

SMALL = FeatureSettings(width_divisor=32)


def test_layout_is_vgg19():
    layers = feature_layers(1)
    pools = [i for i, x in enumerate(layers) if isinstance(x, torch.nn.MaxPool2d)]
    assert pools == [4, 9, 18, 27, 36]
    assert sum(p.numel() for p in layers.parameters()) == 20_024_384


def test_random_network_depends_on_its_seed_alone():
    torch.manual_seed(1)
    first = build_features(SMALL).state_dict()
    torch.manual_seed(2)
    again = build_features(SMALL).state_dict()
    other = build_features(FeatureSettings(width_divisor=32, seed=1)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["layers.0.weight"], other["layers.0.weight"])


def test_taps_have_level_one_on_the_calibration_images():
    network = build_features(SMALL)
    levels = [maps.square().mean().sqrt() for maps in network(calibration_images())]
    assert torch.allclose(torch.stack(levels), torch.ones(4), atol=1e-5)
    assert network.tap_rms.min() > 0.1


def test_without_normalisation_the_constants_are_one():
    settings = FeatureSettings(width_divisor=32, normalize_taps=False)
    assert torch.equal(build_features(settings).tap_rms, torch.ones(4))


def test_taps_have_the_sizes_of_their_pools():
    network = build_features(FeatureSettings(width_divisor=32, taps=("pool1", "pool3")))
    maps = network(torch.rand(2, 3, 32, 32))
    assert [tuple(m.shape) for m in maps] == [(2, 2, 16, 16), (2, 8, 4, 4)]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (
            FeatureSettings(width_divisor=4, taps=("pool2", "pool3", "pool4")),
            "random_vgg19(width/4, seed 0, taps pool2-pool4)",
        ),
        (
            FeatureSettings(taps=("pool2", "pool4"), seed=3, normalize_taps=False),
            "random_vgg19(width/1, seed 3, taps pool2+pool4, not normalised)",
        ),
        (FeatureSettings(kind="vgg19", taps=("pool5",)), "vgg19(taps pool5)"),
    ],
)
def test_identity_names_all_choices(settings, name):
    assert feature_identity(settings) == name


@pytest.fixture
def trained_file(tmp_path):
    """A narrow stand-in in the layout of torchvision's file, classifier included."""
    torch.manual_seed(0)
    state = {f"features.{k}": v for k, v in feature_layers(32).state_dict().items()}
    state["classifier.0.weight"] = torch.zeros(3, 3)
    path = tmp_path / "vgg19.pth"
    torch.save(state, path)
    return path


def settings_for(path):
    return FeatureSettings(
        "vgg19", file=path, width_divisor=32, taps=("pool1",), normalize_taps=False
    )


def test_trained_file_is_loaded(trained_file):
    prefix = digest_of_file(trained_file)[:8]
    network = build_features(settings_for(trained_file), prefix=prefix)
    state = torch.load(trained_file, weights_only=True)
    ours = network.layers.state_dict()["34.weight"]
    assert torch.equal(ours, state["features.34.weight"])


def test_other_bytes_are_refused(trained_file):
    with pytest.raises(FeatureError, match="must begin with dcbb9e9d"):
        build_features(settings_for(trained_file))
    with pytest.raises(FeatureError, match="cannot be read"):
        check_feature_file(trained_file.parent / "none.pth")


def test_missing_layers_are_refused(trained_file):
    state = torch.load(trained_file, weights_only=True)
    del state["features.34.weight"]
    torch.save(state, trained_file)
    prefix = digest_of_file(trained_file)[:8]
    with pytest.raises(FeatureError, match=r"(?s)not a VGG19.*34\.weight"):
        build_features(settings_for(trained_file), prefix=prefix)
