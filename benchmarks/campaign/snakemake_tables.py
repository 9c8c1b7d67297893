"""What the real Snakemake costs, as tables: whole campaigns and finished ones."""

from __future__ import annotations

import pandas as pd
from tables import table

NAMES_AFTER = ("n", "restart", "status")


def overhead_table(found: pd.DataFrame) -> list[str]:
    """What `overhead.py` measured with the real Snakemake."""
    lines = [
        "## The real Snakemake, trainings of no duration",
        "",
        "Local profile; seconds for each trial in the first, second and last third of "
        "the trials, then CPU seconds of the main process and of the jobs; then "
        "seconds (CPU seconds) on the finished campaign. *load*: of the machine.",
        "",
    ]
    rows = []
    for _, row in found.iterrows():
        thirds = [
            " / ".join(f"{row[f'{name}{k}']:.2f}" for k in (1, 2, 3))
            for name in ("seconds", "main_cpu", "jobs_cpu")
        ]
        after = [f"{row[f'{n}_s']} ({row[f'{n}_cpu']})" for n in NAMES_AFTER]
        rows.append(
            [
                str(row["case"]),
                str(row["batch"]),
                str(row["strategy"]),
                str(row["load"]),
                *thirds,
                *after,
            ]
        )
    return lines + table(
        [
            "trials x lanes",
            "batch",
            "strategy",
            "load",
            "s a trial",
            "main CPU",
            "jobs CPU",
            "`-n`",
            "restart",
            "`status`",
        ],
        rows,
    )


def finished_table(found: pd.DataFrame) -> list[str]:
    """What `finished.py` measured."""
    lines = [
        "## A finished campaign",
        "",
        "CPU seconds of asking and telling one trial in each third of the campaign, "
        "without the start of a process; then seconds (CPU seconds) on the finished "
        "campaign. *load*: of the machine.",
        "",
    ]
    rows = [
        [
            str(row["case"]),
            str(row["strategy"]),
            " / ".join(f"{row[f'proposal_cpu{k}']:.3f}" for k in (1, 2, 3)),
            str(row["load"]),
            *(f"{row[f'{n}_s']} ({row[f'{n}_cpu']})" for n in NAMES_AFTER),
        ]
        for _, row in found.iterrows()
    ]
    head = ["trials x lanes", "strategy", "CPU a proposal", "load"]
    return lines + table([*head, "`-n`", "restart", "`status`"], rows)
