"""The command line of D-DBPN: its commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from collinear.dbpn.config import NORMALISATIONS, STAGES

_Add = Callable[[str, str], argparse.ArgumentParser]


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m collinear.dbpn")
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        if name not in ("upscale", "convert"):
            command.add_argument("--config", type=Path, required=True)
            command.add_argument(
                "--param",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                help="a value of finetune, such as learning_rate=1e-4",
            )
        return command

    _add_trainings(add)
    _add_measurements(add)
    _add_image_commands(add)
    return parser


def _add_trainings(add: _Add) -> None:
    command = add("check", "check settings and images")
    command.add_argument("--init", type=Path, help="weights to start from")
    command.add_argument(
        "--settings-only", action="store_true", help="leave the images alone"
    )
    for name in STAGES:
        command = add(name, f"{name} a generator")
        command.add_argument("--init", type=Path, help="weights to start from")
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--seed", type=int, default=1)
        command.add_argument(
            "--tensorboard", type=Path, metavar="FOLDER", help="scalars, while it runs"
        )
        if name == "finetune":
            command.add_argument(
                "--stop", type=Path, help="table by which a hopeless training ends"
            )
    command = add("pretrain-variant", "run the first part of a pretraining, for a race")
    command.add_argument("--init", type=Path, help="weights to start from")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--epochs", type=float, help="how long, or in the file")
    command.add_argument("--iterations", type=int, help="likewise")
    command = add("finetune-length", "find out how long to fine-tune one setting")
    command.add_argument("--init", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument(
        "--longest", type=float, required=True, help="epochs to train and look at"
    )


def _add_measurements(add: _Add) -> None:
    command = add("profile", "measure what an update costs; writes cost.json")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--seconds", type=float, default=60.0)
    command.add_argument("--seed", type=int, help="accepted, without effect")
    command = add("profile-update", "measure one setting (used by profile)")
    command.add_argument("--point", required=True, metavar="JSON")
    command.add_argument("--seconds", type=float, required=True)
    command.add_argument("--subject", required=True)
    command.add_argument("--out", type=Path, required=True)
    command = add("predict", "time and memory of both stages from cost.json")
    command.add_argument("--cost", type=Path, required=True)
    command = add("tune-minibatch", "find out how many patches at once are fast")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--seed", type=int, help="accepted, without effect")
    command.add_argument(
        "--rule", choices=("doubling", "epoch-time", "gpu-usage"), default="doubling"
    )
    command.add_argument("--start", type=int, help="first size")
    command.add_argument("--largest", type=int, help="largest size tried")
    command.add_argument("--cost", type=Path, help="cost.json, for --memory-mib")
    command.add_argument("--memory-mib", type=float, help="limit for a part")


def _add_image_commands(add: _Add) -> None:
    command = add("score", "super-resolve and score the evaluation images")
    command.add_argument("--init", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--seed", type=int, help="accepted, without effect")
    command = add("upscale", "enlarge an image or a folder of images")
    command.add_argument("--config", type=Path, help="settings the weights must fit")
    command.add_argument("--init", type=Path, required=True)
    command.add_argument("--image", type=Path, required=True, help="a file or a folder")
    command.add_argument("--out", type=Path, required=True, help=".png, or a folder")
    command.add_argument(
        "--ensemble", action="store_true", help="the mean over eight orientations"
    )
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    command.add_argument(
        "--memory-gb", type=float, help="memory for the maps of a tile"
    )
    command.add_argument("--tile", type=int, help="side of a tile instead")
    command.add_argument("--overlap", type=int, help="not below what the network sees")
    command = add("illustrate", "compare weights on one evaluation image")
    command.add_argument(
        "--weights", action="append", required=True, metavar="NAME=FILE", default=[]
    )
    command.add_argument("--image", help="name of an evaluation image")
    command.add_argument("--out", type=Path, required=True)
    command = add("convert", "rewrite weights, also from and to the authors' names")
    command.add_argument("--weights", type=Path, required=True)
    command.add_argument(
        "--out", type=Path, required=True, help=".pt, .safetensors, .reference.pth"
    )
    command.add_argument("--residual", choices=("yes", "no"))
    command.add_argument("--normalisation", choices=NORMALISATIONS)
