"""What is done with finished weights: score them, enlarge images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collinear.dbpn.config import Settings
from collinear.dbpn.data import data_digest, list_images, load_pairs
from collinear.dbpn.device import choose_device, device_of
from collinear.dbpn.files import make_folder, write_json
from collinear.dbpn.folders import find_images
from collinear.dbpn.infer import Tiling, enlarge, upscale
from collinear.dbpn.pixels import NonFiniteError, quantise
from collinear.dbpn.progress import Progress
from collinear.dbpn.scoring import load_ma_model, score_images, score_record
from collinear.dbpn.section import ConfigError
from collinear.dbpn.weights import check_architecture, load_weights
from collinear.quality.images import RgbImage, read_image, write_png
from collinear.quality.score import SCORER, VALUES, SetScore


def run_score(settings: Settings, *, init: Path, out: Path) -> SetScore | None:
    """Super-resolve and score the evaluation images with some weights.

    Writes `images/*.png` and then `score.json` into the folder.

    Returns:
        The scores, or None when the network returns NaN or infinite values.

    Raises:
        ModelError: Ma's model is missing or another file; and as
            `collinear.dbpn.commands.run_stage`.
    """
    device = choose_device(settings)
    weights = load_weights(init)
    check_architecture(weights, settings.scale, settings.model, init)
    files = list_images(settings).evaluation
    ma_model = load_ma_model(settings.scoring)
    make_folder(out / "images")
    model = weights.build().to(device)
    record: dict[str, Any] = {
        "scorer": SCORER,
        "digests": {
            "weights": weights.digest,
            "data": data_digest(files, settings.scale),
        },
    }
    images: list[tuple[str, RgbImage, RgbImage]] = []
    try:
        for pair in load_pairs(files, settings.scale):
            images.append((pair.stem, upscale(model, pair.lq, settings.scale), pair.gt))
    except NonFiniteError as error:
        record |= {"status": "diverged", "reason": str(error)}
        record |= {"values": dict.fromkeys(VALUES), "images": []}
        write_json(out / "score.json", record)
        return None
    for name, sr, _ in images:
        write_png(out / "images" / f"{name}.png", sr)
    score = score_images(images, settings.scoring, ma_model, settings.threads)
    record |= score_record(score, ma_model)
    record |= {"images": [dataclasses.asdict(image) for image in score.images]}
    write_json(out / "score.json", record)
    return score


def run_upscale(
    *, init: Path, image: Path, out: Path, device: str = "auto", tiling: Tiling
) -> None:
    """Enlarge an image file, or all images of a folder, into PNG files.

    Args:
        init: The weights.
        image: An image file, or a folder of them.
        out: A .png file, or a folder; images in it keep their names.
        device: "auto", "cpu" or "cuda".
        tiling: How images are cut.

    Raises:
        As `collinear.dbpn.commands.run_stage`, and TilingError.
    """
    weights = load_weights(init)
    if image.is_dir():
        pairs = [(p, out / f"{p.stem}.png") for p in find_images([image], "--image")]
        _check_targets(pairs)
        make_folder(out)
    else:
        if out.suffix.lower() != ".png":
            raise ConfigError(f"--out {out}: must end in .png")
        pairs = [(image, out)]
        _check_targets(pairs)
        make_folder(out.parent)
    model = weights.build().to(device_of(device))
    with Progress("upscale", len(pairs)) as progress:
        for done, (source, target) in enumerate(pairs, start=1):
            large = enlarge(model, read_image(source), tiling)
            write_png(target, quantise(large, model.settings.normalisation))
            progress.update(done, source.name)


def _check_targets(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Check that no image is written over an original or over another one.

    Raises:
        ConfigError: One would be; both files are named.
    """
    originals = {source.resolve(): source for source, _ in pairs}
    written: dict[Path, Path] = {}
    for source, target in pairs:
        if target.resolve() in originals:
            raise ConfigError(
                f"--out: {source} would be written over the original {target}; choose "
                "another folder or name"
            )
        other = written.setdefault(target, source)
        if other != source:
            raise ConfigError(
                f"--image: {other} and {source} would both be written to {target}; "
                "rename one"
            )
