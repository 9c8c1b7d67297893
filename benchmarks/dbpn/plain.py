"""The structure of the authors' public program, written plainly for comparison.

Networks with the authors' parameter names, and their adversarial update: the generator
runs twice, the discriminator's loss goes back through the generator, the feature
network and the discriminator collect gradients that nobody uses, and Adam loops over
its tensors. What cannot run or has no effect in the public program is repaired as it
was meant: all layers of VGG19 run, the features of the result have a gradient, and the
discriminator's output has the shape of its labels (docs/training.md lists them all).

Written from a description of the program, so it is checked against its published
parameter counts and forward values (tests/unit/dbpn/test_plain.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

GEOMETRY = {2: (6, 2, 2), 4: (8, 4, 2), 8: (12, 8, 2)}
TAPS = (9, 18, 27, 36)
VGG_WIDTHS = (64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, *[512] * 4, 0)


class Convolution(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1, padding=0, active=True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding)
        self.act = nn.PReLU() if active else nn.Identity()

    def forward(self, x):
        return self.act(self.conv(x))


class Deconvolution(nn.Module):
    def __init__(self, channels, geometry):
        super().__init__()
        self.deconv = nn.ConvTranspose2d(channels, channels, *geometry)
        self.act = nn.PReLU()

    def forward(self, x):
        return self.act(self.deconv(x))


class Up(nn.Module):
    def __init__(self, channels, geometry, groups):
        super().__init__()
        if groups > 1:
            self.conv = Convolution(groups * channels, channels, 1)
        self.up_conv1 = Deconvolution(channels, geometry)
        self.up_conv2 = Convolution(channels, channels, *geometry)
        self.up_conv3 = Deconvolution(channels, geometry)

    def forward(self, x):
        x = self.conv(x) if hasattr(self, "conv") else x
        h0 = self.up_conv1(x)
        l0 = self.up_conv2(h0)
        h1 = self.up_conv3(l0 - x)
        return h1 + h0


class Down(nn.Module):
    def __init__(self, channels, geometry, groups):
        super().__init__()
        if groups > 1:
            self.conv = Convolution(groups * channels, channels, 1)
        self.down_conv1 = Convolution(channels, channels, *geometry)
        self.down_conv2 = Deconvolution(channels, geometry)
        self.down_conv3 = Convolution(channels, channels, *geometry)

    def forward(self, x):
        x = self.conv(x) if hasattr(self, "conv") else x
        l0 = self.down_conv1(x)
        h0 = self.down_conv2(l0)
        l1 = self.down_conv3(h0 - x)
        return l1 + l0


class PlainDBPN(nn.Module):
    """The authors' network with T up-units; `passes` above 0: the iterative variant."""

    def __init__(self, scale=4, stages=7, base=64, feat=256, passes=0):
        super().__init__()
        geometry = GEOMETRY[scale]
        self.stages, self.passes = stages, passes
        self.feat0 = Convolution(3, feat, 3, 1, 1)
        self.feat1 = Convolution(feat, base, 1)
        for i in range(1, stages + 1):
            setattr(self, f"up{i}", Up(base, geometry, i - 1))
        for i in range(1, stages):
            setattr(self, f"down{i}", Down(base, geometry, i))
        outputs = (passes or stages) * base
        self.output_conv = Convolution(outputs, 3, 3, 1, 1, active=False)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = self.feat1(self.feat0(x))
        if not self.passes:
            return self.output_conv(self.chain(x)[0])
        results = []
        for _ in range(self.passes):
            _, x, h = self.chain(x)
            results.append(h)
        return self.output_conv(torch.cat(results, 1))

    def chain(self, x):
        h = self.up1(x)
        concat_h, concat_l = h, None
        for i in range(2, self.stages + 1):
            low = getattr(self, f"down{i - 1}")(concat_h)
            concat_l = low if concat_l is None else torch.cat((low, concat_l), 1)
            h = getattr(self, f"up{i}")(concat_l)
            concat_h = torch.cat((h, concat_h), 1)
        return concat_h, low, h


class PlainDiscriminator(nn.Module):
    def __init__(self, size, base=64):
        super().__init__()
        layers = [nn.Conv2d(3, base, 3, 1, 1), nn.LeakyReLU(0.2)]
        inputs = base
        widths = ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2))
        for factor, stride in widths:
            layers.append(nn.Conv2d(inputs, factor * base, 3, stride, 1))
            layers += [nn.BatchNorm2d(factor * base), nn.LeakyReLU(0.2)]
            inputs = factor * base
        self.layers = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Linear(8 * base * (size // 16) ** 2, 16 * base),
            nn.LeakyReLU(0.2),
            nn.Linear(16 * base, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.dense(self.layers(x).flatten(1))


class PlainFeatures(nn.Module):
    """All layers of VGG19 up to the deepest tap, random weights, gradients and all."""

    def __init__(self, divisor=1, taps=TAPS):
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in VGG_WIDTHS:
            if width:
                layers += [nn.Conv2d(inputs, width // divisor, 3, 1, 1), nn.ReLU()]
                inputs = width // divisor
                nn.init.kaiming_normal_(layers[-2].weight)
            else:
                layers.append(nn.MaxPool2d(2, 2))
        self.layers, self.taps = nn.Sequential(*layers), taps

    def forward(self, x):
        found = []
        for index, layer in enumerate(self.layers[: self.taps[-1] + 1]):
            x = layer(x)
            if index in self.taps:
                found.append(x)
        return found


class PlainTraining:
    """Networks and optimisers of the authors' adversarial update."""

    def __init__(self, generator, discriminator, features, weights, rate=1e-4):
        self.generator, self.discriminator = generator, discriminator
        self.features, self.weights = features, weights
        adam = {"lr": rate, "foreach": False, "fused": False}
        self.adam_g = torch.optim.Adam(generator.parameters(), **adam)
        self.adam_d = torch.optim.Adam(discriminator.parameters(), **adam)
        self.mse, self.bce = nn.MSELoss(), nn.BCELoss()

    def update(self, lq: Tensor, gt: Tensor) -> None:
        real = torch.ones(lq.shape[0], 1, device=lq.device)
        fake = torch.zeros(lq.shape[0], 1, device=lq.device)
        self.adam_d.zero_grad()
        loss_real = self.bce(self.discriminator(gt), real)
        loss_fake = self.bce(self.discriminator(self.generator(lq)), fake)
        (loss_real + loss_fake).backward()
        self.adam_d.step()

        self.adam_g.zero_grad()
        sr = self.generator(lq)
        w_mse, w_perceptual, w_adversarial, w_style = self.weights
        loss = w_mse * self.mse(sr, gt)
        loss = loss + w_adversarial * self.bce(self.discriminator(sr), real)
        for ours, theirs in zip(self.features(sr), self.features(gt), strict=True):
            loss = loss + w_perceptual * self.mse(ours, theirs)
            loss = loss + w_style * self.mse(gram(ours), gram(theirs).detach())
        loss.backward()
        self.adam_g.step()


def gram(maps):
    b, c, h, w = maps.shape
    flat = maps.view(b * c, h * w)
    return flat @ flat.t() / (b * c * h * w)
