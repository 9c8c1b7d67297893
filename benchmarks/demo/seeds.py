"""Trains the best and the conventional setting of the demo again with fresh seeds.

    make demo
    .venv/bin/python benchmarks/demo/seeds.py > benchmarks/demo/seeds.tsv

Works in a temporary folder on the finished campaign's pretraining; changes nothing in
`results/`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import yaml

from collinear.campaign.config import Campaign, load_campaign
from collinear.campaign.files import read_json
from collinear.campaign.program import Stage, run_stage
from collinear.campaign.trials import program_input, training_seed

SEEDS = (2, 3, 4, 5)
ROOT = Path("results/demo")


def train_and_score(
    campaign: Campaign, params: dict[str, float], seed: int, work: Path
) -> dict[str, float]:
    """Values of one setting under one seed."""
    application = campaign.application
    assert application.score is not None
    config = program_input(campaign, params)
    common = {"config": config, "seed": training_seed(campaign.seed, seed)}
    common |= {"threads": campaign.threads, "log": work / "log.txt"}
    pretrained = ROOT / "pretrain" / "weights.pt"
    run_stage(
        Stage(
            application.finetune,
            work / "train",
            "metrics.json",
            init=pretrained,
            **common,
        )
    )
    weights = work / "train" / "weights.pt"
    return run_stage(
        Stage(application.score, work / "score", "score.json", init=weights, **common)
    )["values"]


def main() -> None:
    """Prints one row a setting and seed; seed 1 is the campaign's own training."""
    text = Path("config/demo.yaml").read_text(encoding="utf-8")
    campaign = load_campaign(yaml.safe_load(text))
    estimate = read_json(ROOT / "estimate.json")
    sys.stdout.write("setting\tseed\tniqe\trmse\n")
    for name in ("conventional", "best"):
        rows = {1: estimate[name]["values"]}
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                params = estimate[name]["params"]
                rows[seed] = train_and_score(campaign, params, seed, Path(folder))
        for seed, values in rows.items():
            sys.stdout.write(
                f"{name}\t{seed}\t{values['niqe']:.3f}\t{values['rmse']:.3f}\n"
            )


if __name__ == "__main__":
    main()
