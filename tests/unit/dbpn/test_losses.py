"""The four terms: each reaches the generator, none runs with weight zero."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from collinear.dbpn.config import DiscriminatorSettings, FeatureSettings, ModelSettings
from collinear.dbpn.discriminator import Discriminator
from collinear.dbpn.features import build_features
from collinear.dbpn.losses import (
    TERMS,
    adversarial_error,
    discriminator_error,
    generator_terms,
    gram,
    perceptual_error,
    squared_error,
    style_error,
    weighted_sum,
)
from collinear.dbpn.model import DBPN
from collinear.dbpn.pixels import normalise, quantise


class Forbidden(torch.nn.Module):
    """A network that must not run."""

    def forward(self, image):
        raise AssertionError("a term with weight 0 was computed")


def only(stage, *terms):
    """Return the stage with weight 1 for some terms and 0 for the others."""
    weights = {f"w_{name}": float(name in terms) for name in TERMS}
    return dataclasses.replace(stage, **weights)


@pytest.mark.parametrize("term", TERMS)
def test_each_term_alone_reaches_the_generator(term, tiny):
    """In the public program the perceptual and style terms have no gradient at all."""
    torch.manual_seed(0)
    stage = only(tiny().finetune, term)
    network = DBPN(2, ModelSettings(stages=2, base=4, feat=8, residual=False))
    features = build_features(FeatureSettings(width_divisor=16, taps=("pool2",)))
    discriminator = Discriminator(DiscriminatorSettings(2), 16).requires_grad_(False)
    sr = network(torch.randn(2, 3, 8, 8))
    gt = torch.randn(2, 3, 16, 16)
    terms = generator_terms(
        sr, gt, stage, features=features, discriminator=discriminator
    )
    weighted_sum(terms, stage).backward()
    gradients = [p.grad for p in network.parameters()]
    assert list(terms) == [term]
    assert all(g is not None and g.abs().sum() > 0 for g in gradients)
    assert all(p.grad is None for p in features.parameters())
    assert all(p.grad is None for p in discriminator.parameters())


def test_zero_weights_call_no_network(tiny):
    stage = only(tiny().finetune, "mse")
    sr, gt = torch.rand(2, 2, 3, 16, 16)
    terms = generator_terms(
        sr, gt, stage, features=Forbidden(), discriminator=Forbidden()
    )
    assert list(terms) == ["mse"]


def test_zero_mse_weight_leaves_the_term_out(tiny):
    stage = only(tiny().finetune, "style")
    features = build_features(FeatureSettings(width_divisor=16, taps=("pool1",)))
    sr, gt = torch.rand(2, 2, 3, 16, 16)
    assert list(generator_terms(sr, gt, stage, features=features)) == ["style"]


def test_weighted_sum(tiny):
    stage = dataclasses.replace(tiny().finetune, w_mse=0.5, w_style=4.0)
    terms = {"mse": torch.tensor(2.0), "style": torch.tensor(3.0)}
    assert weighted_sum(terms, stage) == 0.5 * 2 + 4 * 3


def test_gram_by_hand():
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # c = 2, h = 1, w = 2
    assert torch.equal(gram(maps)[0], torch.tensor([[5.0, 11.0], [11.0, 25.0]]) / 4)


def test_gram_is_one_matrix_for_an_image():
    maps = torch.randn(3, 4, 5, 6)
    alone = torch.cat([gram(image[None]) for image in maps])
    assert torch.allclose(gram(maps), alone, atol=1e-7)


def test_style_ignores_where_a_texture_lies_and_perception_does_not():
    maps = torch.randn(2, 4, 6, 6)
    moved = maps.roll(2, dims=3)
    assert style_error([maps], [moved]) < 1e-12
    assert perceptual_error([maps], [moved]) > 0.1


def test_errors_by_hand():
    zeros, ones = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    assert squared_error(zeros, ones) == 1
    assert perceptual_error([zeros, ones], [ones, ones]) == 1
    assert adversarial_error(torch.zeros(5)) == pytest.approx(0.6931472)
    assert discriminator_error(torch.full((2,), 50.0), torch.full((2,), -50.0)) < 1e-9


def test_merged_gram_is_the_authors_and_equals_ours_for_one_image():
    maps = torch.randn(2, 3, 4, 5)
    flat = maps.reshape(6, 20)
    assert torch.allclose(gram(maps, merged=True)[0], flat @ flat.T / 120, atol=1e-6)
    assert torch.allclose(gram(maps[:1], merged=True), gram(maps[:1]), atol=1e-7)


def test_pixel_term_may_be_absolute(tiny):
    stage = dataclasses.replace(only(tiny().finetune, "mse"), loss="l1")
    sr, gt = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), -2.0)
    assert generator_terms(sr, gt, stage)["mse"] == 2


@pytest.mark.parametrize("kind", ["imagenet", "none"])
def test_features_see_the_same_images_in_any_range(kind):
    settings = FeatureSettings(width_divisor=16, taps=("pool2",))
    pixels = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    network = build_features(settings, normalisation=kind)
    known = build_features(settings)
    maps = network(normalise(pixels, kind))[0]
    assert torch.allclose(maps, known(normalise(pixels))[0], atol=1e-5)
    assert np.array_equal(
        quantise(normalise(pixels, kind)[0], kind), pixels[0].permute(1, 2, 0)
    )
