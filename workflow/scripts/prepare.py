"""Measures what the trials will cost, or minibatch sizes."""

from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.prepare import prepare
from collinear.campaign.stages import Context


def main(config, name, path_to_log):
    campaign = load_campaign(config)
    root = Path("results") / campaign.name
    prepare(Context(campaign, root, Path(path_to_log)), name)


if __name__ == "__main__":
    main(snakemake.config, snakemake.params.name, snakemake.log[0])
