"""Records of images that were measured before, one small file each.

The name of a file is the digest of the two luma planes and of the scorer's version, so
a record can never belong to another image, and a folder may be shared by campaigns and
processes. Each file begins with the digest of the rest; what does not fit is measured
again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collinear.quality.measure import Record, record_of

VERSION = "pirm-1"
"""Raise it when a change of the code changes any measured number."""


@dataclass(frozen=True)
class RecordCache:
    """A folder of records and of luma planes of originals; made when first written."""

    folder: Path

    def find(self, y_sr: NDArray[np.uint8], y_gt: NDArray[np.uint8]) -> Record | None:
        """Return the record of these planes, when it is there and whole."""
        content = self._read(self._record(y_sr, y_gt))
        return None if content is None else record_of(json.loads(content))

    def keep(
        self, y_sr: NDArray[np.uint8], y_gt: NDArray[np.uint8], record: Record
    ) -> None:
        """Write a record through a temporary file."""
        text = json.dumps(record.as_json(), allow_nan=False)
        self._write(self._record(y_sr, y_gt), text.encode())

    def find_plane(self, content: bytes) -> NDArray[np.uint8] | None:
        """Return the shaved luma of the image file with this content, when kept."""
        kept = self._read(self._plane(content))
        if kept is None:
            return None
        plane: NDArray[np.uint8] = np.load(BytesIO(kept), allow_pickle=False)
        return plane

    def keep_plane(self, content: bytes, plane: NDArray[np.uint8]) -> None:
        """Keep the shaved luma of an image file."""
        buffer = BytesIO()
        np.save(buffer, plane)
        self._write(self._plane(content), buffer.getvalue())

    def _record(self, y_sr: NDArray[np.uint8], y_gt: NDArray[np.uint8]) -> Path:
        found = hashlib.sha256(VERSION.encode())
        for plane in (y_sr, y_gt):
            found.update(str(plane.shape).encode())
            found.update(np.ascontiguousarray(plane).tobytes())
        return self.folder / f"{found.hexdigest()}.record"

    def _plane(self, content: bytes) -> Path:
        digest = hashlib.sha256(VERSION.encode() + content).hexdigest()
        return self.folder / f"luma-{digest}.record"

    def _read(self, path: Path) -> bytes | None:
        try:
            digest, _, content = path.read_bytes().partition(b"\n")
        except OSError:
            return None
        return content if digest == _digest(content) else None

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with temporary.open("xb") as file:
                file.write(_digest(content) + b"\n" + content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
