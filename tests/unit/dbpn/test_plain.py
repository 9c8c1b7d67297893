"""The generator against a second, plain one, and weights under the authors' names."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch

from collinear.dbpn.__main__ import EXIT_BAD_INPUT, main
from collinear.dbpn.config import ModelSettings
from collinear.dbpn.model import DBPN, count_parameters
from collinear.dbpn.reference import (
    UnknownNetworkError,
    own_state,
    recognise,
    reference_state,
)
from collinear.dbpn.weights import load_weights

ROOT = Path(__file__).parents[3]
SHAPES = json.loads((ROOT / "tests/golden/dbpn/state_dict_shapes.json").read_text())
SHAPES.pop("provenance")
PlainDBPN = runpy.run_path(str(ROOT / "benchmarks/dbpn/plain.py"))["PlainDBPN"]
SHAPES_OF_NETWORKS = {
    "dbpns_T2_x4": (4, 2, 0),
    "dbpn_T7_x4": (4, 7, 0),
    "dbpn_iterative_T3_x4": (4, 7, 3),
}


@pytest.mark.parametrize("tag", SHAPES_OF_NETWORKS)
def test_plain_network_has_the_authors_names_and_shapes(tag):
    scale, stages, passes = SHAPES_OF_NETWORKS[tag]
    with torch.device("meta"):
        state = PlainDBPN(scale, stages, passes=passes).state_dict()
    assert {name: list(value.shape) for name, value in state.items()} == SHAPES[tag]


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize(
    ("stages", "passes"), [(2, 0), (3, 0), (6, 0), (10, 0), (4, 3)]
)
def test_forward_values_equal_the_plain_network(scale, stages, passes):
    torch.manual_seed(stages)
    plain = PlainDBPN(scale, stages, 6, 10, passes)
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    tensors = {f"module.{name}": v for name, v in plain.state_dict().items()}
    found_scale, settings = recognise(tensors, residual=False, normalisation="none")
    expected = ("iterative", passes, stages) if passes else ("dense", stages, 7)
    assert (settings.variant, settings.stages, settings.chain) == expected
    assert found_scale == scale
    network = DBPN(scale, settings)
    network.load_state_dict(own_state(tensors))
    image = torch.rand(2, 3, 5, 7)
    with torch.no_grad():
        ours, theirs = network(image), plain(image)
    assert ours.shape == (2, 3, 5 * scale, 7 * scale)
    assert torch.allclose(
        ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max())
    )


@pytest.mark.parametrize("tag", SHAPES)
def test_names_go_out_and_come_back(tag):
    theirs = {
        f"module.{name}": torch.zeros(s, device="meta")
        for name, s in SHAPES[tag].items()
    }
    back = reference_state(own_state(theirs))
    assert {name: tuple(v.shape) for name, v in back.items()} == {
        name: tuple(v.shape) for name, v in theirs.items()
    }


def test_initial_weights_are_drawn_as_the_authors_do():
    torch.manual_seed(0)
    plain = PlainDBPN(4, 2, 32, 64)
    network = DBPN(4, ModelSettings(stages=2, base=32, feat=64, residual=False))
    theirs = own_state(plain.state_dict())
    for name, value in network.state_dict().items():
        if value.numel() > 500:
            assert float(value.std() / theirs[name].std()) == pytest.approx(1, abs=0.15)
        elif name.endswith("act.weight"):
            assert value == 0.25
        elif name.endswith("bias"):
            assert not value.any()
    assert count_parameters(plain) == count_parameters(network)


@pytest.mark.parametrize("spoil", ["wide.conv.weight", "output.weight"])
def test_tensors_of_another_network_are_refused(spoil):
    tensors = {
        n: torch.zeros(s, device="meta") for n, s in SHAPES["dbpns_T2_x4"].items()
    }
    own = own_state(tensors)
    del own[spoil]
    with pytest.raises(UnknownNetworkError, match=spoil):
        recognise(reference_state(own), residual=False, normalisation="none")


@pytest.fixture
def published(tmp_path):
    """A small file as the authors' program writes it."""
    torch.manual_seed(3)
    state = PlainDBPN(2, 3, 4, 8).state_dict()
    path = tmp_path / "DBPN_x2.pth"
    torch.save({f"module.{name}": value for name, value in state.items()}, path)
    return path


def convert(source, out, *more):
    return main(["convert", "--weights", str(source), "--out", str(out), *more])


def test_published_weights_come_in_and_go_out(published, tmp_path):
    options = ["--residual", "yes", "--normalisation", "none"]
    assert convert(published, tmp_path / "own.pt", *options) == 0
    weights = load_weights(tmp_path / "own.pt")
    assert (weights.scale, weights.model.residual) == (2, True)
    assert weights.model.normalisation == "none"
    assert convert(tmp_path / "own.pt", tmp_path / "own.safetensors") == 0
    assert convert(tmp_path / "own.safetensors", tmp_path / "x.reference.pth") == 0
    before, after = (
        torch.load(path, weights_only=True)
        for path in (published, tmp_path / "x.reference.pth")
    )
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--residual and --normalisation are needed"),
        (["--residual", "no"], "--residual and --normalisation are needed"),
    ],
)
def test_what_names_do_not_tell_must_be_said(
    published, tmp_path, capsys, options, message
):
    assert convert(published, tmp_path / "own.pt", *options) == EXIT_BAD_INPUT
    assert message in capsys.readouterr().err


def test_other_tensors_are_no_weights(tmp_path, capsys):
    torch.save({"a": torch.zeros(2)}, tmp_path / "x.pth")
    options = ["--residual", "no", "--normalisation", "none"]
    assert convert(tmp_path / "x.pth", tmp_path / "y.pt", *options) == EXIT_BAD_INPUT
    assert "is not a D-DBPN of its authors" in capsys.readouterr().err


def test_truncated_safetensors_are_refused(published, tmp_path, capsys):
    options = ["--residual", "no", "--normalisation", "none"]
    whole = tmp_path / "w.safetensors"
    assert convert(published, whole, *options) == 0
    content = whole.read_bytes()
    for length in (0, 7, 100, len(content) - 4):
        whole.write_bytes(content[:length])
        assert convert(whole, tmp_path / "y.pt") == EXIT_BAD_INPUT
        assert "w.safetensors: is not a file of weights" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["q.txt", "w.pth", "w.safetensor"])
def test_a_name_that_says_no_format_is_refused(published, tmp_path, capsys, name):
    options = ["--residual", "yes", "--normalisation", "none"]
    assert convert(published, tmp_path / name, *options) == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert "--out must end in one of .pt, .safetensors, .reference.pth" in said
    assert f"but got '{name}'" in said
    assert not (tmp_path / name).exists()
