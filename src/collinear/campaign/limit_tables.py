"""Tables of a campaign with several limits on one value, for its report."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from collinear.campaign.config import Campaign
from collinear.search import waits


def limits_table(estimate: Mapping[str, Any]) -> pd.DataFrame:
    """The best setting within each limit, one row a limit, the tightest first."""
    return _table(
        ({f"{entry['name']} within": entry["maximum"]}, entry["best"])
        for entry in estimate["each_limit"]
    )


def front_table(estimate: Mapping[str, Any]) -> pd.DataFrame:
    """The front of objective and limited value, by rising limited value."""
    return _table(({}, setting) for setting in estimate["front"])


def limits_section(campaign: Campaign, estimate: Mapping[str, Any]) -> str:
    """The part of the page on several limits; empty when there is one or none."""
    swept = campaign.goal.swept
    if swept is None:
        return ""
    name = campaign.strategy_options["name"]
    note = ""
    if waits(name):  # the line strategies: they compare by one class of feasibility
        note = (
            f"<p>The search ({html.escape(name)}) knew the loosest limit only; the "
            "tighter ones are read off its trials.</p>"
        )
    limits = limits_table(estimate).to_html(border=0, escape=True, index=False)
    front = front_table(estimate).to_html(border=0, escape=True, index=False)
    value = html.escape(swept.name)
    made = "one training each"
    if estimate.get("finals"):
        made = "means of the fresh runs of the finals"
    return f"""<h2>Several limits on {value}</h2>
<p>The best setting within each limit, {made}.</p>
{note}{limits}
<p>The Pareto front: no other trial is better in both
{html.escape(campaign.goal.objective)} and {value}. The figure of both shows it.</p>
{front}"""


def _table(
    rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
) -> pd.DataFrame:
    found = [
        {**head, **(_cells(setting) if setting else {"trial": "none"})}
        for head, setting in rows
    ]
    longest = sorted(found, key=len, reverse=True)
    columns = list(dict.fromkeys(name for row in longest for name in row))
    shown = [[_text(row.get(name)) for name in columns] for row in found]
    return pd.DataFrame(shown, columns=columns)


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cells(setting: Mapping[str, Any]) -> dict[str, Any]:
    return {"trial": setting["trial"], **setting["params"], **setting["values"]}
