"""The benchmark of minibatch sizes: real formats, published shapes, its own figures."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

FOLDER = Path(__file__).parents[3] / "benchmarks" / "minibatch"
NAMES = ("loaders", "networks", "patterns", "report", "run", "simulated", "timeline")


@pytest.fixture
def bench(monkeypatch):
    """The benchmark's modules by name."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    yield {name: importlib.import_module(name) for name in NAMES}
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def kinds(network):
    return [type(layer) for layer in network.modules()]


def test_vgg16_has_13_5_2_1_layers(bench):
    found = kinds(bench["networks"].vgg16(100, 32, 16))
    assert found.count(nn.Conv2d) == 13
    assert found.count(nn.MaxPool2d) == 5
    assert found.count(nn.Linear) == 2
    assert found.count(nn.BatchNorm1d) == 1


def test_networks_have_the_published_sizes(bench):
    """25,557,032 weights of ResNet50 and 14,714,688 of VGG16's convolutions."""
    with torch.device("meta"):
        resnet = bench["networks"].resnet50(1000)
        vgg = bench["networks"].vgg16(1000, 224)
    assert sum(p.numel() for p in resnet.parameters()) == 25_557_032
    convolutions = [layer for layer in vgg if isinstance(layer, nn.Conv2d)]
    assert sum(p.numel() for c in convolutions for p in c.parameters()) == 14_714_688


def test_cifar_is_read_record_by_record(bench, tmp_path):
    images = np.arange(2 * 3072, dtype=np.int64).astype(np.uint8).reshape(2, 3072)
    labels = np.array([[3, 77], [5, 12]], np.uint8)
    np.concatenate([labels, images], 1).tofile(tmp_path / "train.bin")
    found = bench["loaders"].Cifar100(tmp_path)
    assert len(found) == 2
    image, label = found[1]
    assert label == 12, "the fine label is the second byte"
    assert np.array_equal(image.reshape(-1), images[1])
    (tmp_path / "train.bin").write_bytes(b"123")
    with pytest.raises(SystemExit, match="records of 3074 bytes"):
        bench["loaders"].Cifar100(tmp_path)


def test_imagenet_takes_colour_images_and_their_centre(bench, tmp_path):
    loaders = bench["loaders"]
    loaders.write_imagenet_like(tmp_path, 6)
    found = loaders.ImageNet(tmp_path)
    assert (len(found), found.classes, found.left_out) == (6, 3, 2)
    image, label = found[0]
    assert image.shape == (3, 224, 224)
    assert 0 <= label < 3
    from PIL import Image

    path = found._files[0][0]
    with Image.open(path) as whole:
        centre = np.asarray(whole)[75:299, 138:362]
    assert np.array_equal(image.transpose(1, 2, 0), centre)


def test_a_loader_knows_its_position(bench, tmp_path):
    loaders = bench["loaders"]
    loaders.write_cifar_like(tmp_path, 10)
    loader = loaders.SerialLoader(loaders.Cifar100(tmp_path), torch.device("cpu"))
    loader.next(7)
    state = loader.state_dict()
    first = loader.next(7)
    loader.load_state_dict(state)
    assert torch.equal(loader.next(7)[0], first[0])
    epoch = loaders.SerialLoader(loader.images, torch.device("cpu")).next(10)[1]
    all_labels = sorted(loader.images[i][1] for i in range(10))
    assert sorted(epoch.tolist()) == all_labels


def test_waiting_is_loading_while_the_device_is_idle(bench):
    share = bench["timeline"].waiting_share
    assert share([(0, 2), (5, 7)], [(2, 5), (7, 10)], 10) == pytest.approx(0.4)
    assert share([(0, 4)], [(1, 3)], 4) == pytest.approx(0.5)
    assert share([(0, 2)], [(0, 9)], 9) == 0


def test_one_pattern_end_to_end(bench, tmp_path, monkeypatch):
    bench["loaders"].write_cifar_like(tmp_path / "data", 64)
    arguments = ["run.py", "--pattern", "1", "--data", str(tmp_path / "data")]
    arguments += ["--out", str(tmp_path), "--divisor", "32", "--updates", "1"]
    arguments += ["--largest", "36", "--sweep", "20", "--timeline", "4"]
    monkeypatch.setattr(sys, "argv", arguments)
    bench["run"].main()
    record = json.loads((tmp_path / "pattern1.json").read_text())
    assert set(record["rules"][0]) == {"EpochTimeMinimize", "Doubling"}
    assert 0 <= record["timeline"]["waits for data"] <= 1
    assert len(record["timeline"]["loading"]) == 10
    monkeypatch.setattr(sys, "argv", ["report.py", str(tmp_path)])
    bench["report"].main()
    text = (tmp_path / "tables.md").read_text()
    assert "| CIFAR-100, VGG16 |  |  |  |  |  |" in text, "no counter: empty"
    assert all((tmp_path / f"pattern-{n}.png").stat().st_size for n in ("sweep",))


def test_simulated_devices_meet_table_6(bench):
    """Their coefficients are those that give the document's improvements."""
    devices, expected = bench["simulated"].DEVICES, {1: 0.7340, 2: 0.6031}
    sizes = {1: (32, 196), 2: (32, 196), 3: (8, 72), 4: (32, 96)}
    expected |= {3: 0.1350, 4: 0.0848}
    for number, (start, end) in sizes.items():
        device = devices[number]
        gain = 1 - device.step(end) / end / (device.step(start) / start)
        assert gain == pytest.approx(expected[number], abs=0.003)


def test_utilisation_of_a_simulated_device(bench):
    device = bench["simulated"].Device(host=40, fixed=0, per_item=1, load=0)
    assert device.usage(10, 0.0) == pytest.approx(25)
    assert device.usage(80, 13.0) == pytest.approx(100)
    loading = bench["simulated"].Device(host=0, fixed=0, per_item=10, load=10)
    readings = [loading.usage(100, at) for at in (0, 900, 1500)]
    assert readings == [pytest.approx(100), pytest.approx(60), pytest.approx(0)]
