"""The page of a report, which shows its tables and figures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from collinear.campaign.config import Campaign
from collinear.campaign.finals_report import finals_section
from collinear.campaign.limit_tables import limits_section


def page(
    campaign: Campaign,
    estimate: Mapping[str, Any],
    table: pd.DataFrame,
    warm: str | None = None,
    prepared: Sequence[str] = (),
) -> str:
    """The report as one HTML page beside its figures.

    Args:
        campaign: The campaign.
        estimate: What it found.
        table: See `result_table`.
        warm: What a warm start took over, in words, or None.
        prepared: What was raced, measured before the trials, and stopped, in words.
    """
    name = html.escape(campaign.name)
    outcomes = ", ".join(f"{n} {k}" for k, n in estimate["outcomes"].items())
    objective = campaign.goal.objective
    ended = estimate.get("ending")
    notes = [f"The search ended: {ended}."] if ended else []
    notes += [f"{warm.capitalize()}."] if warm else []
    notes += prepared
    remarks = html.escape(" ".join(notes))
    sense = "minimised" if campaign.goal.lower_is_better else "maximised"
    shown = "\n".join(
        f'<figure><img src="{file}" alt="{html.escape(text)}">'
        f"<figcaption>{html.escape(text)}</figcaption></figure>"
        for file, text in _figures(campaign)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
        padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; padding: .2rem 1rem .2rem 0;
          border-bottom: 1px solid #ddd; }}
img {{ max-width: 100%; }}
figure {{ margin: 2rem 0; }}
figcaption {{ color: #555; }}
</style></head><body>
<h1>{name}</h1>
<p><strong>{html.escape(estimate["verdict"])}</strong></p>
<p>Objective: {html.escape(objective)}, {sense}. Trials: {estimate["trials"]}
({html.escape(outcomes)}). All of them: <a href="trials.tsv">trials.tsv</a>.
{remarks}</p>
{table.to_html(border=0, escape=True)}
{finals_section(campaign, estimate)}
{limits_section(campaign, estimate)}
{shown}
</body></html>
"""


def _figures(campaign: Campaign) -> list[tuple[str, str]]:
    """File and caption of each figure of a report."""
    objective = campaign.goal.objective
    figures = [
        ("history.svg", f"Search history: {objective} of every trial, batches shaded."),
        ("tradeoff.svg", f"{objective} against {abscissa(campaign)}."),
        (
            "lines.svg",
            "Every explored line with its trials and what they say of it: mean and two "
            "standard deviations (green); the d-spline that a line search followed "
            "(dotted); the best setting is ringed.",
        ),
        ("jobs.svg", "Job execution: trials at the same time, and slots over time."),
    ]
    if campaign.prepare.profile:
        figures.append(("costs.svg", "What trials took against what was predicted."))
    if campaign.pretrain_axes:
        figures.append(
            (
                "speed_front.svg",
                "Speed against quality, a colour for each design; open: over a limit. "
                "The numbers: speed_front.tsv.",
            )
        )
    if campaign.pretrain_race is not None:
        figures.append(
            (
                "race.svg",
                "The race of pretrainings: what was measured (lines), how it was "
                "continued (dashed) and where variants were compared (points). The "
                "numbers: race.tsv.",
            )
        )
    if campaign.application.illustrate is not None:
        figures.append(("photograph.png", "One evaluation photograph."))
    return figures


def abscissa(campaign: Campaign) -> str:
    """The value that the objective is drawn against: a limited one if there is one."""
    others = [n for n in campaign.application.values if n != campaign.goal.objective]
    limited = [limit.name for limit in campaign.goal.limits]
    return next(iter([*limited, *others, campaign.goal.objective]))
