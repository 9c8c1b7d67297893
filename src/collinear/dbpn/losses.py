"""The four terms of the generator's loss, and the discriminator's own loss.

Haris et al. 2019: w1 squared error + w2 perceptual + w3 adversarial + w4 style. All
images are normalised ones, so the squared error is about 19.6 times that in 0..1. A
term with weight 0 is not computed at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from collinear.dbpn.config import StageSettings

TERMS = ("mse", "perceptual", "adversarial", "style")


def squared_error(sr: Tensor, gt: Tensor) -> Tensor:
    """Return the mean squared difference of images (n, 3, h, w)."""
    return functional.mse_loss(sr.float(), gt.float())


def absolute_error(sr: Tensor, gt: Tensor) -> Tensor:
    """Return the mean absolute difference of images (n, 3, h, w)."""
    return functional.l1_loss(sr.float(), gt.float())


def perceptual_error(sr: Sequence[Tensor], gt: Sequence[Tensor]) -> Tensor:
    """Return the sum over taps of the mean squared difference of features.

    J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual Losses for Real-Time Style Transfer
    and Super-Resolution", ECCV 2016, eq. 2.
    """
    errors = [squared_error(ours, theirs) for ours, theirs in zip(sr, gt, strict=True)]
    return torch.stack(errors).sum()


def style_error(
    sr: Sequence[Tensor], gt: Sequence[Tensor], merged: bool = False
) -> Tensor:
    """Return the sum over taps of the mean squared difference of Gram matrices."""
    errors = [
        functional.mse_loss(gram(ours, merged), gram(theirs, merged))
        for ours, theirs in zip(sr, gt, strict=True)
    ]
    return torch.stack(errors).sum()


def gram(features: Tensor, merged: bool = False) -> Tensor:
    """Return the Gram matrix of each image, (n, c, c), divided by c h w.

    Johnson et al. 2016, eq. 3.

    Args:
        features: Maps (n, c, h, w).
        merged: Return one matrix (1, n c, n c) of the minibatch, divided by n c h w, as
            the authors' program does. It correlates unrelated images, and its level
            depends on their number; for one image it is the same.
    """
    if merged:
        features = features.flatten(0, 1)[None]
    n, c, h, w = features.shape
    flat = features.float().reshape(n, c, h * w)
    # Sums over many positions: in single precision also where networks run in bf16.
    with torch.autocast(features.device.type, enabled=False):
        return flat @ flat.transpose(1, 2) / (c * h * w)


def adversarial_error(logits: Tensor) -> Tensor:
    """Return the cross entropy of calling super-resolved images originals."""
    logits = logits.float()
    return functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def discriminator_error(logits_gt: Tensor, logits_sr: Tensor) -> Tensor:
    """Return the cross entropy of the discriminator over both kinds of images."""
    logits_gt, logits_sr = logits_gt.float(), logits_sr.float()
    real = functional.binary_cross_entropy_with_logits(
        logits_gt, torch.ones_like(logits_gt)
    )
    fake = functional.binary_cross_entropy_with_logits(
        logits_sr, torch.zeros_like(logits_sr)
    )
    return real + fake


def generator_terms(
    sr: Tensor,
    gt: Tensor,
    stage: StageSettings,
    *,
    features: nn.Module | None = None,
    discriminator: nn.Module | None = None,
) -> dict[str, Tensor]:
    """Return the unweighted terms whose weight is not 0.

    Args:
        sr: Super-resolved images (n, 3, h, w), with gradient.
        gt: Originals, the same shape.
        stage: The weights.
        features: Feature network; needed for the perceptual and the style term.
        discriminator: Needed for the adversarial term; its parameters should be
            frozen meanwhile.

    Returns:
        Scalars by name, out of `TERMS`; "mse" is the pixel term, squared or absolute.
    """
    terms = {}
    if stage.w_mse > 0:
        pixels = absolute_error if stage.loss == "l1" else squared_error
        terms["mse"] = pixels(sr, gt)
    if stage.uses_features:
        assert features is not None
        ours = features(sr)
        with torch.no_grad():
            theirs = features(gt)
        if stage.w_perceptual > 0:
            terms["perceptual"] = perceptual_error(ours, theirs)
        if stage.w_style > 0:
            terms["style"] = style_error(ours, theirs, merged=stage.gram == "minibatch")
    if stage.w_adversarial > 0:
        assert discriminator is not None
        terms["adversarial"] = adversarial_error(discriminator(sr))
    return terms


def weighted_sum(terms: dict[str, Tensor], stage: StageSettings) -> Tensor:
    """Return the generator's loss."""
    weighted = [getattr(stage, f"w_{name}") * term for name, term in terms.items()]
    return torch.stack(weighted).sum()
