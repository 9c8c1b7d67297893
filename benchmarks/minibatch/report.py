"""Tables 3 to 7 of document 003 and its figures, from the records of `run.py`.

python benchmarks/minibatch/report.py benchmarks/minibatch/measured
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RULES = ("GpuUsageMaximize", "EpochTimeMinimize", "Doubling")
NAMES = {
    1: "CIFAR-100, VGG16",
    2: "CIFAR-100, ResNet50",
    3: "ImageNet, VGG16",
    4: "ImageNet, ResNet50",
    5: "D-DBPN's own step",
}
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple")


def tables(records: list[dict[str, Any]]) -> str:
    """Return the document's tables, and ours beside them, in Markdown."""
    found = [
        "Table 3 and 4: GpuUsageMaximize",
        _table(
            ("pattern", "changes", "start", "end", "usage at start", "at the end"),
            [_usage_row(record) for record in records],
        ),
        "Table 5 and 6: EpochTimeMinimize",
        _table(
            ("pattern", "changes", "start", "end", "improvement of an epoch"),
            [_time_row(record) for record in records],
        ),
        "Table 7: sizes beside each other, with our rule",
        _table(
            ("pattern", *RULES, "measurements of each", "slower than the best size"),
            [_size_row(record) for record in records],
        ),
    ]
    return "\n\n".join(found) + "\n"


def _usage_row(record: dict[str, Any]) -> list[str]:
    runs = [each["GpuUsageMaximize"] for each in record["rules"] if RULES[0] in each]
    name = NAMES[record["pattern"]]
    if not runs:
        return [name, "", "", "", "", ""]
    first = [run["measurements"][0]["usage"] for run in runs]
    last = [run["measurements"][-1]["usage"] for run in runs]
    return [
        name,
        _range([run["changes"] for run in runs]),
        str(runs[0]["start"]),
        _range([run["size"] for run in runs]),
        f"{np.mean(first):.1f} %",
        f"{np.mean([u for u in last if u is not None]):.1f} %",
    ]


def _time_row(record: dict[str, Any]) -> list[str]:
    runs = [each["EpochTimeMinimize"] for each in record["rules"]]
    gains = [run["improvement"] for run in runs if run["improvement"] is not None]
    return [
        NAMES[record["pattern"]],
        _range([run["changes"] for run in runs]),
        str(runs[0]["start"]),
        _range([run["size"] for run in runs]),
        f"{100 * np.mean(gains):.1f} %",
    ]


def _size_row(record: dict[str, Any]) -> list[str]:
    cells, counts, slower = [], [], []
    for name in RULES:
        runs = [each[name] for each in record["rules"] if name in each]
        cells.append(_range([run["size"] for run in runs]))
        counts.append(_range([run["changes"] + 1 for run in runs]) or "-")
        slower.append(_slower(runs, record))
    return [NAMES[record["pattern"]], *cells, ", ".join(counts), ", ".join(slower)]


def _slower(runs: list[dict[str, Any]], record: dict[str, Any]) -> str:
    """Return how much slower an item is at the answers than at the best size."""
    if not runs:
        return "-"
    if record["simulated"]:
        return f"{100 * np.mean([run['slower'] for run in runs]):.0f} %"
    compared = record.get("compared")
    if compared is None:
        return "-"
    # Ratios inside a round: a load that comes and goes hits all sizes.
    times = {int(size): np.array(each) for size, each in compared.items()}
    best = min(times, key=lambda size: float(np.median(times[size])))
    ratios = times[runs[0]["size"]] / times[best]
    return f"{100 * (np.median(ratios) - 1):.0f} %"


