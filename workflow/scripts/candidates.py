"""Publishes the candidates of one step of a lane."""

from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.journal import Step
from collinear.campaign.steps import candidates


def main(config, wildcards, path_to_table):
    campaign = load_campaign(config)
    root = Path("results") / campaign.name
    step = Step(wildcards.lane, int(wildcards.step))
    candidates(campaign, root, step, Path(path_to_table))


if __name__ == "__main__":
    main(snakemake.config, snakemake.wildcards, snakemake.output[0])
