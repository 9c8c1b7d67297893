"""Lets the application draw one example with the networks of the report."""

from pathlib import Path

from collinear.campaign.config import load_campaign
from collinear.campaign.decide import example_weights
from collinear.campaign.files import read_json
from collinear.campaign.report import illustrate


def main(config, path_to_estimate, path_to_picture, path_to_log):
    campaign = load_campaign(config)
    root = Path("results") / campaign.name
    weights = example_weights(campaign, root, read_json(Path(path_to_estimate)))
    illustrate(campaign, weights, Path(path_to_picture), Path(path_to_log))


if __name__ == "__main__":
    main(
        snakemake.config,
        snakemake.input.estimate,
        snakemake.output[0],
        snakemake.log[0],
    )
