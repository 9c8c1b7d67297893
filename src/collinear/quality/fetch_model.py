"""Getting Ma's published model from its authors' public repository.

The file is asked for by its git blob id, and its content must have that id: whatever
answers, nothing else is ever taken for the model.
"""

from __future__ import annotations

import os
import secrets
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from collinear.quality.ma_model import BLOB, SOURCE, ModelError, blob_id

URL = f"https://api.github.com/repos/chaoma99/sr-metric/git/blobs/{BLOB}"
DOWNLOADED = Path("resources/downloads/ma/model.mat")
"""Where the workflow puts it; a campaign that names this path gets it downloaded."""

_LARGEST = 2**28
_SECONDS = 60


def fetch_model(path: Path, *, url: str = URL, blob: str = BLOB) -> None:
    """Download the model, check it, and rename it to its place.

    Args:
        path: The file to write; its folder is made.
        url: Where it is.
        blob: Git blob id that the content must have.

    Raises:
        ModelError: It cannot be reached, or is another file; nothing is written.
    """
    content = _download(path, url)
    found = blob_id(content)
    if found != blob:
        raise ModelError(
            f"{url}: the content must have git blob id {blob}, but has {found} "
            f"({len(content)} bytes); nothing was kept. {_by_hand(path)}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _download(path: Path, url: str) -> bytes:
    # Asks the server for the bytes themselves, not for JSON about them.
    headers = {"Accept": "application/vnd.github.raw", "User-Agent": "collinear"}
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            content: bytes = answer.read(_LARGEST)
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise ModelError(
            f"{url}: Ma's model cannot be downloaded ({error}). {_by_hand(path)}"
        ) from error
    return content


def _by_hand(path: Path) -> str:
    return (
        f"Take model.mat from {SOURCE} and put it at {path}, or choose another "
        "objective, such as niqe"
    )
