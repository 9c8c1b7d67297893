"""Tells the results of one step of a lane and says how far the campaign is."""

import sys
from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.journal import Step
from collinear.campaign.status import read_status, status_line
from collinear.campaign.steps import update


def main(config, wildcards, path_to_update):
    campaign = load_campaign(config)
    root = Path("results") / campaign.name
    step = Step(wildcards.lane, int(wildcards.step))
    update(campaign, root, step, Path(path_to_update))
    sys.stderr.write(status_line(read_status(campaign, root)) + "\n")


if __name__ == "__main__":
    main(snakemake.config, snakemake.wildcards, snakemake.output[0])
