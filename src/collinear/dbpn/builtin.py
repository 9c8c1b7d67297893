"""Photographs inside installed packages, for trying things out."""

BUILTIN = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "motorcycle_left": ("skimage", "data/motorcycle_left.png"),
    "hubble_deep_field": ("skimage", "data/hubble_deep_field.jpg"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}
"""Photographs inside installed packages: package and file. They are never copied."""
BUILTIN_TRAIN = (
    "astronaut",
    "coffee",
    "rocket",
    "motorcycle_left",
    "hubble_deep_field",
    "china",
)
BUILTIN_EVALUATION = ("chelsea", "flower")
