"""The steerable pyramid in the frequency domain: two levels, six orientations.

E. P. Simoncelli, W. T. Freeman, "The Steerable Pyramid: A Flexible Architecture for
Multi-Scale Derivative Computation", ICIP 1995; the polar separable filters are those of
J. Portilla, E. P. Simoncelli, "A Parametric Texture Model Based on Joint Statistics of
Complex Wavelet Coefficients", International Journal of Computer Vision 40(1), 2000,
called P00 below (section 2.1: L, H and G).

The filters are read from tables by linear interpolation, as in the program that Ma's
model was trained with: an index is cut towards zero and held inside the table.

The product of all filters of a band is one real mask, kept for each plane size; a band
is the inverse transform of the half spectrum times -i times that mask. Taking the real
part of a band, as the full transform needs, is averaging a mask with its point
reflection; this matters where a frequency is its own negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

Plane = NDArray[np.float64]

LEVELS = 2
ORIENTATIONS = 6

_RADIAL_STEPS = 256
_ANGULAR_STEPS = 1024


@dataclass(frozen=True)
class Pyramid:
    """A plane taken apart.

    Attributes:
        highpass: The highest frequencies, shape of the plane.
        levels: For each level its six oriented bands; those of level 1 have the shape
            of the plane, those of level 2 half of it, rounded up or down.
    """

    highpass: Plane
    levels: tuple[tuple[Plane, ...], ...]


@dataclass(frozen=True)
class _Masks:
    """Masks on the half spectrum: of the high pass, and of each level and band."""

    highpass: Plane
    levels: tuple[tuple[Plane, ...], ...]
    shapes: tuple[tuple[int, int], ...]


def steerable_pyramid(plane: Plane) -> Pyramid:
    """Return the high pass band and the oriented bands of a plane.

    Args:
        plane: Shape (height, width), any range; borders are continued periodically.

    Returns:
        The bands, in the units of the plane.
    """
    masks = _masks(plane.shape[0], plane.shape[1])
    spectrum = rfft2(plane)
    highpass = irfft2(spectrum * masks.highpass, s=plane.shape)
    levels = []
    for shape, level in zip(masks.shapes, masks.levels, strict=True):
        # (-i)^5, the phase of a filter with five zeros in angle (P00 eq. 5).
        part = -1j * _low_frequencies(spectrum, shape)
        levels.append(tuple(irfft2(part * mask, s=shape) for mask in level))
    return Pyramid(highpass, tuple(levels))


def _low_frequencies(
    spectrum: NDArray[np.complex128], shape: tuple[int, int]
) -> NDArray[np.complex128]:
    """Return the half spectrum of a plane of this smaller (or equal) shape."""
    if shape[0] == spectrum.shape[0]:
        return spectrum
    columns = shape[1] // 2 + 1
    positive, negative = (shape[0] + 1) // 2, shape[0] // 2
    return np.concatenate(
        [spectrum[:positive, :columns], spectrum[-negative:, :columns]]
    )


@lru_cache(maxsize=4)
def _masks(height: int, width: int) -> _Masks:
    """Return the masks for planes of this size."""
    radius, angle = _polar_grid(height, width)
    low, high = _radial_tables()
    highpass = _half(_look_up(radius, high, 0.0), 1)
    passed = _look_up(radius, low, 0.0)
    levels, shapes = [], []
    for level in range(1, LEVELS + 1):
        ring = passed * _look_up(radius, high, float(-level))
        levels.append(
            tuple(
                _half(ring * _look_up_angle(angle, band), -1)
                for band in range(ORIENTATIONS)
            )
        )
        shapes.append((radius.shape[0], radius.shape[1]))
        inner = tuple(_centre(length) for length in radius.shape)
        radius, angle = radius[inner], angle[inner]
        passed = passed[inner] * _look_up(radius, low, float(-level))
    return _Masks(highpass, tuple(levels), tuple(shapes))


def _polar_grid(height: int, width: int) -> tuple[Plane, Plane]:
    """Return log2 of the radius (0 at the Nyquist frequency) and the angle, centred."""
    x = (np.arange(width) - width // 2) / (width / 2)
    y = (np.arange(height) - height // 2) / (height / 2)
    angle = np.arctan2(y[:, None], x[None, :])
    radius = np.hypot(y[:, None], x[None, :])
    # The mean has no logarithm; it takes that of its neighbour.
    radius[height // 2, width // 2] = radius[height // 2, width // 2 - 1]
    return np.log2(radius), angle


def _radial_tables() -> tuple[Plane, Plane]:
    """Return low and high pass over one octave that ends at 0 (P00 eq. 2 and 3).

    A raised cosine rises from 0 to 1 in energy; the outer entries repeat the last
    values, so that the interpolation continues them as constants.
    """
    phase = np.pi / 2 * np.arange(-_RADIAL_STEPS - 1, 2) / _RADIAL_STEPS
    energy = np.cos(phase) ** 2
    energy[0], energy[-1] = energy[1], energy[-2]
    high = np.sqrt(energy)
    return np.sqrt(np.abs(1 - high**2)), high


def _look_up(radius: Plane, table: Plane, end: float) -> Plane:
    """Return a radial filter whose octave ends at log2 radius `end`."""
    start = end - 1 - 1 / _RADIAL_STEPS
    return _interpolate((radius - start) * _RADIAL_STEPS, table)


def _look_up_angle(angle: Plane, band: int) -> Plane:
    """Return the angular filter of a band (P00 eq. 4), a power of a cosine."""
    order = ORIENTATIONS - 1
    norm = 4**order * math.factorial(order) ** 2
    norm /= ORIENTATIONS * math.factorial(2 * order)
    positions = np.arange(-2 * _ANGULAR_STEPS - 1, _ANGULAR_STEPS + 2)
    step = np.pi / _ANGULAR_STEPS
    table = math.sqrt(norm) * np.cos(positions * step) ** order
    start = positions[0] * step + np.pi * band / ORIENTATIONS
    return _interpolate((angle - start) / step, table)


def _interpolate(position: Plane, table: Plane) -> Plane:
    index = np.clip(np.trunc(position).astype(np.intp), 0, len(table) - 2)
    slope = table[index + 1] - table[index]
    return table[index] + slope * (position - index)


def _centre(length: int) -> slice:
    """Return where the low half of an axis lies in its centred spectrum."""
    inner = math.ceil((length - 0.5) / 2)
    start = length // 2 - inner // 2
    return slice(start, start + inner)


def _half(mask: Plane, sign: int) -> Plane:
    """Average a centred mask with its point reflection; return the half spectrum."""
    mask = np.fft.ifftshift(mask)
    reflected = np.roll(mask[::-1, ::-1], 1, axis=(0, 1))
    return np.ascontiguousarray(
        (mask + sign * reflected)[:, : mask.shape[1] // 2 + 1] / 2
    )
