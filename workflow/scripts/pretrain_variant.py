"""Runs, resumes or finds finished one variant of the pretraining."""

from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.stages import Context, pretrain_variant


def main(config, name, attempt, path_to_log):
    campaign = load_campaign(config)
    root = Path("results") / campaign.name
    pretrain_variant(Context(campaign, root, Path(path_to_log), attempt), name)


if __name__ == "__main__":
    main(
        snakemake.config,
        snakemake.wildcards.variant,
        snakemake.resources.attempt,
        snakemake.log[0],
    )
