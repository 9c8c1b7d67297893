"""Reading and writing 8-bit RGB images, strictly: nothing is converted in silence."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

RgbImage = NDArray[np.uint8]

# Pillow warns of large images on stderr; those it refuses are named by `_opened`.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_PNG_END = b"IEND\xaeB`\x82"
_PNG_BIT_DEPTH_AT = 24
_ORIENTATION = 0x0112  # EXIF tag; 1 is upright
_SRGB_GAMMA = 0.45455  # what PNG files of sRGB images say
_MODES = {
    "1": "black and white",
    "L": "grayscale",
    "LA": "grayscale with alpha",
    "I": "16- or 32-bit grayscale",
    "I;16": "16-bit grayscale",
    "P": "palette",
    "RGBA": "RGB with alpha",
    "CMYK": "CMYK",
}


class ImageError(ValueError):
    """An image that cannot be used; the message names the file and the rule."""


def read_image(path: Path) -> RgbImage:
    """Read a PNG or JPEG file that holds 8-bit RGB.

    Args:
        path: A file whose name ends in .png, .jpg or .jpeg.

    Returns:
        Shape (height, width, 3), dtype uint8.

    Raises:
        ImageError: The file is missing, damaged, of another format than its name says,
            or not 8-bit RGB (grayscale, palette, alpha, CMYK, 16-bit).
    """
    return decode_image(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """Return the content of an image file.

    Raises:
        ImageError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error


def size_of(content: bytes, path: Path) -> tuple[int, int]:
    """Return width and height after the checks of `read_image`, without decoding.

    The pixels are not looked at, so damage inside them is not found.

    Args:
        content: The file's bytes.
        path: Its name, for the expected format and for messages.

    Raises:
        ImageError: As in `read_image`.
    """
    with _opened(content, path) as image:
        return image.size


def decode_image(content: bytes, path: Path) -> RgbImage:
    """Decode the bytes of an image file; as `read_image` otherwise.

    Args:
        content: The file's bytes.
        path: Its name, for the expected format and for messages.
    """
    with _opened(content, path) as image:
        image.load()
        return np.array(image)


def not_applied(content: bytes, path: Path) -> list[str]:
    """Return what a file says of itself that is not applied, as in MATLAB's `imread`.

    Args:
        content: The file's bytes.
        path: Its name, for the expected format and for messages.

    Raises:
        ImageError: As in `read_image`.
    """
    with _opened(content, path) as image:
        found = []
        turned = _orientation(image)
        if turned != 1:
            found.append(f"its EXIF orientation {turned}")
        gamma = image.info.get("gamma")
        if gamma is not None and abs(gamma - _SRGB_GAMMA) > 0.001:
            found.append(f"its gamma {gamma:g}")
        profile = image.info.get("icc_profile")
        if profile and b"sRGB" not in profile.replace(b"\0", b""):  # or in UTF-16
            found.append("its colour profile, which is not sRGB")
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            found.append(f"its animation of {frames} frames")
        return found


def _orientation(image: Image.Image) -> Any:
    # From the header: `getexif` decodes the whole of a PNG.
    content = image.info.get("exif")
    if not content:
        return 1
    try:
        exif = Image.Exif()
        exif.load(content)
        return exif.get(_ORIENTATION, 1)
    except Exception:  # Pillow raises what it meets; damaged EXIF says nothing
        return 1


@contextmanager
def _opened(content: bytes, path: Path) -> Iterator[Image.Image]:
    """Open the bytes of an image, check its header, and name what Pillow finds."""
    expected = _FORMATS.get(path.suffix.lower())
    if expected is None:
        raise ImageError(
            f"{path}: an image must be a .png, .jpg or .jpeg file, "
            f"but got {path.suffix or 'no suffix'}"
        )
    try:
        with Image.open(BytesIO(content)) as image:
            _check_header(image, expected, content, path)
            yield image
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: is not a {expected} image, or is damaged") from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{path}: an image must have at most {2 * (Image.MAX_IMAGE_PIXELS or 0):,} "
            "pixels, but has more; cut it into parts"
        ) from error
    except (OSError, SyntaxError) as error:
        raise ImageError(f"{path}: is truncated or damaged ({error})") from error


def _check_header(
    image: Image.Image, expected: str, content: bytes, path: Path
) -> None:
    if image.format == "MPO":  # several JPEGs in one file, as phones write them
        raise ImageError(
            f"{path}: holds several photographs (MPO, as phones write them); store the "
            "first of them as PNG or JPEG"
        )
    if image.format != expected:
        raise ImageError(
            f"{path}: the name says {expected}, but the file is {image.format}; "
            "rename it, or store it in that format"
        )
    if image.mode != "RGB":
        kind = _MODES.get(image.mode, image.mode)
        raise ImageError(
            f"{path}: an image must be 8-bit RGB, but this one is {kind}; convert it"
        )
    if expected == "PNG":
        _check_png(image, content, path)


def _check_png(image: Image.Image, content: bytes, path: Path) -> None:
    # Pillow reduces 16-bit RGB to 8 bits without a word, so the header is asked.
    bits = content[_PNG_BIT_DEPTH_AT]
    if bits != 8:
        raise ImageError(
            f"{path}: an image must have 8 bits a channel, but got {bits}; convert it"
        )
    if "transparency" in image.info:
        raise ImageError(f"{path}: an image must be opaque, but one colour is not")
    if _PNG_END not in content:
        raise ImageError(f"{path}: is truncated (the end of the PNG is missing)")


def write_png(path: Path, image: RgbImage) -> None:
    """Write an RGB image as PNG through a temporary file in the same folder.

    Args:
        path: The file to write; its folder must exist.
        image: Shape (height, width, 3), dtype uint8.

    Raises:
        ImageError: The array is not an 8-bit RGB image.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(
            f"{path}: an image must have shape (height, width, 3) and dtype uint8, "
            f"but got {image.shape} and {image.dtype}"
        )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            Image.fromarray(image).save(file, format="PNG")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
