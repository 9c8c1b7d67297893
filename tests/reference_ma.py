"""Ma's 138 features written plainly: the readable reference of the fast version.

Nothing is shared, cached or handled in blocks here; each formula stands once, in the
order of the text (C. Ma et al. 2017, and the papers named in the modules of
`collinear.quality`). Tests compare the two, `benchmarks/quality` times them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import dctn
from scipy.ndimage import correlate1d
from scipy.special import gamma

from collinear.quality.resize import resize_bicubic

SHAPES = 0.03 + np.arange(9971) * 0.001
RATIOS = gamma(1 / SHAPES) * gamma(3 / SHAPES) / gamma(2 / SHAPES) ** 2
ORIENTED = np.array(
    [
        [-1, 0, 0, 0, 0, 0, 0],
        [2, 1, 0, 0, 0, 0, 0],
        [2, 2, 1, 1, 0, 0, 0],
        [2, 2, 1, 1, 1, 0, 0],
        [2, 2, 2, 1, 1, 1, 1],
        [2, 2, 2, 2, 1, 1, 1],
        [2, 2, 2, 2, 1, 1, 1],
    ]
)


def ma_features(y):
    """Return the three groups of features of a uint8 luma plane."""
    planes = [y / 255]
    for _ in range(2):
        planes.append(halved(planes[-1]))
    frequency = np.concatenate([dct_features(plane) for plane in planes])
    spatial = np.concatenate([singular_values(plane) for plane in planes])
    return frequency, gsm_features(y.astype(np.float64)), spatial


def halved(plane):
    taps = np.exp(-(np.array([-1.0, 0.0, 1.0]) ** 2) / (2 * 0.5**2))
    taps /= taps.sum()
    return filtered(plane, taps)[1::2, 1::2]


def filtered(plane, taps):
    """Filter both axes, zeros outside."""
    rows = correlate1d(plane, taps, axis=0, mode="constant")
    return correlate1d(rows, taps, axis=1, mode="constant")


# Block DCT


def dct_features(plane):
    height, width = plane.shape
    padded = np.pad(plane, ((2, 2 + -height % 3), (2, 2 + -width % 3)))
    windows = sliding_window_view(padded, (7, 7))[::3, ::3].reshape(-1, 7, 7)
    transformed = dctn(windows, axes=(1, 2), norm="ortho")
    coefficients = transformed.reshape(-1, 49)[:, 1:]
    shape = shape_of(coefficients)
    size = np.abs(coefficients)
    variation = size.std(axis=1, ddof=1) / (size.mean(axis=1) + 1e-7)
    groups = [np.abs(transformed[:, group == ORIENTED]) for group in range(3)]
    oriented = [g.std(axis=1, ddof=1) / (g.mean(axis=1) + 1e-8) for g in groups]
    variance = np.var(oriented, axis=0, ddof=1)
    lowest = np.sort(shape)[: math.ceil(0.1 * len(shape))]
    first = int(0.9 * len(shape)) - 1
    return [
        *(lowest.mean(), shape.mean()),
        *(np.sort(variation)[first:].mean(), variation.mean()),
        *(np.sort(variance)[first:].mean(), variance.mean()),
    ]


def shape_of(rows):
    """Return the shape of each row's generalised Gaussian."""
    deviation = rows - rows.mean(axis=1, keepdims=True)
    ratio = rows.var(axis=1, ddof=1) / (np.abs(deviation).mean(axis=1) ** 2 + 1e-7)
    return SHAPES[[np.argmin(np.abs(RATIOS - value)) for value in ratio]]


# Singular values


def singular_values(plane):
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % 5), (0, -width % 5)))
    patches = [
        padded[row : row + 5, column : column + 5].ravel()
        for row in range(0, padded.shape[0], 5)
        for column in range(0, padded.shape[1], 5)
    ]
    return np.linalg.svd(np.array(patches).T, compute_uv=False)


# Steerable pyramid


def gsm_features(luma):
    highpass, levels = steerable_pyramid(luma)
    bands = [normalised(levels, level, band) for level in (0, 1) for band in range(6)]
    flat = [band.ravel() - band.mean() for band in bands]
    both = [np.concatenate([flat[band], flat[band + 6]]) for band in range(6)]
    shapes = [shape_of(values[None])[0] for values in flat + both]
    to_highpass = [
        structure(resize_bicubic(band, size=luma.shape), highpass)
        for band in levels[0] + levels[1]
    ]
    pairs = [structure(bands[i], bands[j]) for i in range(6) for j in range(i + 1, 6)]
    return np.array(shapes + to_highpass + pairs)


