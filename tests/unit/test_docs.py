"""Links and paths in the documentation lead somewhere."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = [
    *REPOSITORY.glob("*.md"),
    *REPOSITORY.glob("docs/*.md"),
    *REPOSITORY.glob("config/*.md"),
    *REPOSITORY.glob("benchmarks/**/*.md"),
]
FOLDERS = "docs|examples|config|profiles|workflow|tests|benchmarks|src|LICENSES"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_resolve(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_paths_exist(page):
    for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", page.read_text()):
        assert (REPOSITORY / path).exists(), path


SELF_CONTAINED = (
    "minibatch.md",
    "cost_model.md",
    "stopping.md",
    "stpt.md",
    "racing.md",
)
BLOCKS = [
    pytest.param(block, id=f"{name}-{number}")
    for name in SELF_CONTAINED
    for number, block in enumerate(
        re.findall(
            r"```python\n(.*?)```",
            (REPOSITORY / "docs" / name).read_text(),
            flags=re.S,
        )
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_python_on_a_page_runs(block):
    exec(compile(block, "page", "exec"), {"__name__": "page"})
