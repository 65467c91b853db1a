"""Tables of the documentation that list what the code has hold all of it, and nothing else."""

import re

import pytest

from blindspots.errors import LimitExceeded, UsageError, WorkFailed
from blindspots.images.sources import _SCHEMES as IMAGE_SCHEMES
from blindspots.models.catalog import ZOO, card
from blindspots.models.schemes import SCHEMES
from blindspots.reporting.figures.paper_figures import FIGURES
from blindspots.scores import SCORES
from tests.test_docs import DOCS, _sections, read

TABLE = re.compile(r"^\|.*\n\|[-| ]+\n((?:\|.*\n)+)", re.MULTILINE)


def rows(page, heading):
    """The cells of the first table below a heading, row by row, as they stand."""
    body = TABLE.search(_sections(read(DOCS / page))[heading])[1]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in body.splitlines()]


def names(page, heading, column=0):
    """What is in code marks in a column: the first word of each, up to a colon."""
    cells = [row[column] for row in rows(page, heading)]
    return {found for cell in cells for found in re.findall(r"`([a-z]+(?= |:|`))", cell)}


def test_figures():
    assert names("figures.md", "Figures for papers") == set(FIGURES)


def test_scores():
    assert names("command-line.md", "Method") == set(SCORES)


@pytest.mark.parametrize(
    ("page", "heading", "column", "schemes"),
    [("images.md", "Images", 0, IMAGE_SCHEMES), ("models.md", "Loading a model", 1, SCHEMES)],
    ids=["images", "models"],
)
def test_schemes(page, heading, column, schemes):
    assert names(page, heading, column) == set(schemes)


def test_exit_statuses():
    errors = (WorkFailed, UsageError, LimitExceeded)
    known = {"0", "130", *(str(kind.exit_status) for kind in errors)}
    assert {row[0] for row in rows("command-line.md", "Exit status")} == known


def test_the_zoo_has_the_numbers_of_its_cards():
    for spec, clean, attacked, training in rows("zoo.md", "The zoo"):
        told = card(spec.strip("`").removeprefix("zoo:"))
        assert (clean, attacked) == tuple(
            f"{told[key]:.1%}" for key in ("clean_accuracy", "pgd_accuracy")
        )
        assert training == f"{told['epochs']} epochs, {told['minutes']} min"
    assert len(rows("zoo.md", "The zoo")) == len(ZOO)
