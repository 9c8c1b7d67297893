"""`python -m collinear.campaign status CONFIG [--watch]`: how far a campaign is."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import yaml

from collinear.campaign.config import Campaign, load_campaign
from collinear.campaign.digests import check_frozen
from collinear.campaign.schema import ConfigError, check_plain, load_schema
from collinear.campaign.status import read_status, status_line
from collinear.campaign.watch import details, watch

SCHEMA = Path("workflow/schemas/config.schema.yaml")


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
        campaign = read_campaign(given.config)
        root = given.results / campaign.name
        check_frozen(campaign, root)
    except ValueError as error:  # also a damaged settings.json
        sys.stderr.write(f"{given.config}: {error}\n")
        return 2
    if not (root / "settings.json").exists():
        sys.stdout.write(f"{campaign.name}: not started ({root} holds no campaign)\n")
        return 0
    try:
        if given.watch is not None:
            watch(campaign, root, given.watch, sys.stdout)
            return 0
        status = read_status(campaign, root)
        sys.stdout.write(
            "\n".join([status_line(status), *details(status, root)]) + "\n"
        )
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        # What is still buffered has nowhere to go when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    # A warm start that was added and cannot be read; a damaged file of the campaign.
    except ValueError as error:
        sys.stderr.write(f"{given.config}: {error}\n")
        return 2
    return 0


def read_campaign(path: Path) -> Campaign:
    """The campaign of a configuration file.

    Its shape is checked where the workflow lies in the current folder, as it does where
    campaigns are started.

    Raises:
        ConfigError: The file cannot be read, or breaks a rule.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text ({error})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict):
        raise ConfigError("must hold the keys of a campaign (config/README.md)")
    schema = load_schema(SCHEMA) if SCHEMA.exists() else None
    if schema is None:
        check_plain(config)
    try:
        return load_campaign(config, schema)
    except ConfigError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Without the schema a wrong shape shows only where it is used.
        raise ConfigError(
            f"is not the configuration of a campaign ({error!r}); "
            "`snakemake -n --configfile` says what is wrong"
        ) from error


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"must be 0.1 s or more, but got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
