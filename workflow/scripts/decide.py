"""Writes the estimate of the campaign and says what it found."""

import sys
from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.decide import decide
from collinear.campaign.files import write_json


def main(config, path_to_estimate):
    campaign = load_campaign(config)
    estimate = decide(campaign, Path("results") / campaign.name)
    write_json(Path(path_to_estimate), estimate)
    sys.stderr.write(estimate["verdict"] + "\n")


if __name__ == "__main__":
    main(snakemake.config, snakemake.output[0])
