"""How far an output pixel of D-DBPN sees, exactly.

The reach of each map is followed through the layers: for every position inside a low
resolution pixel, the first and the last low resolution pixel that it depends on. Tiles
that overlap by as much equal the whole image, up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

from collinear.dbpn.config import GEOMETRY, ModelSettings

_BICUBIC_REACH = 2


@dataclass(frozen=True)
class Reach:
    """First and last low resolution pixel that a map sees, relative to its own one.

    Attributes:
        first: For each position inside a low resolution pixel (one for maps of low
            resolution), along one axis.
        last: Likewise.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]

    def joined(self, other: Reach) -> Reach:
        """Return the reach of a map that is computed from two."""
        return Reach(
            tuple(map(min, self.first, other.first)),
            tuple(map(max, self.last, other.last)),
        )

    def through_window(self, low: int, high: int, positions: int, step: int) -> Reach:
        """Return the reach of a map that sees a window of this one.

        Args:
            low: First pixel of the window, relative to the output pixel.
            high: Last pixel likewise.
            positions: Output positions inside a low resolution pixel.
            step: Pixels of this map between output pixels.
        """
        inside = len(self.first)
        firsts, lasts = [], []
        for position in range(positions):
            window = range(position * step + low, position * step + high + 1)
            firsts.append(min(p // inside + self.first[p % inside] for p in window))
            lasts.append(max(p // inside + self.last[p % inside] for p in window))
        return Reach(tuple(firsts), tuple(lasts))


def receptive_radius(scale: int, settings: ModelSettings) -> int:
    """Return how many low resolution pixels around its own an output pixel sees.

    >>> receptive_radius(4, ModelSettings(stages=7))
    21
    """
    iterative = settings.variant == "iterative"
    length = settings.chain if iterative else settings.stages
    low = Reach((0,), (0,)).through_window(-1, 1, 1, 1)
    kept = []
    for _ in range(settings.stages if iterative else 1):
        highs = _up(low, scale)
        for _ in range(length - 1):
            low = _down(highs, scale)
            highs = _up(low, scale).joined(highs)
        kept.append(highs)
    maps = kept[0]
    for other in kept[1:]:
        maps = maps.joined(other)
    image = maps.through_window(-1, 1, scale, 1)
    reach = max(-min(image.first), max(image.last))
    return max(reach, _BICUBIC_REACH) if settings.residual else reach


def _up(low: Reach, scale: int) -> Reach:
    projected = _enlarged(low, scale)
    error = _shrunk(projected, scale).joined(low)
    return projected.joined(_enlarged(error, scale))


def _down(high: Reach, scale: int) -> Reach:
    projected = _shrunk(high, scale)
    error = _enlarged(projected, scale).joined(high)
    return projected.joined(_shrunk(error, scale))


def _shrunk(high: Reach, scale: int) -> Reach:
    """Through a convolution with stride."""
    kernel, stride, padding = GEOMETRY[scale]
    return high.through_window(-padding, kernel - 1 - padding, 1, stride)


def _enlarged(low: Reach, scale: int) -> Reach:
    """Through a transposed convolution: j sees i where 0 <= j + p - s i < k."""
    kernel, stride, padding = GEOMETRY[scale]
    first = [-((kernel - 1 - j - padding) // stride) for j in range(scale)]
    last = [(j + padding) // stride for j in range(scale)]
    return Reach(
        tuple(i + low.first[0] for i in first), tuple(i + low.last[0] for i in last)
    )
