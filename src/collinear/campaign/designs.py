"""Axes that the pretraining depends on: one pretraining for each design.

A design is a combination of the values of `pretrain_axes`, such as the stages and the
width of the network. A trial starts from the pretraining of its design, in
`pretrain/{design}`, which runs once, when the first trial needs it. A campaign without
such axes has one pretraining, in `pretrain`.
"""

from __future__ import annotations

from pathlib import Path

from collinear.campaign.config import Campaign
from collinear.campaign.trials import (
    CONVENTIONAL,
    TrialName,
    parse_point,
    point_name,
    trial_params,
)


def design_of(campaign: Campaign, name: TrialName) -> str | None:
    """Return the design of a trial; None where all trials have the same.

    It is the trial's index on each of the axes, as in ``2-0``. The conventional setting
    may lie off the grid; where it does so on one of these axes, its design is
    ``conventional``.
    """
    if not campaign.pretrain_axes:
        return None
    if name.point != CONVENTIONAL:
        point = parse_point(name.point)
        return point_name(tuple(point[i] for i in _places(campaign)))
    params = trial_params(campaign, name)
    axes = [campaign.space.axes[place] for place in _places(campaign)]
    if any(params[axis.name] not in axis.values for axis in axes):
        return CONVENTIONAL
    return point_name(tuple(axis.values.index(params[axis.name]) for axis in axes))


def design_params(campaign: Campaign, design: str | None) -> dict[str, float]:
    """Return the values that the pretraining of a design gets, by axis."""
    if design is None:
        return {}
    if design == CONVENTIONAL:
        params = trial_params(campaign, TrialName(CONVENTIONAL, 1))
        return {name: params[name] for name in campaign.pretrain_axes}
    places = zip(campaign.pretrain_axes, parse_point(design), strict=True)
    axes = {axis.name: axis for axis in campaign.space.axes}
    return {name: axes[name].values[index] for name, index in places}


def pretrain_folder(root: Path, design: str | None) -> Path:
    """Return the folder of the pretraining of a design."""
    return root / "pretrain" if design is None else root / "pretrain" / design


def _places(campaign: Campaign) -> list[int]:
    return [campaign.space.names.index(name) for name in campaign.pretrain_axes]
