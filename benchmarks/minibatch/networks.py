"""The two networks of document 003, from their published shapes.

VGG16 as the document counts it: 13 convolutions, 5 pools, 2 dense layers and 1 batch
normalisation (K. Simonyan, A. Zisserman, ICLR 2015, configuration D, with a smaller
head, as in the example script of its framework). ResNet50: K. He et al., CVPR 2016,
table 1. A divisor makes every width smaller, for a CPU.
"""

from __future__ import annotations

from torch import Tensor, nn

_VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
_RESNET50 = ((3, 64), (4, 128), (6, 256), (3, 512))
_HEAD = 512
_EXPANSION = 4


def vgg16(classes: int, side: int, divisor: int = 1) -> nn.Sequential:
    """Return VGG16 for images (n, 3, side, side), side a multiple of 32."""
    layers: list[nn.Module] = []
    inputs = 3
    for count, width in _VGG16:
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width // divisor, 3, padding=1), nn.ReLU()]
            inputs = width // divisor
        layers.append(nn.MaxPool2d(2))
    head = _HEAD // divisor
    layers += [nn.Flatten(), nn.Linear(inputs * (side // 32) ** 2, head)]
    layers += [nn.BatchNorm1d(head), nn.ReLU(), nn.Linear(head, classes)]
    return nn.Sequential(*layers)


def resnet50(classes: int, divisor: int = 1) -> nn.Sequential:
    """Return ResNet50 for images (n, 3, h, w)."""
    inputs = 64 // divisor
    layers: list[nn.Module] = [
        nn.Conv2d(3, inputs, 7, 2, 3, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    for stage, (count, width) in enumerate(_RESNET50):
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            layers.append(Bottleneck(inputs, width // divisor, stride))
            inputs = _EXPANSION * (width // divisor)
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)]
    return nn.Sequential(*layers)


class Bottleneck(nn.Module):
    """Three convolutions whose result is added to their input."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = _EXPANSION * width
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        self.skip = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs),
            )
        )
        self.last = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Return (n, 4 width, h / stride, w / stride)."""
        return self.last(self.body(maps) + self.skip(maps))
