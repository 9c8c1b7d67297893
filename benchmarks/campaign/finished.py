"""What a large finished campaign costs to look at, without running its jobs.

    python finished.py --case 545x50

Makes the files of a campaign by the product's own steps, lane after lane, with trials
that cost nothing; lets Snakemake close the lanes and write the report; then measures
`-n`, the same command again and `status`. It also measures the product's own part of a
proposal (asking and telling, with a journal that is read anew as each job does) in
thirds of the campaign. What Snakemake itself needs while a campaign runs, `overhead.py`
measures. Appends a row to measured/finished.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from overhead import (
    CASES,
    HERE,
    append,
    copy_workflow,
    environment,
    finished_commands,
    snakemake,
)

from collinear.campaign import journal
from collinear.campaign.config import Campaign, load_campaign
from collinear.campaign.digests import scoring_digest, training_digest
from collinear.campaign.files import write_json
from collinear.campaign.journal import Step
from collinear.campaign.steps import candidates, update
from collinear.campaign.trials import TrialName, read_candidates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=list(CASES), default="545x50")
    parser.add_argument("--strategy", default="random")
    parser.add_argument("--out", type=Path, default=HERE / "measured" / "finished.csv")
    given = parser.parse_args()
    case = CASES[given.case]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copy_workflow(place, case, given.strategy)
        row = {"case": case.name, "batch": case.batch, "strategy": given.strategy}
        row |= make(place)
        close(place)
        row |= {"load": round(os.getloadavg()[0], 1)} | finished_commands(place)
    append(given.out, row)
    sys.stdout.write(json.dumps(row, indent=1) + "\n")


def make(
    place: Path, most: int = sys.maxsize, *, as_jobs: bool = True
) -> dict[str, float]:
    """Writes the steps of all lanes, at most so many; CPU seconds of one by thirds.

    `as_jobs`: every step reads the journal anew, as the jobs do, each a process.
    """
    os.chdir(place)
    campaign = load_campaign(yaml.safe_load(Path("campaign.yaml").read_text()))
    root = Path("results") / campaign.name
    work = root / "pretrain"
    for name in ("weights.pt", "curve.tsv"):
        write_json(work / name, {})
    write_json(work / "metrics.json", {"status": "done"})
    cpu: list[float] = []
    open_lanes, step = list(campaign.lane_names), 0
    while open_lanes and len(cpu) < most:
        for lane in open_lanes[: most - len(cpu)]:
            if as_jobs:
                journal._parsed.cache_clear()
            before = time.process_time()
            if not one_step(campaign, root, Step(lane, step)):
                open_lanes.remove(lane)
            cpu.append(time.process_time() - before)
        step += 1
    os.chdir(HERE)
    third = len(cpu) // 3
    parts = (cpu[:third], cpu[third : 2 * third], cpu[2 * third :])
    return {
        f"proposal_cpu{k}": round(sum(p) / len(p), 4) for k, p in enumerate(parts, 1)
    }


def one_step(campaign: Campaign, root: Path, step: Step) -> bool:
    """Asks, makes the trials' files, and tells; False for an empty batch."""
    folder = root / "lanes" / step.lane / str(step.step)
    candidates(campaign, root, step, folder / "candidates.tsv")
    batch = read_candidates(folder / "candidates.tsv")
    for trial in batch:
        make_trial(campaign, root, trial)
    if batch:
        update(campaign, root, step, folder / "update.json")
    return bool(batch)


def make_trial(campaign: Campaign, root: Path, trial: TrialName) -> None:
    """The declared files of a trial, as its jobs leave them."""
    folder = root / "trials" / trial.point / f"seed{trial.seed}"
    folder.mkdir(parents=True)
    for name in ("weights.pt", "curve.tsv"):
        (folder / name).write_text("")
    (folder / "metrics.json").write_text(json.dumps({"status": "done", "epochs": 1}))
    cost = sum((int(i) - 6.0) ** 2 for i in trial.point.split("-"))
    digests = {
        "training": training_digest(campaign),
        "scoring": scoring_digest(campaign),
    }
    record = {"status": "done", "values": {"cost": cost}, "digests": digests}
    (folder / "score.json").write_text(json.dumps(record))


def close(place: Path) -> None:
    """Lets Snakemake do what is left: close the lanes, decide, report."""
    done = subprocess.run(
        snakemake(),
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or "rule finetune" in done.stderr:
        raise SystemExit(done.stderr[-3000:])


if __name__ == "__main__":
    main()
