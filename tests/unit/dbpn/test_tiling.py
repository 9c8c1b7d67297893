"""Tiles equal the whole image, see exactly as far as the network, and bound memory."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from collinear.dbpn.__main__ import EXIT_BAD_INPUT, main
from collinear.dbpn.config import ModelSettings
from collinear.dbpn.infer import Tiling, TilingError, bytes_a_pixel, enlarge, upscale
from collinear.dbpn.model import DBPN
from collinear.dbpn.receptive import receptive_radius
from collinear.dbpn.weights import Weights, save_weights
from collinear.quality.images import read_image, write_png

NETWORKS = [
    (2, ModelSettings("dense", 2, 2, 3, residual=False)),
    (4, ModelSettings("dense", 3, 2, 3, residual=True)),
    (4, ModelSettings("dense", 7, 2, 3, residual=False)),
    (8, ModelSettings("dense", 2, 2, 3, residual=False)),
    (4, ModelSettings("iterative", 2, 2, 3, residual=False, chain=3)),
]


def network_of(scale, settings, seed=0):
    torch.manual_seed(seed)
    network = DBPN(scale, settings).eval().requires_grad_(False)
    torch.nn.init.normal_(network.output.weight, std=0.1)
    image = torch.randn(1, 3, 9, 9)
    base = network.bicubic(image) if network.bicubic is not None else 0
    network.output.weight /= (network(image) - base).std()  # the level of images
    return network


def noise(height, width):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(("scale", "settings"), NETWORKS)
def test_the_radius_is_what_gradients_reach(scale, settings):
    radius = receptive_radius(scale, settings)
    network = DBPN(scale, settings).double()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 1)
    image = torch.rand(1, 3, 3, 2 * radius + 5, dtype=torch.double, requires_grad=True)
    centre = radius + 2
    large = network(image)[0, :, scale, scale * centre : scale * (centre + 1)]
    gradient = torch.autograd.grad(large.sum(), image)[0]
    seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
    assert (int(seen[0]), int(seen[-1])) == (centre - radius, centre + radius)


@pytest.mark.parametrize(("scale", "settings"), NETWORKS)
def test_tiles_equal_the_whole_image(scale, settings):
    network = network_of(scale, settings)
    image = noise(41, 58)
    whole = enlarge(network, image, Tiling(tile=100))
    tiles = enlarge(network, image, Tiling(tile=15))
    assert float((tiles - whole).abs().max()) <= 1e-5 * max(1, float(whole.abs().max()))
    assert float(whole.std()) > 0.1


def test_one_pixel_less_of_overlap_is_refused_and_would_show():
    scale, settings = NETWORKS[0]
    network = network_of(scale, settings)
    radius = receptive_radius(scale, settings)
    with pytest.raises(TilingError, match=f"overlap must be at least {radius}.*got"):
        upscale(network, noise(20, 20), scale, tile=9, overlap=radius - 1)
    with pytest.raises(TilingError, match="tile must be at least 1"):
        upscale(network, noise(20, 20), scale, tile=0)


def test_inference_keeps_the_values_of_training():
    """The pass without gradients writes its maps into one block instead of copies."""
    for scale, settings in NETWORKS:
        network = network_of(scale, settings)
        image = torch.rand(2, 3, 6, 5)
        with torch.no_grad():
            lean = network(image)
        assert torch.allclose(lean, network(image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.rot90])
def test_the_ensemble_turns_with_the_image(turn):
    scale, settings = NETWORKS[1]
    network = network_of(scale, settings)
    image = noise(13, 17)
    plain, ensemble = (
        upscale(network, image, scale, ensemble=flag).astype(int) for flag in (0, 1)
    )
    turned = upscale(network, np.ascontiguousarray(turn(image)), scale, ensemble=True)
    assert np.abs(turned - turn(ensemble)).max() <= 1
    assert np.abs(plain - ensemble).max() > 1


def test_memory_that_is_too_small_is_refused_with_the_least():
    network = network_of(*NETWORKS[2])
    with pytest.raises(TilingError, match=r"memory_gb must be at least 0\.0"):
        upscale(network, noise(9, 9), 4, memory_gb=1e-6)
    for none in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(TilingError, match=r"memory_gb must be above 0, but got"):
            upscale(network, noise(9, 9), 4, memory_gb=none)


MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from collinear.dbpn.config import ModelSettings
from collinear.dbpn.infer import upscale
from collinear.dbpn.model import DBPN
torch.set_num_threads(1)
resource.setrlimit(resource.RLIMIT_DATA, (2 * 10**9, 2 * 10**9))
network = DBPN(4, ModelSettings(stages=2, base=8, feat=16)).eval()
image = np.random.default_rng(0).integers(0, 256, (339, 510, 3), np.uint8)
large = upscale(network, image, 4, memory_gb=float(sys.argv[1]))
assert large.shape == (1356, 2040, 3)
# Not getrusage, whose peak includes that of the process which started this one.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


def test_a_photograph_of_div2k_needs_less_than_two_gigabytes():
    """Its maps at once would take 1.1 GB; the limit is set by the system."""
    peaks = []
    for memory in ("0.2", "1"):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, memory], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    assert peaks[0] < peaks[1] < 2e9
    assert peaks[1] - peaks[0] < 0.9e9


def test_estimated_memory_grows_with_the_network():
    small, large = (network_of(*NETWORKS[i]) for i in (1, 2))
    assert bytes_a_pixel(small) < bytes_a_pixel(large)


@pytest.fixture
def weights(tmp_path):
    scale, settings = NETWORKS[0]
    state = network_of(scale, settings).state_dict()
    save_weights(tmp_path / "w.safetensors", Weights(scale, settings, state, {}))
    return str(tmp_path / "w.safetensors")


def test_folders_are_enlarged_image_by_image(weights, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        write_png(tmp_path / "in" / f"{name}.png", noise(7, 5))
    arguments = ["--init", weights, "--image", str(tmp_path / "in")]
    out = tmp_path / "out"
    assert main(["upscale", *arguments, "--out", str(out), "--ensemble"]) == 0
    assert {path.name for path in out.iterdir()} == {"a.png", "b.png"}
    assert read_image(out / "a.png").shape == (14, 10, 3)


def test_bad_tiles_are_told_in_one_line(weights, tmp_path, capsys):
    write_png(tmp_path / "a.png", noise(7, 5))
    arguments = ["--init", weights, "--image", str(tmp_path / "a.png")]
    out = ["--out", str(tmp_path / "b.png"), "--overlap", "3"]
    assert main(["upscale", *arguments, *out]) == EXIT_BAD_INPUT
    assert "error: overlap must be at least 11" in capsys.readouterr().err
