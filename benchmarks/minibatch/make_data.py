"""Small files in the formats of CIFAR-100 and ImageNet, to try everything without them.

python benchmarks/minibatch/make_data.py DIR     # DIR/cifar, DIR/imagenet
"""

from __future__ import annotations

import sys
from pathlib import Path

from loaders import write_cifar_like, write_imagenet_like


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    write_cifar_like(folder / "cifar", 2000)
    write_imagenet_like(folder / "imagenet", 60)


if __name__ == "__main__":
    main()