def steerable_pyramid(plane):
    height, width = plane.shape
    x = (np.arange(width) - width // 2) / (width / 2)
    y = (np.arange(height) - height // 2) / (height / 2)
    angle = np.arctan2(y[:, None], x)
    radius = np.sqrt(x**2 + y[:, None] ** 2)
    radius[height // 2, width // 2] = radius[height // 2, width // 2 - 1]
    radius = np.log2(radius)
    phase = np.pi * np.arange(-257, 2) / 512
    energy = np.cos(phase) ** 2
    energy[0], energy[-1] = energy[1], energy[-2]
    high, low = np.sqrt(energy), np.sqrt(1 - energy)
    start = -0.5 + 2 / np.pi * (phase[0] + np.pi / 4)
    spectrum = np.fft.fftshift(np.fft.fft2(plane))
    highpass = band_of(spectrum * look_up(radius, high, start, 1 / 256))
    spectrum = spectrum * look_up(radius, low, start, 1 / 256)
    levels = []
    for level in (1, 2):
        ring = look_up(radius, high, start - level, 1 / 256)
        bands = []
        for k in range(6):
            fan = look_up(angle, *angular_table(k))
            bands.append(band_of((-1j) ** 5 * spectrum * ring * fan))
        levels.append(bands)
        rows, columns = (central(length) for length in radius.shape)
        radius, angle = radius[rows, columns], angle[rows, columns]
        spectrum = spectrum[rows, columns]
        spectrum = spectrum * look_up(radius, low, start - level, 1 / 256)
    return highpass, levels


def band_of(spectrum):
    return np.fft.ifft2(np.fft.ifftshift(spectrum)).real


def angular_table(k):
    """Return the table of orientation k, its first angle and its step."""
    positions = np.pi * np.arange(-2049, 1026) / 1024
    norm = 2**10 * math.factorial(5) ** 2 / (6 * math.factorial(10))
    table = math.sqrt(norm) * np.cos(positions) ** 5
    return table, positions[0] + np.pi * k / 6, np.pi / 1024


def look_up(values, table, start, step):
    position = (values - start) / step
    index = np.clip(np.trunc(position).astype(int), 0, len(table) - 2)
    return table[index] + (table[index + 1] - table[index]) * (position - index)


def central(length):
    """Return the low half of a centred axis."""
    inner = math.ceil((length - 0.5) / 2)
    start = length // 2 - inner // 2
    return slice(start, start + inner)


def normalised(levels, level, band):
    """Return a band divided by the strength of its neighbourhood, border cut."""
    centre = levels[level][band]
    height, width = centre.shape
    lines = [
        centre[row : row + height - 2, column : column + width - 2]
        for row in range(3)
        for column in range(3)
    ]
    if level == 0 and band < 5:
        parent = resize_bicubic(levels[1][band], 2)[:height, :width]
        lines.append(parent[1:-1, 1:-1])
    count = len(lines)
    lines += [levels[level][k][1:-1, 1:-1] for k in range(6) if k != band]
    neighbours = np.stack([line.ravel() for line in lines], axis=1)
    covariance = neighbours.T @ neighbours / len(neighbours)
    quadratic = (neighbours @ np.linalg.pinv(covariance)) * neighbours / count
    strength = np.sqrt(quadratic.sum(axis=1))
    inner = centre[1:-1, 1:-1]
    divided = (inner - inner.mean()) / strength.reshape(inner.shape)
    guard = 16 >> level
    return divided[guard:-guard, guard:-guard]


def structure(one, other):
    """Return the mean contrast and structure term of SSIM."""
    offsets = np.arange(-5, 6)
    taps = np.exp(-(offsets**2) / (2 * 1.5**2))
    taps /= taps.sum()

    def windows(plane):
        return filtered(plane, taps)[5:-5, 5:-5]

    mean, other_mean = windows(one), windows(other)
    variance = windows(one * one) - mean**2
    other_variance = windows(other * other) - other_mean**2
    covariance = windows(one * other) - mean * other_mean
    c2 = (0.03 * 255) ** 2
    return np.mean((2 * covariance + c2) / (variance + other_variance + c2))
