"""`python -m collinear.campaign status CONFIG [--watch]`: how far a campaign is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from collinear.campaign.config import load_campaign
from collinear.campaign.schema import ConfigError
from collinear.campaign.status import read_status, status_line
from collinear.campaign.watch import details, watch


def main(arguments: list[str] | None = None) -> int:
    """Prints where a campaign stands; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m collinear.campaign", description=__doc__
    )
    parser.add_argument("command", choices=["status"])
    parser.add_argument("config", type=Path, help="configuration of the campaign")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of all results"
    )
    parser.add_argument(
        "--watch",
        type=_seconds,
        nargs="?",
        const=5.0,
        metavar="SECONDS",
        help="look again every so many seconds (5) until the campaign has finished",
    )
    given = parser.parse_args(arguments)
    try:
        campaign = load_campaign(yaml.safe_load(given.config.read_text()))
    except (OSError, KeyError, ConfigError) as error:
        sys.stderr.write(f"{given.config}: {error}\n")
        return 2
    root = given.results / campaign.name
    if not (root / "settings.json").exists():
        sys.stdout.write(f"{campaign.name}: not started ({root} holds no campaign)\n")
        return 0
    try:
        if given.watch is not None:
            watch(campaign, root, given.watch, sys.stdout)
            return 0
        status = read_status(campaign, root)
        lines = [status_line(status), *details(status, root)]
    except KeyboardInterrupt:
        return 0
    except ConfigError as error:  # a warm start that was added and cannot be read
        sys.stderr.write(f"{given.config}: {error}\n")
        return 2
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"must be 0.1 s or more, but got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