def _range(values: list[int]) -> str:
    if not values:
        return ""
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def draw_sweep(records: list[dict[str, Any]], path: Path) -> None:
    """Figures 1 and 2: time an image and utilisation against the minibatch."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for record, colour in zip(records, COLOURS, strict=False):
        ran = [m for m in record["sweep"] if m["seconds"]]
        if not ran:
            continue
        sizes = [m["size"] for m in ran]
        times = [1e3 * m["seconds"] / m["size"] for m in ran]
        name = NAMES[record["pattern"]]
        axes[0].plot(sizes, times, ".-", color=colour, label=name)
        if ran[0]["usage"] is not None:
            usage = [m["usage"] for m in ran]
            axes[1].plot(sizes, usage, ".-", color=colour, label=name)
    axes[0].set(xlabel="minibatch", ylabel="time of an image [ms]", yscale="log")
    axes[1].set(xlabel="minibatch", ylabel="utilisation [%]")
    if not axes[1].lines:
        axes[1].text(0.5, 0.5, "no device counter here", ha="center", va="center")
        axes[1].set(xticks=[], yticks=[])
    axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_searches(records: list[dict[str, Any]], path: Path) -> None:
    """Figures 4 to 11: both quantities against the iteration and the minibatch."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for record, colour in zip(records, COLOURS, strict=False):
        name = NAMES[record["pattern"]]
        for row, rule in enumerate(RULES[:2]):
            runs = [each[rule] for each in record["rules"] if rule in each]
            if not runs:
                continue
            curve = _mean_curve(runs, row)
            style = {"color": colour, "capsize": 2, "fmt": ".-", "label": name}
            axes[row, 0].errorbar(curve[0], curve[2], curve[3], **style)
            axes[row, 1].errorbar(curve[1], curve[2], curve[3], **style)
    for row, label in enumerate(("utilisation [%]", "improvement of an epoch [%]")):
        axes[row, 0].set(xlabel="changes of the size", ylabel=label)
        axes[row, 1].set(xlabel="minibatch", ylabel=label)
        for axis in axes[row]:
            if not axis.containers:
                axis.text(0.5, 0.5, "no device counter here", ha="center")
                axis.set(xticks=[], yticks=[])
    axes[1, 0].legend(fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _mean_curve(runs: list[dict[str, Any]], row: int) -> tuple[Any, ...]:
    """Return changes, mean sizes, means and standard deviations over the runs.

    Of one run, the deviation is that of its readings (utilisation), or none.
    """
    longest = max(len(run["measurements"]) for run in runs)
    curve: list[tuple[float, float, float, float]] = []
    for index in range(longest):
        here = [r for r in runs if index < len(r["measurements"])]
        items = [r["measurements"][index] for r in here]
        ran = [(r, m) for r, m in zip(here, items, strict=True) if m["seconds"]]
        if not ran:
            continue
        values = [m["usage"] if row == 0 else _gain(r, m) for r, m in ran]
        spread = float(np.std(values))
        if row == 0 and len(values) == 1:
            spread = ran[0][1].get("usage spread") or 0.0
        sizes = [m["size"] for _, m in ran]
        curve.append((index, float(np.mean(sizes)), float(np.mean(values)), spread))
    return tuple(zip(*curve, strict=True))


def _gain(run: dict[str, Any], found: dict[str, Any]) -> float:
    first = run["measurements"][0]
    before, now = (m["mean"] / m["size"] for m in (first, found))
    return 100 * (1 - now / before)


def draw_timelines(records: list[dict[str, Any]], path: Path) -> None:
    """Figures 12 and 13: ten steps; what computes, and what waits for data."""
    shown = [record for record in records if record.get("timeline")]
    if not shown:
        return
    size = (10, 1.3 * len(shown) + 0.6)
    figure, axes = plt.subplots(len(shown), 1, figsize=size, layout="constrained")
    for record, axis in zip(shown, np.atleast_1d(axes), strict=True):
        timeline = record["timeline"]
        for level, (name, colour) in enumerate(
            (("loading", "tab:orange"), ("busy", "tab:blue"))
        ):
            spans = [(a, b - a) for a, b in timeline[name]]
            axis.broken_barh(spans, (level, 0.9), color=colour)
        axis.set_yticks([0.45, 1.45], ["host loads", "device computes"])
        axis.set_xlim(0, timeline["milliseconds"])
        axis.set_title(
            f"{NAMES[record['pattern']]}, minibatch {timeline['size']}: the device "
            f"waits for data {100 * timeline['waits for data']:.0f} % of the time",
            fontsize="medium",
        )
    np.atleast_1d(axes)[-1].set_xlabel("milliseconds, ten steps")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    text = []
    for kind in ("pattern", "simulated"):
        paths = sorted(folder.glob(f"{kind}*.json"))
        records = [json.loads(path.read_text()) for path in paths]
        if not records:
            continue
        title = "Measured" if kind == "pattern" else "Simulated devices"
        text.append(f"## {title}\n\n{tables(records)}")
        draw_sweep(records, folder / f"{kind}-sweep.png")
        draw_searches(records, folder / f"{kind}-searches.png")
        draw_timelines(records, folder / f"{kind}-timelines.png")
    (folder / "tables.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
