"""Matrix products in pieces that stay on one core, in the cache, and in one order.

A BLAS library starts threads for large products. For the flat matrices of this package
threads cost more than they bring (several times more on a busy machine), and they can
change the order of sums. Below about 2^18 multiplications a product runs on the calling
core; so these functions give the same bits with any number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]

_LARGEST = 2**18
_ROWS = 200


def multiply(left: Plane, right: Plane, out: Plane | None = None) -> Plane:
    """Return left @ right in pieces of columns of `right`.

    Args:
        left: Shape (m, k), small.
        right: Shape (k, n) with a large n, contiguous along its rows.
        out: Where the result goes, shape (m, n); made if left out.
    """
    if out is None:
        out = np.empty((left.shape[0], right.shape[1]))
    step = _step(left.size)
    whole = right.shape[1] // step * step
    np.matmul(left, _pieces(right, step, whole), out=_pieces(out, step, whole))
    np.matmul(left, right[:, whole:], out=out[:, whole:])
    return out


def multiply_rows(left: Plane, right: Plane, out: Plane) -> None:
    """Write left @ right in pieces of rows of `left`, which has many, into `out`."""
    step = _step(right.size)
    for row in range(0, len(left), step):
        np.matmul(left[row : row + step], right, out=out[row : row + step])


def gram(lines: Plane) -> Plane:
    """Return lines @ lines.T, the sums over pieces taken one after the other.

    Args:
        lines: Shape (m, n) with a large n, contiguous along its rows.
    """
    step = _step(len(lines) ** 2)
    whole = lines.shape[1] // step * step
    pieces, rest = _pieces(lines, step, whole), lines[:, whole:]
    total: Plane = (pieces @ pieces.transpose(0, 2, 1)).sum(axis=0)
    return total + rest @ rest.T


def squared_norms(left: Plane, right: Plane) -> Plane:
    """Return the squared length of each column of left @ right, which is not kept.

    Args:
        left: Shape (m, k), small.
        right: Shape (k, n) with a large n, contiguous along its rows.

    Returns:
        Shape (n,).
    """
    squares = np.empty(right.shape[1])
    step = _step(left.size)
    for start in range(0, right.shape[1], step):
        part = left @ right[:, start : start + step]
        np.einsum("ij,ij->j", part, part, out=squares[start : start + step])
    return squares


def triangle(tall: Plane) -> Plane:
    """Return R of a QR decomposition, found in pieces of rows and pieces of these.

    Args:
        tall: Shape (n, k) with a small k.

    Returns:
        Shape (k, k); it has the singular values of `tall`.
    """
    while len(tall) > _ROWS:
        # Rows of zeros change nothing.
        padded = np.pad(tall, ((0, -len(tall) % _ROWS), (0, 0)))
        parts = _right_factor(padded.reshape(-1, _ROWS, tall.shape[1]))
        tall = parts.reshape(-1, tall.shape[1])
    return _right_factor(tall)


def _right_factor(matrices: Plane) -> Plane:
    factor: Plane = np.asarray(np.linalg.qr(matrices, mode="r"))
    return factor


def _step(products: int) -> int:
    return max(_LARGEST // products, 1)


def _pieces(matrix: Plane, step: int, whole: int) -> Plane:
    """View the first `whole` columns as pieces, shape (pieces, rows, step)."""
    cut = matrix[:, :whole].reshape(len(matrix), whole // step, step)
    return cut.transpose(1, 0, 2)
