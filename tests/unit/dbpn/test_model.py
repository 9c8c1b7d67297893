"""The generator: parameter counts, forward values and names of the authors' program."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from collinear.dbpn.config import DiscriminatorSettings, ModelSettings
from collinear.dbpn.discriminator import Discriminator, DiscriminatorError
from collinear.dbpn.model import DBPN, count_parameters, load_reference_state
from collinear.dbpn.upsample import BicubicUpsample
from collinear.quality.resize import resize_bicubic

SHAPES = Path(__file__).parents[2] / "golden" / "dbpn" / "state_dict_shapes.json"
NETWORKS = {
    "dbpns_T2_x2": (2, ModelSettings(stages=2, residual=False)),
    "dbpns_T2_x4": (4, ModelSettings(stages=2, residual=False)),
    "dbpn_T7_x4": (4, ModelSettings(stages=7, residual=False)),
    "dbpn_iterative_T3_x4": (
        4,
        ModelSettings(variant="iterative", stages=3, residual=False),
    ),
}
COUNTS = [
    (2, "dense", 7, 5_953_526),
    (4, "dense", 7, 10_426_358),
    (8, "dense", 7, 23_205_878),
    (2, "dense", 10, 8_811_086),
    (4, "dense", 10, 15_348_302),
    (8, "dense", 10, 34_026_062),
    (2, "dense", 2, 1_354_766),
    (4, "dense", 2, 2_386_958),
    (8, "dense", 2, 5_336_078),
    (2, "iterative", 3, 5_946_614),
    (4, "iterative", 3, 10_419_446),
    (8, "iterative", 3, 23_198_966),
]


@pytest.mark.parametrize(("scale", "variant", "stages", "count"), COUNTS)
def test_parameter_counts_are_the_reference(scale, variant, stages, count):
    """Counts of alterzero/DBPN-Pytorch 6eb48ca, networks with base 64 and feat 256."""
    with torch.device("meta"):
        network = DBPN(scale, ModelSettings(variant, stages, residual=False))
    assert count_parameters(network) == count


def reference_output(tag):
    scale, settings = NETWORKS[tag]
    network = DBPN(scale, settings).eval()
    load_reference_state(network, reference_weights(tag))
    values = (np.sin(0.61 * np.arange(90)) + 1) / 2
    image = torch.from_numpy(values.reshape(1, 3, 6, 5).astype(np.float32))
    with torch.no_grad():
        return network(image)[0].numpy()


def reference_weights(tag):
    """The weights of the golden file's provenance, under the authors' names."""
    state = {}
    for name, shape in json.loads(SHAPES.read_text())[tag].items():
        count = int(np.prod(shape))
        values = np.sin(0.37 * np.arange(count) + zlib.crc32(name.encode()) % 1000)
        values *= 1 / np.sqrt(count / shape[0]) if len(shape) > 1 else 0.01
        if shape == [1]:
            values = np.array([0.25])
        tensor = torch.from_numpy(values.reshape(shape).astype(np.float32))
        state[f"module.{name}"] = tensor
    return state


@pytest.mark.parametrize("tag", NETWORKS)
def test_forward_values_are_the_reference(tag, golden):
    expected = golden["networks"][tag]
    output = reference_output(tag).astype(np.float64)
    assert list(output.shape) == expected["shape"]
    total = np.abs(output).sum()
    assert total == pytest.approx(expected["absolute_sum"], rel=1e-4)
    assert output.sum() == pytest.approx(expected["sum"], abs=1e-4 * total)
    ends = [*output.ravel()[:8], *output.ravel()[-8:]]
    size = np.abs(output).max()
    assert ends == pytest.approx(
        [*expected["first"], *expected["last"]], abs=1e-4 * size
    )


@pytest.mark.parametrize("tag", NETWORKS)
def test_all_forward_values_are_the_reference(tag, shared_forward):
    expected = shared_forward[tag]
    difference = np.abs(reference_output(tag) - expected).max()
    assert difference <= 1e-4 * np.abs(expected).max()


def test_reference_state_must_fit():
    network = DBPN(4, ModelSettings(stages=3, residual=False))
    with pytest.raises(RuntimeError, match="Missing key"):
        load_reference_state(network, reference_weights("dbpns_T2_x4"))


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_bicubic_base_equals_the_resize_rule(scale):
    image = np.random.default_rng(0).uniform(size=(9, 7))
    large = BicubicUpsample(scale)(torch.from_numpy(image).float()[None, None])
    assert np.allclose(large[0, 0], resize_bicubic(image, scale), atol=1e-6)


def test_untrained_residual_model_is_bicubic():
    network = DBPN(4, ModelSettings(stages=2, base=4, feat=8))
    image = torch.rand(1, 3, 5, 6)
    with torch.no_grad():
        assert torch.equal(network(image), network.bicubic(image))


@pytest.mark.parametrize(("size", "count"), [(160, 57_119_937), (240, 122_655_937)])
def test_discriminator_counts_are_the_reference(size, count):
    with torch.device("meta"):
        network = Discriminator(DiscriminatorSettings(), size)
    assert count_parameters(network) == count


@pytest.mark.parametrize(("head", "size"), [("dense", 32), ("gap", 36)])
def test_discriminator_returns_one_logit_an_image(head, size):
    network = Discriminator(DiscriminatorSettings(2, head), size)
    logits = network(torch.rand(3, 3, size, size) * 50)
    assert logits.shape == (3,)


@pytest.mark.parametrize(("head", "size"), [("dense", 152), ("dense", 0), ("gap", 12)])
def test_discriminator_refuses_sizes(head, size):
    with pytest.raises(DiscriminatorError, match=f"16 pixels.*but got {size}"):
        Discriminator(DiscriminatorSettings(2, head), size)
