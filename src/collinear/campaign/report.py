"""The report of a campaign: a table, figures, and a page that shows them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from collinear.campaign.clocks import read_jobs
from collinear.campaign.config import Campaign
from collinear.campaign.cost_figure import draw_costs
from collinear.campaign.estimate import Setting
from collinear.campaign.figures import (
    draw_message,
    history_figure,
    jobs_figure,
)
from collinear.campaign.files import read_json, write_json, write_text
from collinear.campaign.finals_report import (
    finals_figure,
    finals_table,
)
from collinear.campaign.journal import FINALS, results_of
from collinear.campaign.last_call import last_call_notes
from collinear.campaign.limit_tables import (
    front_table,
    limits_table,
)
from collinear.campaign.line_figures import lines_figure
from collinear.campaign.page import abscissa, page
from collinear.campaign.prepare import observed_costs, prepared_notes
from collinear.campaign.program import expand, thread_environment
from collinear.campaign.race import DECIDED, race_folder, race_notes
from collinear.campaign.race_report import draw_race, race_table
from collinear.campaign.report_tables import result_table, trials_table
from collinear.campaign.speed_front import (
    draw_speeds,
    read_speeds,
    speed_note,
    speed_table,
)
from collinear.campaign.steering import strategy_of
from collinear.campaign.steps import journal_of
from collinear.campaign.stopped import stopping_notes, stopping_table
from collinear.campaign.tradeoff import tradeoff_figure
from collinear.campaign.trials import program_input
from collinear.campaign.warm_start import describe_prior
from collinear.search import Anova, explored_lines, search_only, waits


@dataclass(frozen=True)
class ReportFiles:
    """Files of a report, all in one folder."""

    folder: Path

    @property
    def history(self) -> Path:
        return self.folder / "history.svg"

    @property
    def tradeoff(self) -> Path:
        return self.folder / "tradeoff.svg"

    @property
    def lines(self) -> Path:
        return self.folder / "lines.svg"

    @property
    def jobs(self) -> Path:
        return self.folder / "jobs.svg"

    @property
    def photograph(self) -> Path:
        return self.folder / "photograph.png"

    @property
    def table(self) -> Path:
        return self.folder / "result.tsv"

    @property
    def trials(self) -> Path:
        return self.folder / "trials.tsv"

    @property
    def limits(self) -> Path:
        return self.folder / "limits.tsv"

    @property
    def front(self) -> Path:
        return self.folder / "front.tsv"

    @property
    def finals(self) -> Path:
        return self.folder / "finals.svg"

    @property
    def finals_table(self) -> Path:
        return self.folder / "finals.tsv"

    @property
    def costs(self) -> Path:
        return self.folder / "costs.svg"

    @property
    def stopping(self) -> Path:
        return self.folder / "stopping.tsv"

    @property
    def race(self) -> Path:
        return self.folder / "race.svg"

    @property
    def race_table(self) -> Path:
        return self.folder / "race.tsv"

    @property
    def speed_front(self) -> Path:
        return self.folder / "speed_front.svg"

    @property
    def speed_table(self) -> Path:
        return self.folder / "speed_front.tsv"

    @property
    def index(self) -> Path:
        return self.folder / "index.html"


def settings_of(estimate: Mapping[str, Any]) -> dict[str, Setting]:
    """The named settings of an estimate: best, then conventional."""
    labels = {"best": "best", "conventional": "conventional setting"}
    return {
        text: Setting(**estimate[key]) for key, text in labels.items() if estimate[key]
    }


def draw_figures(
    campaign: Campaign, root: Path, estimate: Mapping[str, Any], files: ReportFiles
) -> None:
    """Draws every figure that needs the journal and the clocks only."""
    journal = journal_of(root)
    history = search_only(journal.history())
    searched = [e for e in journal.entries() if e["lane"] != FINALS]
    told = [e for e in searched if e.get("results")]
    settings = settings_of(estimate)
    history_figure(
        [results_of(entry) for entry in told],
        campaign.goal,
        settings.get("conventional setting"),
        files.history,
    )
    tradeoff_figure(
        history.results, campaign.goal, settings, files.tradeoff, abscissa(campaign)
    )
    incumbent = history.incumbent(campaign.goal)
    strategy = strategy_of(campaign, root)
    lines_figure(
        explored_lines(strategy, history),
        campaign.space,
        campaign.goal,
        incumbent.point if incumbent else None,
        files.lines,
        categorical=strategy.categorical if isinstance(strategy, Anova) else (),
        searched=waits(campaign.strategy_options["name"]),
    )
    jobs_figure(read_jobs(root), files.jobs)
    if estimate.get("finals"):
        finals_figure(estimate["finals"], campaign.goal, files.finals)


def illustrate(
    campaign: Campaign, weights: Mapping[str, Path], target: Path, log: Path
) -> None:
    """Lets the application draw one example with several networks.

    A command that fails costs this picture and not the report: a picture of the message
    stands in for it until it is deleted.

    Args:
        campaign: The campaign.
        weights: Label and file of each network; empty files are left out.
        target: Where the picture goes.
        log: Gets the program's output.
    """
    command = campaign.application.illustrate
    assert command is not None
    settings = target.with_name(".illustrate.json")
    write_json(settings, program_input(campaign))
    arguments = [*expand(command), "--config", str(settings)]
    for name, path in weights.items():
        if path.exists() and path.stat().st_size:
            arguments += ["--weights", f"{name}={path}"]
    arguments += ["--out", str(target)]
    with open(log, "a", encoding="utf-8") as stream:
        ended = _run_illustrate(campaign, arguments, stream)
        settings.unlink()
        if ended is not None or not target.exists():
            message = (
                f"application.illustrate {ended or 'wrote no picture'}; see {log}. "
                f"Mend it, delete {target}, and repeat the command."
            )
            stream.write(f"warning: {message}\n")
            draw_message(message, target)


def _run_illustrate(
    campaign: Campaign, arguments: list[str], log: TextIO
) -> str | None:
    """What went wrong, or None."""
    try:
        code = subprocess.run(
            arguments,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            env=thread_environment(campaign.threads),
        ).returncode
    except OSError as error:
        return f"cannot be started ({error})"
    return f"ended with exit code {code}" if code != 0 else None


def write_report(campaign: Campaign, root: Path, estimate: Mapping[str, Any]) -> None:
    """Writes all files of the report; the page comes last."""
    files = ReportFiles(root / "report")
    draw_figures(campaign, root, estimate, files)
    table = result_table(campaign, estimate)
    write_text(files.table, table.to_csv(sep="\t"))
    write_text(files.trials, trials_table(campaign, root).to_csv(sep="\t", index=False))
    if campaign.goal.swept is not None:
        limits, front = limits_table(estimate), front_table(estimate)
        write_text(files.limits, limits.to_csv(sep="\t", index=False))
        write_text(files.front, front.to_csv(sep="\t", index=False))
    if estimate.get("finals"):
        rows = finals_table(campaign, estimate["finals"])
        write_text(files.finals_table, rows.to_csv(sep="\t", index=False))
    warm = describe_prior(campaign, root)
    if campaign.stopping is not None:
        write_text(files.stopping, stopping_table(campaign, root))
    if campaign.prepare.profile:
        draw_costs(observed_costs(campaign, root), files.costs)
    if campaign.pretrain_race is not None:
        choice = read_json(race_folder(root) / DECIDED)
        draw_race(choice, files.race)
        write_text(files.race_table, race_table(choice))
    prepared = [_sentence(note) for note in race_notes(campaign, root)]
    prepared += [*prepared_notes(campaign, root), *stopping_notes(campaign, root)]
    prepared += last_call_notes(root)
    if campaign.pretrain_axes:
        speeds, unit = read_speeds(campaign, root)
        draw_speeds(campaign, speeds, unit, files.speed_front)
        write_text(files.speed_table, speed_table(campaign, speeds, unit))
        prepared.append(speed_note(campaign, speeds, unit))
    write_text(files.index, page(campaign, estimate, table, warm, prepared))


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:]
