"""Trains the network that every trial starts from."""

from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.stages import Context, pretrain


def main(config, path_to_log):
    campaign = load_campaign(config)
    pretrain(Context(campaign, Path("results") / campaign.name, Path(path_to_log)))


if __name__ == "__main__":
    main(snakemake.config, snakemake.log[0])
