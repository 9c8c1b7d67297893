"""Score a folder: python -m collinear.quality SR_DIR HR_DIR [--ma-model FILE].

Exit codes: 0 when the images were scored (without a model the perceptual index is
null), 2 for bad input, with one line on stderr, 130 when interrupted.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collinear.quality.folders import CHALLENGE_IMAGES, score_folders
from collinear.quality.forest import MaModel
from collinear.quality.images import ImageError
from collinear.quality.ma_model import SOURCE, ModelError, load_model
from collinear.quality.measure import ScoreError
from collinear.quality.records import RecordCache
from collinear.quality.score import SCORER, ImageScore, SetScore

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
COLUMNS = ("name", "mse", "rmse", "niqe", "ma", "perceptual_index", "flat_share")

_BAR = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Score two folders and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        cache = RecordCache(options.cache) if options.cache else None
        model = None
        if options.ma_model is not None:
            model = load_model(
                options.ma_model, foreign=options.foreign_model, keep=options.cache
            )
        score = score_folders(
            options.sr_dir,
            options.hr_dir,
            model=model,
            cache=cache,
            jobs=options.jobs,
            progress=_show_progress,
        )
    except (ScoreError, ImageError, ModelError, OSError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
    for warning in score.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    write = _as_json if options.json else _as_csv if options.csv else _as_table
    sys.stdout.write(write(score, model))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m collinear.quality",
        description="RMSE, NIQE, Ma's score and the perceptual index of a folder of "
        "super-resolved images, as the PIRM 2018 challenge computes them.",
    )
    parser.add_argument("sr_dir", type=Path, help="folder of super-resolved images")
    parser.add_argument("hr_dir", type=Path, help="folder of originals, same names")
    parser.add_argument(
        "--ma-model", type=Path, metavar="FILE", help=f"model.mat of {SOURCE}"
    )
    parser.add_argument(
        "--foreign-model",
        action="store_true",
        help="accept a model that is not the published one; its id is in the output",
    )
    parser.add_argument(
        "--jobs", type=_jobs, default=_cores(), metavar="N", help="processes"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep measurements for the next time"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all numbers as JSON")
    form.add_argument("--csv", action="store_true", help="the images as CSV")
    return parser


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, but got {text!r}")
    return int(text)


def _cores() -> int:
    # The cores that this process may use, fewer than the machine's inside a job.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _show_progress(done: int, total: int) -> None:
    """Draw a bar on a terminal; say nothing in a log."""
    if sys.stderr.isatty():
        filled = _BAR * done // total
        bar = "#" * filled + "." * (_BAR - filled)
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r[{bar}] {done}/{total} images{end}")
        sys.stderr.flush()


def _row(image: ImageScore) -> dict[str, Any]:
    return {
        "name": image.name,
        "mse": image.mse,
        "rmse": math.sqrt(image.mse),
        "niqe": image.niqe,
        "ma": image.ma,
        "perceptual_index": image.perceptual_index,
        "flat_share": image.flat_share,
    }


def _as_json(score: SetScore, model: MaModel | None) -> str:
    content = {
        "scorer": SCORER,
        "ma_model": model.identity if model else None,
        "values": score.values,
        "reason": score.reason,
        "warnings": list(score.warnings),
        "images": [{**_row(image), "y_sum": image.y_sum} for image in score.images],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _as_csv(score: SetScore, model: MaModel | None) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(image) for image in score.images)
    return text.getvalue()


def _as_table(score: SetScore, model: MaModel | None) -> str:
    columns = ("rmse", "niqe", "ma", "perceptual_index")
    width = max(len("all images"), *(len(image.name) for image in score.images))
    heads = ("RMSE", "NIQE", "Ma", "PI")
    lines = [f"{'image':<{width}}" + "".join(f"{head:>11}" for head in heads)]
    for image in score.images:
        row = _row(image)
        lines.append(f"{image.name:<{width}}" + _cells([row[c] for c in columns]))
    lines.append("-" * len(lines[0]))
    total = _cells([score.values[column] for column in columns])
    lines.append(f"{'all images':<{width}}" + total)
    if len(score.images) != CHALLENGE_IMAGES:
        lines.append(
            f"The means of the PIRM challenge are over {CHALLENGE_IMAGES} images."
        )
    if model is None:
        lines.append(f"No Ma model, so no perceptual index: give model.mat of {SOURCE}")
        lines.append("with --ma-model (docs/perceptual_index.md).")
    return "\n".join(lines) + "\n"


def _cells(values: Sequence[float | None]) -> str:
    return "".join(f"{'-':>11}" if v is None else f"{v:>11.4f}" for v in values)


if __name__ == "__main__":
    sys.exit(main())
