"""Tables of a report: the result beside other settings, and every trial."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from collinear.campaign.config import Campaign
from collinear.campaign.journal import results_of
from collinear.campaign.steps import journal_of
from collinear.campaign.trials import describe_number
from collinear.search import Status

HOURS = "hours"


def result_table(campaign: Campaign, estimate: Mapping[str, Any]) -> pd.DataFrame:
    """Setting, objective, trials, batches and hours, one column a source.

    Returns:
        Text cells; rows are quantities, columns "this campaign", "conventional
        setting" and the source of the documented result, as far as there are any.
    """
    columns = {"this campaign": _our_column(campaign, estimate)}
    if estimate["conventional"]:
        columns["conventional setting"] = _setting_cells(
            campaign, estimate["conventional"]
        )
    documented = campaign.documented_result
    if documented:
        columns[f"documented ({documented['source']})"] = _documented_column(
            campaign, documented
        )
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    cells = {name: [c.get(row, "") for row in rows] for name, c in columns.items()}
    return pd.DataFrame(cells, index=pd.Index(rows, name="quantity"))


def _setting_cells(campaign: Campaign, setting: Mapping[str, Any]) -> dict[str, str]:
    cells = {name: describe_number(v) for name, v in setting["params"].items()}
    for name in [campaign.goal.objective, *campaign.application.values]:
        value = setting["values"].get(name)
        cells[name] = _cell(value, setting["status"])
    if campaign.goal.limits:
        limits = ", ".join(
            f"{li.name} <= {li.maximum:g}" for li in campaign.goal.limits
        )
        cells[f"within limits ({limits})"] = "yes" if setting["feasible"] else "no"
    return cells


def _cell(value: float | None, status: str) -> str:
    """A value with four decimals, a small one with four digits; else why none."""
    if value is None:
        return "not recorded" if status == Status.DONE else status
    large = value == 0 or abs(value) >= 0.1
    text = f"{value:.4f}" if large else f"{value:.4g}"
    return text if status == Status.DONE else f"{text} ({status})"


def _our_column(campaign: Campaign, estimate: Mapping[str, Any]) -> dict[str, str]:
    best = estimate["best"]
    cells = _setting_cells(campaign, best) if best else {}
    if estimate.get("finals"):
        runs = {f["point"]: f["n"] for f in estimate["finals"]["finalists"]}
        cells["fresh runs behind these means"] = str(
            runs.get(estimate["finals"]["best"], 0)
        )
    cells["trials"] = str(estimate["trials"])
    cells["batches"] = str(estimate["batches"])
    cells[HOURS] = f"{estimate['busy_hours']:.3g}"
    cells["hours of all trainings together"] = f"{estimate['gpu_hours']:.3g}"
    return cells


def _documented_column(
    campaign: Campaign, documented: Mapping[str, Any]
) -> dict[str, str]:
    setting = documented.get("setting", {})
    cells = {name: describe_number(value) for name, value in setting.items()}
    name, value = documented["objective_name"], documented["objective"]
    note = "" if name == campaign.goal.objective else " (not comparable)"
    text = f"{value:g}{note}"
    if "conventional_objective" in documented:
        text += f", conventional {documented['conventional_objective']:g}"
    cells[name] = text
    for key in ("rmse", "trials", "batches", HOURS):
        if key in documented:
            cells[key] = f"{documented[key]:g}"
    return cells


def trials_table(campaign: Campaign, root: Path) -> pd.DataFrame:
    """Every told trial: lane, step, point, seed, setting, outcome and values."""
    rows = []
    for entry in journal_of(root).entries():
        for result in results_of(entry) if "results" in entry else ():
            rows.append(
                {
                    "lane": entry["lane"],
                    "step": entry["step"],
                    "point": "-".join(map(str, result.point)),
                    "seed": result.seed,
                    **campaign.space.params(result.point),
                    "status": result.status.value,
                    "feasible": campaign.goal.feasible(result),
                    **result.values,
                }
            )
    return pd.DataFrame(rows)
