"""`python -m collinear.campaign status CONFIG`: how far a campaign is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from collinear.campaign.config import ConfigError, load_campaign
from collinear.campaign.status import read_status, status_line


def main(arguments: list[str] | None = None) -> int:
    """Prints one line about a campaign; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m collinear.campaign", description=__doc__
    )
    parser.add_argument("command", choices=["status"])
    parser.add_argument("config", type=Path, help="configuration of the campaign")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of all results"
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
        line = status_line(read_status(campaign, root))
    except ConfigError as error:  # a warm start that was added and cannot be read
        sys.stderr.write(f"{given.config}: {error}\n")
        return 2
    sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
