"""The documents' headlines beside what the simulator makes of their settings."""

from __future__ import annotations

import headlines
import pandas as pd
from tables import LABELS, table, usual


def headline_tables(runs: pd.DataFrame) -> list[str]:
    """The documents' headlines beside the simulator's."""
    lines = ["## The documents' headlines", ""]
    lines += table(["what", "numbers"], headlines.checks())
    lines += [
        "Factor: full trainings of 2000 epochs (72 h) of all trials one after another, "
        "over the wall time; a fine-tune is 9 h, the pretraining 36 h. Simulated rows "
        "are medians over landscapes and seeds, times 9 h. The documents' batches "
        "lasted 1.08 fine-tunes, so their jobs were nearly equal: cv 0, no failures.",
        "",
    ]
    rows = []
    for document in (headlines.JH220044, headlines.POSTER):
        rows.append(
            headline_row(
                f"document: {document.name}",
                document.trials,
                document.batches,
                document.hours,
            )
        )
        for cv in (0.0, 0.3):
            for method in (
                "levelled",
                "levelled-q4",
                "anova-sync",
                "anova-lanes-finals",
            ):
                part = usual(runs, document.name, cv)
                part = part[part["method"] == method]
                if len(part):
                    rows.append(
                        headline_row(
                            f"simulated: {LABELS[method]}, cv {cv:g} (n = {len(part)})",
                            part["trials"].median(),
                            part["batches"].median(),
                            part["wall"].median() * headlines.JOB_HOURS,
                        )
                    )
    return lines + table(
        [
            "campaign",
            "trials",
            "batches",
            "trials a batch",
            "mean width",
            "hours",
            "factor",
            "with the pretraining",
        ],
        rows,
    )


def headline_row(
    label: str, trials: float, batches: float | None, hours: float
) -> list[str]:
    return [
        label,
        f"{trials:.0f}",
        f"{batches:.0f}" if batches else "not stated",
        f"{trials / batches:.1f}" if batches else "-",
        f"{trials * headlines.JOB_HOURS / hours:.1f}",
        f"{hours:.0f}",
        f"{headlines.factor(trials, hours, pretraining=False):.0f}",
        f"{headlines.factor(trials, hours, pretraining=True):.0f}",
    ]
