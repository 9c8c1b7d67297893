"""Reading Ma's published model, and keeping it in a compact file.

The file is `model.mat` of the authors' repository chaoma99/sr-metric (MIT licence). It
is not shipped. Its git blob id says whether it is the published file; another file is
refused unless the caller asks for it, and its id is part of every score made with it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from struct import unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from collinear.quality.forest import Forest, MaModel
from collinear.quality.ma_features import SIZES

BLOB = "a852aefb6a49e52703044fee4fa60c3f5b8d5adc"
"""Git blob id of the published model.mat."""
SOURCE = "https://github.com/chaoma99/sr-metric"

_HEADER = 128
_LITTLE_ENDIAN = b"\x00\x01IM"
_COMPRESSED = 15
_LAYOUT = "collinear ma model 1"
_FIELDS = ("left", "right", "feature", "value")
_DTYPES = {"left": "<i2", "right": "<i2", "feature": "|u1", "value": "<f8"}


class ModelError(ValueError):
    """A model file that cannot be used; the message names the file and the rule."""


def blob_id(content: bytes) -> str:
    """Return the id that git gives a file with this content."""
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def load_model(
    path: Path, *, foreign: bool = False, keep: Path | None = None
) -> MaModel:
    """Read a model, either the published .mat file or a compact .npz made from it.

    Args:
        path: The file.
        foreign: Also accept a file that is not the published one (a stand-in of a
            test). Its blob id goes into every record.
        keep: Folder where a compact copy is kept, so that the next start is fast.

    Returns:
        The model.

    Raises:
        ModelError: It is missing, damaged, another file, or of another kind.
    """
    content = _read(path)
    if content[:2] == b"PK":
        return _checked_blob(_from_npz(content, path), foreign, path)
    blob = blob_id(content)
    if not foreign and blob != BLOB:
        raise _other_file(path, blob)
    kept = keep / f"ma-model-{blob}.npz" if keep is not None else None
    if kept is not None and kept.is_file():
        return _from_npz(_read(kept), kept)
    model = _from_mat(content, blob, path)
    if kept is not None:
        save_model(kept, model)
    return model


def save_model(path: Path, model: MaModel) -> None:
    """Write the compact form of a model through a temporary file."""
    arrays: dict[str, Any] = {"linear": model.linear}
    for index, forest in enumerate(model.forests):
        arrays |= {f"{name}{index}": getattr(forest, name) for name in _FIELDS}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            np.savez_compressed(
                file, layout=_LAYOUT, blob=model.blob, digest=model.digest, **arrays
            )
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_model(path: Path, *, foreign: bool = False) -> None:
    """Check that `load_model` takes a file; the published one is known by its id.

    Raises:
        ModelError: As `load_model`.
    """
    if blob_id(_read(path)) != BLOB:
        load_model(path, foreign=foreign)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path}: Ma's model cannot be read ({error.strerror}); it is the file "
            f"model.mat of {SOURCE}"
        ) from error


def _other_file(path: Path, blob: str) -> ModelError:
    return ModelError(
        f"{path}: must be the published model.mat with git blob id {BLOB}, but this "
        f"file has {blob}; take it from {SOURCE}"
    )


def _checked_blob(model: MaModel, foreign: bool, path: Path) -> MaModel:
    if not foreign and model.blob != BLOB:
        raise _other_file(path, model.blob)
    return model


def _from_mat(content: bytes, blob: str, path: Path) -> MaModel:
    try:
        _check_whole(content)
        struct = loadmat(BytesIO(content))["model"][0, 0]
        tables = [cell[0, 0] for cell in struct["rf"].ravel()]
        linear = np.asarray(struct["linear"], dtype=np.float64)
    # A damaged file makes scipy raise almost anything, MemoryError included.
    except Exception as error:
        raise ModelError(
            f"{path}: is not Ma's model, or is damaged: a MATLAB file (version 7) with "
            "a struct `model` of `rf` and `linear` is needed "
            f"({type(error).__name__})"
        ) from error
    if len(tables) != len(SIZES):
        raise ModelError(
            f"{path}: model.rf must hold {len(SIZES)} forests, but has {len(tables)}"
        )
    try:
        forests = tuple(
            _forest(table, size, f"{path}: model.rf{{{index}}}")
            for index, (table, size) in enumerate(
                zip(tables, SIZES, strict=True), start=1
            )
        )
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{path}: a forest lacks a field or is damaged "
            f"({type(error).__name__}: {error})"
        ) from error
    return _model(forests, linear, blob, path)


def _check_whole(content: bytes) -> None:
    """Check the header and the checksum of each compressed element.

    The published file's id vouches for it, but scipy's reader can crash the process on
    a damaged stand-in. MATLAB's documented level 5 format: a header of 128 bytes, then
    elements of type, size and content; zlib's checksum ends each compressed content.
    """
    if content[_HEADER - 4 : _HEADER] != _LITTLE_ENDIAN:
        raise ValueError("no MATLAB level 5 file")
    at = _HEADER
    while at < len(content):
        kind, size = unpack_from("<II", content, at)
        if kind != _COMPRESSED or at + 8 + size > len(content):
            raise ValueError("an element is cut off or not compressed")
        zlib.decompress(content[at + 8 : at + 8 + size])
        at += 8 + size


def _forest(table: Any, size: int, where: str) -> Forest:
    """Check one forest of the .mat file and turn it into rows of 0-based trees.

    In the file a column is a tree, children count from 1 and features too. The field
    nodestatus is not read: the program that wrote it stores it as characters.
    """
    left, right = (_integers(table[name]) for name in ("lDau", "rDau"))
    trees, nodes = left.shape
    used = _integers(table["ndtree"]).ravel()
    for name, wanted in (("nrnodes", nodes), ("ntree", trees)):
        if float(np.ravel(table[name])[0]) != wanted:
            raise ModelError(f"{where}: {name} must equal the size of lDau, {wanted}")
    if np.any(np.asarray(table["coef"], dtype=np.float64)):
        raise ModelError(
            f"{where}: coef must be zero (no bias correction), but is not; "
            "the published model has none"
        )
    if len(table["importance"]) != size:
        raise ModelError(
            f"{where}: must be trained on {size} features, "
            f"but was on {len(table['importance'])}"
        )
    feature = np.clip(_integers(table["mbest"]), 0, 255)
    upper, leaf = (
        np.asarray(table[name], dtype=np.float64).T for name in ("upper", "avnode")
    )
    if len({array.shape for array in (left, right, feature, upper, leaf)}) != 1:
        raise ModelError(f"{where}: lDau, rDau, mbest, upper, avnode differ in shape")
    if used.shape != (trees,) or used.min() < 1 or used.max() > nodes:
        raise ModelError(f"{where}: ndtree must give 1 to {nodes} nodes for each tree")
    _check_children(left, right, used, where)
    inner = left != 0
    keep = np.arange(nodes) < used[:, None]
    forest = Forest(
        left=_trimmed(np.where(inner, left - 1, 0), keep, np.int16),
        right=_trimmed(np.where(inner, right - 1, 0), keep, np.int16),
        feature=_trimmed(np.where(inner, feature - 1, 0), keep, np.uint8),
        value=_trimmed(np.where(inner, upper, leaf), keep, np.float64),
    )
    if np.any(forest.feature[forest.left != 0] >= size):
        raise ModelError(f"{where}: a split asks for a feature beyond {size}")
    if not np.isfinite(forest.value).all():
        raise ModelError(f"{where}: a threshold or a leaf is not finite")
    return forest


def _integers(array: NDArray[Any]) -> NDArray[np.int64]:
    """Return whole numbers, one row a tree."""
    if array.dtype.kind not in "iuf":
        raise TypeError(f"numbers are needed, but got {array.dtype}")
    return np.asarray(array, dtype=np.int64).T


def _trimmed(array: NDArray[Any], keep: NDArray[np.bool_], dtype: Any) -> Any:
    widest = int(keep.sum(axis=1).max())
    return np.where(keep, array, 0)[:, :widest].astype(dtype)


def _check_children(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    used: NDArray[np.int64],
    where: str,
) -> None:
    """Check that every walk ends at a leaf: children lie behind, inside the tree."""
    own = np.arange(1, left.shape[1] + 1)
    inside = own <= used[:, None]
    inner = inside & ((left != 0) | (right != 0))
    for child in (left, right):
        if np.any(inner & ((child <= own) | (child > used[:, None]))):
            raise ModelError(f"{where}: a node has a child outside its tree")
    if used.max() > np.iinfo(np.int16).max:
        raise ModelError(f"{where}: a tree has more than 32767 nodes")


def _model(
    forests: tuple[Forest, ...], linear: NDArray[np.float64], blob: str, path: Path
) -> MaModel:
    if linear.size != 4 or not np.isfinite(linear).all():
        raise ModelError(
            f"{path}: model.linear must hold 4 finite numbers, but has {linear.size}"
        )
    first, second, third = forests
    ordered = np.ascontiguousarray(linear.ravel())
    digest = _digest(forests, ordered)
    return MaModel((first, second, third), ordered, blob, digest)


def _digest(forests: tuple[Forest, ...], linear: NDArray[np.float64]) -> str:
    found = hashlib.sha256(_LAYOUT.encode())
    found.update(np.asarray(linear, "<f8").tobytes())
    for forest in forests:
        for name in _FIELDS:
            array = np.asarray(getattr(forest, name), _DTYPES[name])
            found.update(f"{name}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def _from_npz(content: bytes, path: Path) -> MaModel:
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            arrays: Mapping[str, Any] = {name: file[name] for name in file.files}
        if str(arrays["layout"]) != _LAYOUT:
            raise ValueError("another layout")
        forests = tuple(
            Forest(**{name: arrays[f"{name}{index}"] for name in _FIELDS})
            for index in range(len(SIZES))
        )
        model = _model(forests, arrays["linear"], str(arrays["blob"]), path)
        stored = str(arrays["digest"])
    except ModelError:
        raise
    # As above: a damaged archive raises errors of zip, zlib and numpy.
    except Exception as error:
        raise ModelError(
            f"{path}: is not a compact copy of Ma's model, or is damaged "
            f"({type(error).__name__}); remove it, and give model.mat"
        ) from error
    if stored != model.digest:
        raise ModelError(
            f"{path}: the numbers do not fit the digest in the file; remove it, and "
            "give model.mat"
        )
    return model
