"""Regression forests in the layout of Ma's published model, evaluated exactly.

L. Breiman, "Random Forests", Machine Learning 45, 2001. A tree sends a sample from node
to node: left when the split feature is at most the threshold, right otherwise, until a
node without children gives its value; a forest is the mean over its trees. The sum runs
over the trees in their order, one after the other, so that it equals the program which
the model was trained with to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collinear.quality.ma_features import SIZES, MaFeatures


@dataclass(frozen=True)
class Forest:
    """The trees of one forest; unused nodes at the end of a tree are zero.

    Attributes:
        left: Number of the left child, shape (trees, nodes), int16; 0: a leaf. The root
            is 0, so no child is.
        right: Number of the right child, likewise.
        feature: Split feature from 0, shape (trees, nodes), uint8.
        value: Threshold of a split, or value of a leaf, shape (trees, nodes), float64.
    """

    left: NDArray[np.int16]
    right: NDArray[np.int16]
    feature: NDArray[np.uint8]
    value: NDArray[np.float64]

    def predict(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean over trees for each sample.

        Args:
            samples: Shape (n, features), float64.

        Returns:
            Shape (n,).
        """
        trees = np.arange(len(self.left))
        node = np.zeros((len(samples), len(trees)), dtype=np.int16)
        rows = np.arange(len(samples))[:, None]
        inside = self.left[trees, node] != 0
        while inside.any():
            split = samples[rows, self.feature[trees, node]]
            goes_left = split <= self.value[trees, node]
            child = np.where(goes_left, self.left[trees, node], self.right[trees, node])
            node = np.where(inside, child, node)
            inside = self.left[trees, node] != 0
        # accumulate, unlike sum, adds in order.
        totals = np.add.accumulate(self.value[trees, node], axis=1)[:, -1]
        return np.asarray(totals / len(trees), dtype=np.float64)


@dataclass(frozen=True)
class MaModel:
    """The published regressor: a forest for each group of features, and their weights.

    Attributes:
        forests: For the 18, 45 and 75 features.
        linear: Constant term and the weights of the three forests, shape (4,).
        blob: Git blob id of the file that the model was read from.
        digest: sha256 of the numbers.
    """

    forests: tuple[Forest, Forest, Forest]
    linear: NDArray[np.float64]
    blob: str
    digest: str

    @property
    def identity(self) -> dict[str, str]:
        """What names the model in a result."""
        return {"blob": self.blob, "digest": self.digest}

    def predict(self, features: Sequence[MaFeatures]) -> list[float]:
        """Return Ma's score of each image; higher is better, 0 to 10 as trained.

        Args:
            features: The features of each image; all images at once is fastest.
        """
        if not features:
            return []
        score = np.full(len(features), self.linear[0])
        for index, forest in enumerate(self.forests):
            samples = np.stack([found.groups[index] for found in features])
            assert samples.shape[1] == SIZES[index]
            score = score + self.linear[index + 1] * forest.predict(samples)
        return [float(value) for value in score]
