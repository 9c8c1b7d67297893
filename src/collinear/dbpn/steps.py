"""The updates after which a network in training is scored; no torch here."""

from __future__ import annotations

from collections.abc import Sequence

from collinear.dbpn.section import ConfigError


def score_steps(epochs: Sequence[float], minibatch: int, images: int) -> list[int]:
    """The updates after which a network is scored."""
    return [max(1, round(epoch * images / minibatch)) for epoch in epochs]


def check_steps(epoch: float, steps: Sequence[int], iterations: int) -> None:
    """Check that a rung can be scored as planned.

    Raises:
        ConfigError: It lies at or behind the end, or two scores coincide.
    """
    if steps[-1] >= iterations:
        raise ConfigError(
            f"stopping: rung {epoch:g} is update {steps[-1]}, but must lie before the "
            f"end of the training, which has {iterations} updates"
        )
    if len(set(steps)) < len(steps):
        raise ConfigError(
            f"stopping: scores of rung {epoch:g} fall on the same update "
            f"({', '.join(map(str, steps))}); raise stopping.every or lower "
            "stopping.scores"
        )
