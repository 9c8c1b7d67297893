"""Draws the figures, tables and the page of a finished campaign."""

from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.files import read_json
from collinear.campaign.report import write_report


def main(config, path_to_estimate):
    campaign = load_campaign(config)
    root = Path("results") / campaign.name
    write_report(campaign, root, read_json(Path(path_to_estimate)))


if __name__ == "__main__":
    main(snakemake.config, snakemake.input.estimate)
