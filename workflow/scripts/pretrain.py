"""Trains the network that every trial, or every one of a design, starts from."""

from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.stages import Context, pretrain


def main(config, design, path_to_log):
    campaign = load_campaign(config)
    root = Path("results") / campaign.name
    pretrain(Context(campaign, root, Path(path_to_log)), design)


if __name__ == "__main__":
    main(
        snakemake.config, getattr(snakemake.wildcards, "design", None), snakemake.log[0]
    )
