"""The examples run, and say what the pages say."""

import json
import runpy
from pathlib import Path

import matplotlib as mpl
import pytest

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def code_cells(notebook):
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]


@pytest.fixture
def pyplot():
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_runs(script, capsys):
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out


def test_the_function_example_finds_the_best_setting_of_its_grid(capsys):
    found = runpy.run_path(str(EXAMPLES / "search_function.py"))
    space, loss = found["space"], found["loss"]
    losses = [loss(**space.params(point)) for point in space.points()]
    assert found["best"].values["loss"] == min(losses)
    assert len(found["history"].results) < space.size


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_runs(notebook, pyplot):
    names = {}
    for source in code_cells(notebook):
        exec(compile(source, notebook.name, "exec"), names)
    assert pyplot.get_fignums()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_stored_without_outputs(notebook):
    stored = json.loads(notebook.read_text())
    assert stored["nbformat"] == 4
    for cell in stored["cells"]:
        assert cell.get("outputs", []) == []
        assert cell["id"]


def test_figures_of_the_search_page_can_be_drawn(tmp_path):
    drawing = runpy.run_path(str(REPOSITORY / "docs/figures/search.py"))
    drawing["dspline_figure"](tmp_path / "search_dspline.png")
    drawing["searches_figure"](tmp_path / "search_grid.png")
    assert len(list(tmp_path.glob("search_*.png"))) == 2


def test_the_example_of_several_limits_has_a_best_setting_for_each(capsys):
    found = runpy.run_path(str(EXAMPLES / "search_limits.py"))
    best = found["best_for_each_limit"](found["history"], found["goal"])
    costs = [result.values["index"] for _, result in best]
    assert costs == sorted(costs, reverse=True)
    assert len({result.point for _, result in best}) == 3
    assert len(found["front"]) >= 3
