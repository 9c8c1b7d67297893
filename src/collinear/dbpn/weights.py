"""Files of generator weights: tensors, architecture and where they came from."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from collinear.dbpn.config import SCALES, ModelSettings, as_json
from collinear.dbpn.files import write_atomically
from collinear.dbpn.model import DBPN
from collinear.dbpn.safetensors import read_safetensors, write_safetensors

FORMAT = "collinear-dbpn-weights-1"
SAFETENSORS = ".safetensors"


class WeightsError(ValueError):
    """Weights that cannot be used; the message names the file and the rule."""


@dataclass(frozen=True)
class Weights:
    """Weights of a generator.

    Attributes:
        scale: Factor of enlargement.
        model: Shape of the network.
        generator: Tensors by name.
        metadata: Where they came from: stage, seed, digests, versions.
    """

    scale: int
    model: ModelSettings
    generator: dict[str, Tensor]
    metadata: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of names, shapes and values, independent of the file's form."""
        state = hashlib.sha256()
        for name, value in sorted(self.generator.items()):
            state.update(f"{name}:{tuple(value.shape)}:".encode())
            state.update(value.detach().cpu().float().numpy().tobytes())
        return state.hexdigest()

    def build(self) -> DBPN:
        """Return the network with these weights, on the CPU, for inference.

        Raises:
            WeightsError: The tensors are not those of the architecture.
        """
        network = DBPN(self.scale, self.model)
        try:
            network.load_state_dict(self.generator)
        except RuntimeError as error:
            raise WeightsError(
                f"weights do not fit their own record: {error}"
            ) from error
        return network.eval().requires_grad_(False)


def save_weights(path: Path, weights: Weights) -> None:
    """Write weights atomically, as safetensors if the name ends so, or else by torch.

    A file of torch can be loaded with `weights_only=True`.
    """
    record = {
        "format": FORMAT,
        "architecture": architecture(weights.scale, weights.model),
        "metadata": weights.metadata,
    }
    tensors = {name: value.detach().cpu() for name, value in weights.generator.items()}
    if path.suffix == SAFETENSORS:
        texts = {"format": FORMAT}
        texts |= {key: json.dumps(record[key]) for key in ("architecture", "metadata")}
        write_atomically(path, lambda file: write_safetensors(file, tensors, texts))
    else:
        content = record | {"generator": tensors}
        write_atomically(path, lambda file: torch.save(content, file))


def load_weights(path: Path) -> Weights:
    """Read a file of `save_weights`.

    Raises:
        WeightsError: It is missing, damaged, or of another format.
    """
    content = (
        _load_safetensors(path) if path.suffix == SAFETENSORS else load_tensors(path)
    )
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, Mapping) else None
        raise WeightsError(
            f"{path}: weights must have format {FORMAT}, but got {found!r}"
        )
    try:
        return _parsed(content)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path}: is damaged, or of another version ({error!r})"
        ) from error


def _parsed(content: Mapping[str, Any]) -> Weights:
    """Return weights whose parts have the right types; any other content raises."""
    shape = dict(content["architecture"])
    scale = shape.pop("scale")
    if scale not in SCALES:
        raise ValueError(f"scale {scale!r}")
    generator, metadata = content["generator"], content["metadata"]
    if not isinstance(generator, Mapping) or not isinstance(metadata, Mapping):
        raise TypeError("generator and metadata must be mappings")
    if not all(isinstance(value, Tensor) for value in generator.values()):
        raise TypeError("generator must hold tensors")
    return Weights(scale, ModelSettings(**shape), dict(generator), dict(metadata))


def _load_safetensors(path: Path) -> dict[str, Any]:
    try:
        tensors, texts = read_safetensors(path)
        record = {key: json.loads(texts[key]) for key in ("architecture", "metadata")}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: is not a file of weights ({error})") from error
    except KeyError as error:
        raise WeightsError(
            f"{path}: holds tensors without the record of their network ({error}); "
            "it was not written by this program"
        ) from error
    return record | {"format": texts.get("format"), "generator": tensors}


def load_tensors(path: Path) -> Any:
    """Read a file of torch without running code that it may hold.

    Raises:
        WeightsError: It is missing, or not such a file.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except pickle.UnpicklingError as error:
        # torch advises to load it without protection; nobody should.
        raise WeightsError(
            f"{path}: is not a file of weights, or holds more than tensors and plain "
            "values"
        ) from error
    except (OSError, RuntimeError, EOFError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path}: is not a file of weights ({first})") from error


def check_architecture(
    weights: Weights, scale: int, model: ModelSettings, path: Path
) -> None:
    """Check that weights fit a configuration.

    Raises:
        WeightsError: They are of another architecture; both are named.
    """
    ours, theirs = (
        architecture(scale, model),
        architecture(weights.scale, weights.model),
    )
    if ours != theirs:
        raise WeightsError(
            f"{path}: the weights are of architecture {_shown(theirs)}, "
            f"but the settings ask for {_shown(ours)}"
        )


def architecture(scale: int, model: ModelSettings) -> dict[str, Any]:
    """Return what decides the shapes of all tensors, and what they mean."""
    return {"scale": scale, **as_json(model)}


def _shown(shape: Mapping[str, Any]) -> str:
    return "(" + ", ".join(f"{key} {value}" for key, value in shape.items()) + ")"
