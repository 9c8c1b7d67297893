"""The demo campaign with both strategies and several campaign seeds.

    python benchmarks/demo/strategies.py --folder /tmp/strategies --seeds 1 2 3 4

A campaign takes about ten minutes on a core. One that has ended is not run again, so
the same command goes on where it was stopped. `--out` gets one row a campaign.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml
from pair import REPOSITORY, prepare

CHANGES = {
    "levelled": {},
    "anova": {"strategy": {"name": "anova"}, "batch": 6},
}
COLUMNS = {
    "mean": "niqe",
    "sd": "sd",
    "minus conventional": "minus conventional",
    "95 % from": "from",
    "to": "to",
    "recorded in the search": "recorded",
    "mean rmse": "rmse",
}


def write_config(folder: Path, name: str, seed: int) -> tuple[str, Path]:
    """Writes the demo's configuration with another strategy and seed."""
    config = yaml.safe_load((REPOSITORY / "config" / "demo.yaml").read_text())
    campaign = f"{name}{seed}"
    config |= {"campaign": campaign, "seed": seed, **CHANGES[name]}
    path = folder / "config" / f"{campaign}.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return campaign, path


def run(folder: Path, config: Path) -> None:
    """Runs or continues a campaign on one core."""
    words = [sys.executable, "-m", "snakemake", "--profile", "profiles/local"]
    words += ["--cores", "1", "--resources", "gpu=1"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    subprocess.run(
        [*words, "--configfile", str(config)], cwd=folder, env=environment, check=True
    )


def row(finals: Path) -> dict[str, object]:
    """What a campaign takes home, from the table of its finals.

    Without a finalist within the limits that is the conventional setting: no gain.
    """
    table = pd.read_csv(finals, sep="\t").set_index("setting")
    settings = table.drop(index="conventional")
    kept = settings[settings["within limits"] == "yes"]
    shown = {"finalists within limits": f"{len(kept)} of {len(settings)}"}
    if kept.empty:
        return shown | {"taken home": "conventional", "minus conventional": 0.0}
    best = kept.loc[kept["mean"].idxmin()]
    values = {new: best[old] for old, new in COLUMNS.items()}
    return shown | {"taken home": kept["mean"].idxmin()} | values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).with_name("strategies.tsv")
    )
    given = parser.parse_args()
    if not given.folder.exists():
        prepare(REPOSITORY, given.folder)
    rows = []
    for seed in given.seeds:
        for name in CHANGES:
            campaign, config = write_config(given.folder, name, seed)
            finals = given.folder / "results" / campaign / "report" / "finals.tsv"
            if not finals.exists():
                run(given.folder, config)
            rows.append({"strategy": name, "seed": seed, **row(finals)})
    table = pd.DataFrame(rows)
    table.to_csv(given.out, sep="\t", index=False)
    print(table.groupby("strategy")["minus conventional"].agg(["mean", "std"]))


if __name__ == "__main__":
    main()
