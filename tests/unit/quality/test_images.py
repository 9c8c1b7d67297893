"""Reading images: only honest 8-bit RGB passes."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from collinear.quality.images import ImageError, read_image, write_png

PIXELS = np.random.default_rng(5).integers(0, 256, (12, 10, 3)).astype(np.uint8)


def test_png_returns_the_pixels(tmp_path):
    write_png(tmp_path / "a.png", PIXELS)
    assert np.array_equal(read_image(tmp_path / "a.png"), PIXELS)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_jpeg_is_read(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.JPG", format="JPEG")
    assert read_image(tmp_path / "a.JPG").shape == (12, 10, 3)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("L", "grayscale"), ("P", "palette"), ("RGBA", "alpha"), ("I;16", "16-bit")],
)
def test_other_modes_are_refused(tmp_path, mode, kind):
    Image.new(mode, (10, 12)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match=f"must be 8-bit RGB, but this one is.*{kind}"):
        read_image(tmp_path / "a.png")


def test_cmyk_is_refused(tmp_path):
    Image.new("CMYK", (10, 12)).save(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="CMYK"):
        read_image(tmp_path / "a.jpg")


def test_sixteen_bits_a_channel_are_refused(tmp_path):
    rows = b"".join(b"\0" + bytes(6 * 4) for _ in range(3))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body))
        + name
        + body
        + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match="8 bits a channel, but got 16"):
        read_image(tmp_path / "a.png")


def test_transparent_colour_is_refused(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png", transparency=(1, 2, 3))
    with pytest.raises(ImageError, match="opaque"):
        read_image(tmp_path / "a.png")


def test_jpeg_named_png_is_refused(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png", format="JPEG")
    with pytest.raises(ImageError, match="the name says PNG, but the file is JPEG"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("share", [0.02, 0.6, 0.98])
def test_truncated_files_are_refused(tmp_path, suffix, share):
    whole = tmp_path / f"whole.{suffix}"
    Image.fromarray(np.tile(PIXELS, (8, 8, 1))).save(whole)
    content = whole.read_bytes()
    part = tmp_path / f"part.{suffix}"
    part.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageError, match=r"part\..*(truncated|damaged)"):
        read_image(part)


def test_png_without_its_end_is_refused(tmp_path):
    write_png(tmp_path / "a.png", PIXELS)
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[:-12])
    with pytest.raises(ImageError, match="truncated"):
        read_image(tmp_path / "a.png")


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path / "none.png")
    (tmp_path / "a.bmp").write_bytes(b"BM")
    with pytest.raises(ImageError, match=r"must be a \.png"):
        read_image(tmp_path / "a.bmp")


def test_only_eight_bit_rgb_is_written(tmp_path):
    with pytest.raises(ImageError, match="dtype uint8"):
        write_png(tmp_path / "a.png", PIXELS.astype(float))
    assert not list(tmp_path.iterdir())


def test_an_image_beyond_what_is_read_is_named(tmp_path, monkeypatch):
    Image.new("RGB", (30, 20)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 250)
    with pytest.raises(ImageError, match=r"large.png: .* at most 500 pixels"):
        read_image(tmp_path / "large.png")
