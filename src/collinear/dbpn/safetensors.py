"""The safetensors format: float tensors and a table of texts, nothing that could run.

Eight bytes with the length of a JSON header, the header, the bytes of all tensors
(as the package safetensors writes and reads it, version 0.8). It is short enough to be
written here, so no package is needed.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

_METADATA = "__metadata__"
_ALIGNMENT = 8
_LARGEST_HEADER = 100_000_000


def write_safetensors(
    file: BinaryIO, tensors: Mapping[str, Tensor], texts: Mapping[str, str]
) -> None:
    """Write float tensors (as float32) and texts.

    Args:
        file: Open for writing.
        tensors: Tensors by name, on the CPU.
        texts: The metadata.
    """
    header: dict[str, Any] = {_METADATA: dict(texts)}
    arrays = {name: value.float().numpy() for name, value in tensors.items()}
    at = 0
    for name, array in arrays.items():
        offsets = [at, at + array.nbytes]
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": offsets}
        at = offsets[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    file.write(struct.pack("<Q", len(text)))
    file.write(text)
    for array in arrays.values():
        file.write(np.ascontiguousarray(array, dtype="<f4").tobytes())


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the float32 tensors and the texts of a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, or has another type of numbers.
    """
    content = path.read_bytes()
    length = (
        struct.unpack("<Q", content[:8])[0] if len(content) >= 8 else _LARGEST_HEADER
    )
    if length >= _LARGEST_HEADER or 8 + length > len(content):
        raise ValueError("the header is not that of a safetensors file")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("the header is not that of a safetensors file")
    texts = header.pop(_METADATA, {})
    data = memoryview(content)[8 + length :]
    return {name: _tensor(name, entry, data) for name, entry in header.items()}, texts


def _tensor(name: str, entry: Mapping[str, Any], data: memoryview) -> Tensor:
    start, end = entry["data_offsets"]
    if entry["dtype"] != "F32":
        raise ValueError(f"{name} must be of dtype F32, but is {entry['dtype']}")
    if end > len(data) or end - start != 4 * int(np.prod(entry["shape"])):
        raise ValueError(f"{name} does not fit its shape; the file is truncated")
    values = np.frombuffer(data[start:end], dtype="<f4").reshape(entry["shape"])
    return torch.from_numpy(values.astype(np.float32))
