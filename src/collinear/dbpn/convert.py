"""Weights from one file format to another, and from and to the authors' names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from collinear.dbpn.files import digest_of_file, make_folder, write_atomically
from collinear.dbpn.reference import (
    UnknownNetworkError,
    own_state,
    recognise,
    reference_state,
)
from collinear.dbpn.section import ConfigError
from collinear.dbpn.weights import (
    SAFETENSORS,
    Weights,
    WeightsError,
    load_tensors,
    load_weights,
    save_weights,
)

REFERENCE_SUFFIX = ".reference.pth"
_SUFFIXES = (".pt", SAFETENSORS, REFERENCE_SUFFIX)


def run_convert(
    source: Path, out: Path, *, residual: bool | None, normalisation: str | None
) -> None:
    """Rewrite weights: ours or the authors' names, a file of torch or safetensors.

    Args:
        source: Our weights, or a file of the authors' public program.
        out: Ends in `.safetensors` for that format, in `.reference.pth` for the
            authors' names, or in `.pt` for a file of ours.
        residual: Whether a network of the authors adds to the bicubic image.
        normalisation: Range of its images, "none" (their main program) or "imagenet"
            (their adversarial program).

    Raises:
        ConfigError: The name ends otherwise, or an option is missing, or given where
            the file itself says it.
        WeightsError: The file cannot be used.
    """
    if not out.name.endswith(_SUFFIXES):
        raise ConfigError(
            f"--out must end in one of {', '.join(_SUFFIXES)}, which says the format, "
            f"but got {out.name!r}"
        )
    weights = _any_weights(source, residual, normalisation)
    weights.build()
    make_folder(out.parent)
    if out.name.endswith(REFERENCE_SUFFIX):
        theirs = reference_state(weights.generator)
        write_atomically(out, lambda file: torch.save(theirs, file))
    else:
        save_weights(out, weights)


def _any_weights(
    source: Path, residual: bool | None, normalisation: str | None
) -> Weights:
    content = None if source.suffix == SAFETENSORS else load_tensors(source)
    if content is None or (isinstance(content, Mapping) and "format" in content):
        if residual is not None or normalisation is not None:
            raise ConfigError(
                "--residual and --normalisation are for files of the authors' program; "
                f"{source} tells both itself"
            )
        return load_weights(source)
    if residual is None or normalisation is None:
        raise ConfigError(
            f"--residual and --normalisation are needed: {source} has the authors' "
            "names, which do not tell them (main.py: yes and none; main_gan.py: no and "
            "imagenet)"
        )
    try:
        scale, shape = recognise(
            content, residual=residual, normalisation=normalisation
        )
    except (UnknownNetworkError, AttributeError, TypeError) as error:
        raise WeightsError(
            f"{source}: is not a D-DBPN of its authors: {error}"
        ) from error
    metadata = {"source": source.name, "sha256": digest_of_file(source)}
    return Weights(scale, shape, own_state(content), metadata)
