"""Scores the weights of one trial."""

from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.stages import Context, score
from collinear.campaign.trials import TrialName


def main(config, wildcards, attempt, path_to_log):
    campaign = load_campaign(config)
    root = Path("results") / campaign.name
    context = Context(campaign, root, Path(path_to_log), attempt)
    score(context, TrialName(wildcards.point, int(wildcards.seed)))


if __name__ == "__main__":
    main(
        snakemake.config,
        snakemake.wildcards,
        snakemake.resources.attempt,
        snakemake.log[0],
    )
