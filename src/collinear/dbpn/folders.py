"""Image folders as users have them: DIV2K, Flickr2K, `X4/0001x4.png`, own pairs."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

SUFFIXES = (".png", ".jpg", ".jpeg")
OTHER_SUFFIXES = (".tif", ".tiff", ".bmp", ".webp", ".gif", ".jp2", ".ppm", ".avif")
"""Of images that are not read."""
PLACE = "{}"
"""Stands for the original's name in a template such as `{}x4`."""


_SHOWN = 3  # names in a warning

_log = logging.getLogger(__name__)


class DataError(ValueError):
    """Images that do not fit; the message names the image and the rule."""


def find_images(folders: Sequence[Path], key: str) -> list[Path]:
    """Return the image files of folders, each sorted by name.

    Args:
        folders: The folders.
        key: The setting that names them, for messages.

    Raises:
        DataError: A folder is missing or has no image.
    """
    return [path for folder in folders for path in _images_of(folder, key)]


def match_low_resolution(
    originals: Sequence[Path],
    folders: Sequence[Path],
    template: str | None,
    scale: int,
    *,
    key: str,
) -> list[Path]:
    """Return the low resolution file of each original.

    Args:
        originals: The originals, without equal names.
        folders: Folders of low resolution images, or with a folder `X4` of them (`X2`,
            `X8` by the scale) as in DIV2K.
        template: Their names with `{}` for the original's; None: `{}`, or else `{}x4`,
            whichever the first original has.
        scale: 2, 4 or 8.
        key: The setting that names the folders, for messages.

    Raises:
        DataError: A file is missing, or is there without an original.
    """
    files = find_images([_deeper(folder, scale) for folder in folders], key)
    by_stem = _by_stem(files, key)
    templates = [template] if template else [PLACE, f"{PLACE}x{scale}"]
    first = originals[0].stem
    fitting = [name for name in templates if name.replace(PLACE, first) in by_stem]
    chosen = fitting[0] if fitting else templates[0]
    found = []
    for original in originals:
        name = chosen.replace(PLACE, original.stem)
        if name not in by_stem:
            names = [repr(t.replace(PLACE, original.stem)) for t in templates]
            raise DataError(
                f"{key}: {original} has no low resolution image named "
                f"{' or '.join(names)} in "
                f"{', '.join(map(str, folders))}; add it, or set a template"
            )
        found.append(by_stem[name])
    _check_left_over(files, originals, chosen, key)
    return found


def _by_stem(files: Sequence[Path], key: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        other = found.setdefault(path.stem, path)
        if other != path:
            raise DataError(
                f"{key}: {other} and {path} have the same name; remove or rename one"
            )
    return found


def _check_left_over(
    files: Sequence[Path], originals: Sequence[Path], template: str, key: str
) -> None:
    pattern = re.escape(template).replace(re.escape(PLACE), "(.+)")
    stems = {original.stem for original in originals}
    for path in files:
        name = re.fullmatch(pattern, path.stem)
        if name and name[1] not in stems:
            raise DataError(
                f"{key}: {path} has no original named {name[1]!r}; add the original, "
                "or remove the low resolution image"
            )


def _images_of(folder: Path, key: str) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{key}: {folder} is not a folder")
    # Hidden files are no images of the user's, whatever their suffix: `._0001.png`.
    found = sorted(
        p
        for p in folder.iterdir()
        if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
    )
    if not found:
        raise DataError(f"{key}: {folder} has no .png, .jpg or .jpeg file")
    others = sorted(
        p.name
        for p in folder.iterdir()
        if p.suffix.lower() in OTHER_SUFFIXES and not p.name.startswith(".")
    )
    if others:
        _log.warning(
            "%s: %s holds %d images of other types, which are not read (%s%s); convert "
            "them to PNG",
            key,
            folder,
            len(others),
            ", ".join(others[:_SHOWN]),
            " ..." if len(others) > _SHOWN else "",
        )
    return found


def _deeper(folder: Path, scale: int) -> Path:
    """Return the folder `X4` inside, if there is one."""
    inside = folder / f"X{scale}"
    return inside if inside.is_dir() else folder
