"""Files that are either whole or absent: write to a temporary name, then rename."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


class DamagedFile(ValueError):
    """A file that cannot be read as what it is; the message names it."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and shortest floats: equal values give equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value, as hexadecimal text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Writes a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)  # a full disk needs every byte
        raise


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON, atomically. NaN and infinities are refused."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file; the message of a broken one names the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DamagedFile(f"{path}: not valid JSON ({error})") from error
    except UnicodeDecodeError as error:
        raise DamagedFile(f"{path}: is not text ({error})") from error


def publish(source: Path, target: Path) -> None:
    """Puts a finished file at its declared place by rename.

    A hard link costs nothing for weights of many megabytes; where the file system has
    no links, the content is copied. The time is set to now, because Snakemake judges
    an output by its time.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        temporary.write_bytes(source.read_bytes())
    os.utime(temporary)
    # Renaming onto a link of the same file does nothing and would leave the temporary.
    target.unlink(missing_ok=True)
    os.replace(temporary, target)


@contextmanager
def locked(path: Path, note: str | None = None) -> Iterator[int]:
    """Holds an exclusive lock, waiting for it; yields its file descriptor.

    A `note` is logged when it has to wait.

    The kernel drops the lock when every holder of the descriptor has ended, so a
    killed process leaves no stale lock. A program that is started with the descriptor
    keeps the lock even when its starter is killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if note is not None:
                _log.warning(note)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def unlock(descriptor: int) -> None:
    """Drops a lock of `locked`, whoever else has its descriptor."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def try_lock(path: Path, owner: str) -> int | str:
    """Takes a lock without waiting, for as long as this process lives.

    Args:
        path: The lock file; it holds the text of its owner.
        owner: Who holds the lock, for the message of those who do not get it.

    Returns:
        The descriptor (keep it), or the owner's text when somebody else has the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return path.read_text(encoding="utf-8").strip() or "unknown"
    os.ftruncate(descriptor, 0)
    os.write(descriptor, owner.encode())
    return descriptor
