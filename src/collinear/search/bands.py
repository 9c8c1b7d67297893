"""What is believed of an explored line: the d-spline as a model, with its uncertainty.

The curve that a line search follows nearly interpolates. Here the same spline is read
as a statistical model (`collinear.search.smoothing`): one weight and one noise for all
lines, by restricted likelihood, and a posterior mean with a standard deviation.

A curve is drawn only where neighbours on the line are neighbours in meaning. The
values of a categorical axis have no order, so a line that changes one has no curve. A
leading zero before a logarithmic list means "switched off": it has an offset of its
own, whose prior is flat, so it stands apart from the curve over the other values.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from collinear.search.analysis import ExploredLine
from collinear.search.kernels import has_zero_level
from collinear.search.smoothing import LineData, choose_alpha, pooled_noise, smooth
from collinear.search.space import SearchSpace

_ENOUGH = 5  # observations beyond two a line, of all lines together
_WRECKED = 20.0  # distances of the median from the best: costs beyond are left out
_NODES = 3  # of a step between neighbours, as the markers of a d-spline


@dataclass(frozen=True)
class Band:
    """The posterior over one unbroken stretch of a line.

    Attributes:
        positions: Places in units of the index on the line; a single one where a level
            stands apart.
        mean: Posterior mean of the cost at each place.
        sd: Its posterior standard deviation, without the noise of a single trial.
    """

    positions: tuple[float, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]


def smooth_stretch(
    line: ExploredLine, space: SearchSpace, categorical: Collection[str] = ()
) -> range:
    """The indices on a line over which a curve may be drawn; empty when there are none.

    Args:
        line: The line.
        space: The grid, for the values of the axes.
        categorical: Names of the axes whose values have no order.
    """
    changed = [k for k, step in enumerate(line.direction) if step]
    if any(space.names[k] in categorical for k in changed):
        return range(0)
    zero = [k for k in changed if has_zero_level(space.axes[k].values)]
    inside = [
        i for i, p in enumerate(line.points) if all(p[k] > 0 for k in zero)
    ]  # a line meets the zero of an axis at one end only, so no gap can arise
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def line_bands(
    lines: Sequence[ExploredLine],
    space: SearchSpace,
    categorical: Collection[str] = (),
) -> tuple[tuple[Band, ...], ...]:
    """The bands of each line.

    Every trial with a finite cost counts, repeats singly, and whether or not it keeps
    the limits. Costs far beyond the usual ones are left out: a wrecked training is not
    noise.

    Args:
        lines: Explored lines; they share the weight and the noise.
        space: The grid.
        categorical: Names of the axes whose values have no order.

    Returns:
        One tuple a line. Empty tuples where a line has fewer than two distinct places
        with data on its stretch, and everywhere while all lines together say too
        little about the noise.
    """
    runs = [cost for line in lines for s in line.samples for cost in s.runs]
    end = _usual_end(runs)
    stretches = [smooth_stretch(line, space, categorical) for line in lines]
    data = [_data(line, at, end) for line, at in zip(lines, stretches, strict=True)]
    known = [entry for entry in data if entry is not None]
    if sum(max(0, len(entry.at) - 2) for entry in known) < _ENOUGH:
        return ((),) * len(lines)
    alpha = choose_alpha(known)
    noise = pooled_noise(known, alpha)
    bands = []
    for line, at, entry in zip(lines, stretches, data, strict=True):
        apart = _apart(line, at, end, noise)
        bands.append((*_curve(entry, alpha, noise), *apart) if len(at) else ())
    return tuple(bands)


def _usual_end(costs: Sequence[float]) -> float:
    """Where the usual costs end: median + 20 (median - best)."""
    if not costs:
        return 0.0
    best, middle = min(costs), float(np.median(costs))
    return middle + _WRECKED * (middle - best or max(costs) - best)


def _data(line: ExploredLine, stretch: range, end: float) -> LineData | None:
    """The stretch with two nodes between neighbours; None below two places."""
    if len(stretch) < 2:
        return None
    observed = [
        (_NODES * (sample.index - stretch.start), cost)
        for sample in line.samples
        if sample.index in stretch
        for cost in sample.runs
        if cost <= end
    ]
    if len({node for node, _ in observed}) < 2:
        return None
    nodes = _NODES * (len(stretch) - 1) + 1
    places = tuple(stretch.start + j / _NODES for j in range(nodes))
    at, values = zip(*observed, strict=True)
    return LineData(places, at, values)


def _curve(data: LineData | None, alpha: float, noise: float) -> tuple[Band, ...]:
    if data is None:
        return ()
    found = smooth(data, alpha, noise)
    return (Band(data.places, tuple(found.mean.tolist()), tuple(found.sd.tolist())),)


def _apart(
    line: ExploredLine, stretch: range, end: float, noise: float
) -> tuple[Band, ...]:
    """Levels outside the stretch: the mean of their own trials, and its error."""
    found = []
    for sample in line.samples:
        runs = [cost for cost in sample.runs if cost <= end]
        if runs and sample.index not in stretch:
            sd = float(np.sqrt(noise / len(runs)))
            band = Band((float(sample.index),), (float(np.mean(runs)),), (sd,))
            found.append(band)
    return tuple(found)
