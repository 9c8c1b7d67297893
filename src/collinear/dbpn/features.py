"""Feature networks for the perceptual and the style term: VGG19 up to its pools.

K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015, configuration E. The trained weights cannot be shipped, so the
default network has seeded random weights. It is a usable loss (Liu et al., "Generic
Perceptual Loss for Modeling Structured Output Dependencies", CVPR 2021), but it is not
equivalent to trained features (Zhang et al., "The Unreasonable Effectiveness of Deep
Features as a Perceptual Metric", CVPR 2018), so it is called `random_vgg19` everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from collinear.dbpn.config import TAPS, FeatureSettings
from collinear.dbpn.data import builtin_path
from collinear.dbpn.files import digest_of_file
from collinear.dbpn.pixels import as_imagenet, as_tensor, normalise
from collinear.quality.images import read_image

VGG19_PREFIX = "dcbb9e9d"
"""First digits of the SHA-256 of torchvision's vgg19-dcbb9e9d.pth."""

# Convolutions before each pool, and their maps.
_LAYOUT = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
_CALIBRATION = ("astronaut", "coffee", "rocket", "china")
_CALIBRATION_SIDE = 128


class FeatureError(ValueError):
    """Feature weights that cannot be used; the message names the file and the rule."""


class FeatureNetwork(nn.Module):
    """A frozen VGG19 that returns its maps at the taps, each divided by a constant.

    Args:
        layers: The convolutions, activations and pools, numbered as in torchvision.
        taps: Names of the pools to return.
        identity: Name for reports and digests.
        normalisation: Range of the images that it will see.
    """

    tap_rms: Tensor

    def __init__(
        self,
        layers: nn.Sequential,
        taps: tuple[str, ...],
        identity: str,
        normalisation: str = "imagenet",
    ) -> None:
        super().__init__()
        self.layers = layers
        self.taps = taps
        self.identity = identity
        self.normalisation = normalisation
        self.register_buffer("tap_rms", torch.ones(len(taps)))
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps (n, c, h, w) of each tap for images (n, 3, h', w')."""
        found: list[Tensor] = []
        pools = 0
        maps = as_imagenet(image) if self.normalisation == "none" else image
        for layer in self.layers:
            if not isinstance(layer, nn.MaxPool2d):
                maps = layer(maps)
            else:
                maps = _halve(maps)
                pools += 1
                if f"pool{pools}" in self.taps:
                    found.append(maps / self.tap_rms[len(found)])
                if len(found) == len(self.taps):
                    break
        return found

    @torch.no_grad()
    def normalise_taps(self, image: Tensor) -> None:
        """Let each tap have RMS 1 on these images, so weights mean about the same."""
        self.tap_rms.fill_(1)
        levels = [maps.square().mean().sqrt() for maps in self(image)]
        self.tap_rms.copy_(torch.stack(levels))


def build_features(
    settings: FeatureSettings,
    prefix: str = VGG19_PREFIX,
    normalisation: str = "imagenet",
) -> FeatureNetwork:
    """Return the feature network of a configuration, on the CPU.

    Args:
        settings: Kind, file, width, taps.
        prefix: Expected first digits of the file's SHA-256.
        normalisation: Range of the images that it will see.

    Raises:
        FeatureError: The file of trained weights cannot be used.
    """
    layers = feature_layers(settings.width_divisor)
    if settings.kind == "vgg19":
        assert settings.file is not None
        _load_trained(layers, settings.file, prefix)
    else:
        _draw_weights(layers, settings.seed)
    identity = feature_identity(settings)
    network = FeatureNetwork(layers, settings.taps, identity, normalisation)
    if settings.normalize_taps:
        network.normalise_taps(calibration_images(normalisation))
    return network


def feature_identity(settings: FeatureSettings) -> str:
    """Return the name of a feature network, as reports and digests give it.

    >>> feature_identity(FeatureSettings(width_divisor=4, taps=("pool2", "pool3")))
    'random_vgg19(width/4, seed 0, taps pool2-pool3)'
    """
    taps = settings.taps
    numbers = [TAPS.index(tap) for tap in taps]
    consecutive = numbers == list(range(numbers[0], numbers[-1] + 1))
    shown = f"{taps[0]}-{taps[-1]}" if consecutive and len(taps) > 1 else "+".join(taps)
    raw = "" if settings.normalize_taps else ", not normalised"
    if settings.kind == "vgg19":
        return f"vgg19(taps {shown}{raw})"
    width = f"width/{settings.width_divisor}"
    return f"random_vgg19({width}, seed {settings.seed}, taps {shown}{raw})"


def calibration_images(normalisation: str = "imagenet") -> Tensor:
    """Return the fixed minibatch that the taps are normalised on: (4, 3, 128, 128)."""
    crops = []
    for name in _CALIBRATION:
        image = read_image(builtin_path(name))
        top, left = ((side - _CALIBRATION_SIDE) // 2 for side in image.shape[:2])
        crop = image[top:, left:][:_CALIBRATION_SIDE, :_CALIBRATION_SIDE]
        crops.append(as_tensor(crop))
    return normalise(torch.stack(crops), normalisation)


def _halve(maps: Tensor) -> Tensor:
    """Return the largest of each 2 x 2 pixels."""
    if maps.is_cuda:
        # The gradient of torch's pooling may be summed in any order on a GPU.
        n, c, h, w = maps.shape
        whole = maps[:, :, : h // 2 * 2, : w // 2 * 2]
        return whole.reshape(n, c, h // 2, 2, w // 2, 2).amax((3, 5))
    return functional.max_pool2d(maps, 2)


def feature_layers(width_divisor: int) -> nn.Sequential:
    """Return VGG19 up to its last pool, widths divided, weights as torch draws them."""
    layers: list[nn.Module] = []
    inputs = 3
    for count, width in _LAYOUT:
        outputs = width // width_divisor
        for _ in range(count):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _draw_weights(layers: nn.Sequential, seed: int) -> None:
    """Fill with He's fan-in initialisation, which keeps the level through the depth."""
    generator = torch.Generator().manual_seed(seed)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


def _load_trained(layers: nn.Sequential, file: Path, prefix: str) -> None:
    """Load the `features.*` tensors of torchvision's file, after its digest fits."""
    check_feature_file(file, prefix)
    state = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(state, Mapping):
        raise FeatureError(f"features.file: {file} does not hold tensors by name")
    wanted = {
        name.removeprefix("features."): value
        for name, value in state.items()
        if name.startswith("features.")
    }
    try:
        layers.load_state_dict(wanted)
    except RuntimeError as error:
        raise FeatureError(f"features.file: {file} is not a VGG19 ({error})") from error


def check_feature_file(file: Path, prefix: str = VGG19_PREFIX) -> None:
    """Check that the file of trained weights is the known one.

    Raises:
        FeatureError: It is missing, or its SHA-256 begins otherwise.
    """
    try:
        found = digest_of_file(file)
    except OSError as error:
        raise FeatureError(
            f"features.file: {file} cannot be read ({error.strerror})"
        ) from error
    if not found.startswith(prefix):
        raise FeatureError(
            f"features.file: the SHA-256 of {file} must begin with {prefix}, "
            f"but begins with {found[: len(prefix)]}; it is damaged or another file"
        )
