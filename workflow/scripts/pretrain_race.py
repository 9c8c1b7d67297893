"""Chooses the variant of the pretraining that goes on."""

import sys
from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.outcome import ProgramError
from collinear.campaign.race import decide_race


def main(config, path_to_log):
    campaign = load_campaign(config)
    try:
        choice = decide_race(campaign, Path("results") / campaign.name)
    except ProgramError as error:
        Path(path_to_log).write_text(f"{error}\n")
        raise SystemExit(f"error: {error}") from None
    Path(path_to_log).write_text(f"{choice['why']}\n")
    sys.stderr.write(f"{choice['winner']} goes on. {choice['why']}\n")


if __name__ == "__main__":
    main(snakemake.config, snakemake.log[0])
