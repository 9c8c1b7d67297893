"""Weights under the names of the authors' public program, in and out.

Their files hold tensors by name, often with the prefix "module." of a data-parallel
wrapper. The names and shapes tell the architecture, but not whether the network adds to
the bicubic image, nor the range of its images: the authors' programs do one or the
other, and the user of a file has to know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from collinear.dbpn.config import GEOMETRY, ModelSettings

_PREFIX = "module."
_PARTS = ("project", "back", "correct")


class UnknownNetworkError(ValueError):
    """Tensors that are not those of one of the authors' networks."""


def own_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under our names that carry those of the authors' program."""
    return {_own_name(name.removeprefix(_PREFIX)): v for name, v in state.items()}


def reference_state(
    state: Mapping[str, Tensor], prefix: str = _PREFIX
) -> dict[str, Tensor]:
    """Return tensors of `DBPN` under the names of the authors' program.

    Args:
        state: The tensors under our names.
        prefix: Put before each name; their published files have "module.".
    """
    return {prefix + _their_name(name): value for name, value in state.items()}


def recognise(
    state: Mapping[str, Tensor], *, residual: bool, normalisation: str
) -> tuple[int, ModelSettings]:
    """Return scale and shape of the network that tensors belong to.

    Args:
        state: Tensors under the authors' names.
        residual: Whether the network adds to the bicubic image.
        normalisation: Range of its images.

    Raises:
        UnknownNetworkError: They are not those of one network.
    """
    own = own_state(state)
    try:
        feat, base = (
            own["wide.conv.weight"].shape[0],
            own["narrow.conv.weight"].shape[0],
        )
        kernel = own["ups.0.project.conv.weight"].shape[-1]
        groups, left = divmod(own["output.weight"].shape[1], base)
    except KeyError as error:
        raise UnknownNetworkError(f"there is no tensor for {error.args[0]}") from error
    scales = {geometry[0]: scale for scale, geometry in GEOMETRY.items()}
    length = 1 + max(int(n.split(".")[1]) for n in own if n.startswith("ups."))
    if kernel not in scales or left:
        raise UnknownNetworkError(
            f"kernels of {kernel} pixels and {groups * base + left} maps before the "
            f"output, with {base} maps a unit, belong to no D-DBPN"
        )
    dense = groups == length
    shape = ModelSettings(
        variant="dense" if dense else "iterative",
        stages=groups,
        base=base,
        feat=feat,
        residual=residual,
        normalisation=normalisation,
        **({} if dense else {"chain": length}),
    )
    return scales[kernel], shape


def _own_name(name: str) -> str:
    """Return our name of a parameter of the authors' program."""
    unit = re.fullmatch(r"(up|down)(\d+)\.(.+)", name)
    if unit:
        kind, number, rest = unit.groups()
        rest = re.sub(r"^conv\.", "merge.", rest)
        for index, own in enumerate(_PARTS, start=1):
            rest = re.sub(rf"^{kind}_conv{index}\.", f"{own}.", rest)
        return f"{kind}s.{int(number) - 1}.{rest.replace('deconv.', 'conv.')}"
    if name.startswith("output_conv.conv."):
        return name.replace("output_conv.conv.", "output.")
    return name.replace("feat0.", "wide.").replace("feat1.", "narrow.")


def _their_name(name: str) -> str:
    """Return the authors' name of one of our parameters."""
    unit = re.fullmatch(r"(up|down)s\.(\d+)\.(\w+)\.(.+)", name)
    if unit:
        kind, number, part, rest = unit.groups()
        owner = f"{kind}{int(number) + 1}"
        if part == "merge":
            return f"{owner}.conv.{rest}"
        index = _PARTS.index(part)
        # Up-units enlarge first and last, down-units in the middle.
        enlarges = (kind == "up") == (part != "back")
        layer = rest.replace("conv.", "deconv.") if enlarges else rest
        return f"{owner}.{kind}_conv{index + 1}.{layer}"
    if name.startswith("output."):
        return name.replace("output.", "output_conv.conv.")
    return name.replace("wide.", "feat0.").replace("narrow.", "feat1.")
