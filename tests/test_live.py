"""What pages of the site show live is made when the site is built."""

import json
import re
import runpy

import pytest

from tests.test_docs import DOCS, PAGES, read

SHOWN = re.compile(r'(?:src|href)="((?:\.\./)*)([\w/-]+\.html)"')


def shown(page):
    return [(up, name) for up, name in SHOWN.findall(read(page))]


def test_a_saved_case_and_a_report_are_embedded_where_they_lie():
    kept = {name for page in PAGES for _, name in shown(page)}
    assert kept == {"demo-report.html", "explorer-case.html", "board/index.html"}
    made = set(re.findall(r'SITE / "([\w.-]+)"', read(DOCS / "live.py")))
    assert {name.removesuffix("/index.html") for name in kept} == made
    for page in (page for page in PAGES if shown(page)):
        depth = len(page.relative_to(DOCS).parts) - 1
        assert {up for up, _ in shown(page)} == {"../" * depth}, page


@pytest.mark.parametrize("page", sorted(DOCS.glob("tutorials/*.md")), ids=lambda page: page.stem)
def test_a_tutorial_has_a_button_that_opens_its_notebook(page):
    """`live.py` writes notebooks of these names, and the workflow pushes them to that branch."""
    colab = runpy.run_path(str(DOCS / "generated.py"))["colab"]
    shown = colab(f"tutorials/{page.stem}", read(page), "https://github.com/SOMEBODY/blindspots")
    title, button = re.search(r"^# (.+)\n\n\[Open in Colab\]\((.+)\)", shown, re.M).groups()
    assert f"# {title}" in read(page)
    where = "https://colab.research.google.com/github/SOMEBODY/blindspots/blob/notebooks"
    assert button == f"{where}/{page.stem}.ipynb"
    workflow = (DOCS.parent / ".github/workflows/docs.yml").read_text(encoding="utf-8")
    assert "--initial-branch notebooks" in workflow


@pytest.mark.slow
def test_the_case_of_the_site_is_one_that_the_explorer_saved(tmp_path):
    page = runpy.run_path(str(DOCS / "saved_case.py"))["saved_case"](tmp_path)
    data = json.loads(re.search(r'id="run-data">(.*?)</script>', read(page), re.DOTALL)[1])
    assert "saved from the explorer" in read(page)
    assert len(data["pairs"]) == 2
    assert data["contrast"]["reached"]
    assert page.stat().st_size < 2e6
