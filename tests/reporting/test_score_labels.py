"""A run is said and drawn in the words and on the scale of the score that it held."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection
from matplotlib.text import Text

from blindspots.cli.pair_commands import _traversed
from blindspots.reporting import figures
from blindspots.reporting.compare.comparison_page import page_html as comparison_html
from blindspots.reporting.compare.differences import compare
from blindspots.reporting.figures.paper_figures import FIGURES, write_figure
from blindspots.reporting.figures.run_figures import (
    model_grid,
    model_star,
    model_strip,
    model_triangle,
)
from blindspots.reporting.figures.style import PRINT, short
from blindspots.reporting.page.report_data import page_html, report_data
from blindspots.reporting.score_labels import (
    CONFIDENCE,
    EMBEDDING,
    GROUP,
    MARGIN,
    UNIT,
    around,
    run_scales,
    words_for,
    words_of,
)
from blindspots.reporting.tables.table import PAIR_NUMBERS, glossary
from blindspots.schema import PROBABILITIES
from blindspots.scores import SCORES
from blindspots.scores.score import Probability
from blindspots.store.reader import Run
from tests.support.run_factory import Factory, hold

MODELS = ("one", "two")


def made(path, score="margin"):
    """A run of two models that held this score: margins −2 to 8, similarities .5 to 1."""
    Factory(size=16, sources=3, frames=4, models=MODELS).write(path)
    if score == "confidence":
        return Run(path)
    turn = {"margin": lambda p: 10 * p - 2, "embedding": lambda p: 0.5 + p / 2}
    delta = {"margin": 2.0, "embedding": 0.1}
    return Run(hold(path, score, delta.get(score, 0.2), turn.get(score, lambda p: p)))


@pytest.fixture(scope="module")
def margins(tmp_path_factory):
    return made(tmp_path_factory.mktemp("margins"))


def said(ax):
    """Every text of a figure."""
    return [text.get_text() for text in ax.get_figure(root=True).findobj(Text)]


def test_every_score_has_its_own_words():
    assert [words_for(name).name for name in SCORES] == list(SCORES)
    assert {name for name in SCORES if words_for(name).probability} == set(PROBABILITIES)
    for name, kind in SCORES.items():
        assert words_for(name).probability == issubclass(kind, Probability)
        assert words_for(name).of_classes != kind.embeds


def test_the_confidence_changes_no_text():
    for column in glossary():
        assert CONFIDENCE.say(column.title) == column.title
        assert CONFIDENCE.say(column.definition) == column.definition


@pytest.mark.parametrize("words", [GROUP, MARGIN, EMBEDDING], ids=lambda words: words.name)
def test_no_text_of_another_score_speaks_of_the_confidence(words):
    for column in glossary(words):
        assert not re.search(r"\bconf", column.title + column.definition, re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "margin", "similarity"),
    [
        ("p found", "found margin", "found similarity"),
        ("path conf", "path margin", "path similarity"),
        ("below p source − δ", "below source margin − δ", "below source similarity − δ"),
        ("Mean confidence", "Mean margin", "Mean similarity"),
        ("a conference", "a conference", "a conference"),
    ],
)
def test_words_are_replaced_whole(text, margin, similarity):
    assert MARGIN.say(text) == margin
    assert EMBEDDING.say(text) == similarity


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_a_scale_has_room_for_its_values_and_a_few_round_marks(values):
    scale = around(values)
    slack = 1e-3 * (scale.high - scale.low)
    assert scale.low - slack <= min(values) <= max(values) <= scale.high + slack
    assert 2 <= len(scale.ticks) <= 7
    steps = np.diff(scale.ticks)
    assert steps == pytest.approx(steps[0])
    assert all(len(label) < 12 for label in scale.labels)


def test_what_is_not_known_does_not_count_and_rounding_errors_need_no_mark():
    assert around([]) == around([None, float("nan")]) == UNIT
    scale = around([0.9, 0.95, 1.0000001, None])
    assert scale.ticks == pytest.approx([0.9, 0.95, 1.0])
    assert scale.labels == [".9", ".95", "1"]
    assert around([-13.4, 9.0]).labels == ["−20", "−10", "0", "10"]


def test_probabilities_have_the_whole_of_0_to_1(tmp_path):
    assert run_scales(made(tmp_path, "group")) == (UNIT, UNIT)


def test_all_that_a_run_shows_has_room_on_its_scales(margins):
    along, over = run_scales(margins)
    for row in margins.pair_rows(started=True):
        assert along.low <= min(row["segment_confidence"]) <= max(row["path_confidence"])
        assert row["p_source"] - margins.delta > along.low
    lowest = min(min(row["confidence"]) for row in margins.triangle_rows())
    assert over.low <= lowest < 0
    assert (along.high, over.high) == (8, 10)


def test_the_star_has_the_scale_of_its_margins(margins):
    source = margins.pair_rows(started=True)[0]["source_id"]
    ax = model_star(margins, "one", source)
    along = run_scales(margins).along
    assert ax.child_axes[0].get_ylim() == (along.low, along.at(1.03))
    assert {"margin, in logits", "below source margin − δ: outside"} <= set(said(ax))
    assert not any("conf" in text or "p source" in text for text in said(ax))


def test_the_heat_map_and_its_bar_have_the_scale_of_its_margins(margins):
    row = margins.triangle_rows("one")[0]
    ax = model_triangle(margins, "one", row["source_id"], (row["target_1"], row["target_2"]))
    over = run_scales(margins).over
    cells = next(one for one in ax.collections if isinstance(one, PolyCollection))
    assert (cells.norm.vmin, cells.norm.vmax) == (over.low, over.high)
    assert {"margin, in logits", *(f"{tick:g}" for tick in over.ticks)} <= set(said(ax))


def test_a_figure_that_is_given_no_score_is_of_the_confidence():
    ax = figures.star([figures.Limb(np.linspace(1, 0.5, 11), "disc")])
    assert ax.child_axes[0].get_ylim() == (0, 1.03)
    assert {"confidence", "0", ".5", "1"} <= set(said(ax))


@pytest.mark.parametrize(
    ("score", "words"),
    [
        ("confidence", "One sees disc (bold: confidence in disc)"),
        ("group", "One sees a class of the disc’s group (bold: probability in disc’s group)"),
        ("margin", "One sees disc (bold: margin)"),
        ("embedding", "One finds it like disc (bold: similarity)"),
    ],
)
def test_the_strip_says_what_its_numbers_are(tmp_path, score, words):
    run = made(tmp_path, score)
    source = run.pair_rows(started=True)[0]["source_id"]
    assert words in said(model_strip(run, "one", source))


# What stands beside a number of the source whose class is a disc.
WHOSE = [("confidence", "disc"), ("group", "disc’s group"), ("margin", "disc")]


@pytest.mark.parametrize(("score", "whose"), WHOSE)
def test_a_number_of_a_group_is_not_captioned_as_one_class(tmp_path, score, whose):
    run = made(tmp_path, score)
    rows = [row for row in run.pair_rows("one", started=True) if row["source_name"] == "disc"]
    source, first = rows[0]["source_id"], rows[0]
    triangle = next(row for row in run.triangle_rows("one") if row["source_id"] == source)
    corners = triangle["target_1"], triangle["target_2"]
    value = short(first["p_source"])
    assert f"source {whose} {value}" in said(model_star(run, "one", source))
    assert f"{whose}\n{short(triangle['confidence'][0])}" in said(
        model_triangle(run, "one", source, corners)
    )
    # A long name is cut in the middle where a column is narrow.
    known = rf"source ({re.escape(whose)}|{whose[:2]}\S*…{whose[-4:]}) {re.escape(value)}"
    drawn = said(FIGURES["star"].draw(run, rows, PRINT["2"]))
    assert any(re.fullmatch(known, text) for text in drawn)
    assert whose in [text.replace("\n", " ") for text in said(model_grid(run, "one"))]
    printed = [
        text.replace("\n", " ") for text in said(FIGURES["grid"].draw(run, rows, PRINT["2"]))
    ]
    assert whose in printed


@pytest.mark.parametrize(("score", "whose"), WHOSE)
def test_the_report_says_whose_a_bare_number_is(tmp_path, score, whose):
    data = report_data(made(tmp_path, score))
    assert {pair.caption for pair in data.pairs if pair.source == "disc"} == {whose}
    assert whose in data.grids[0].rows


@pytest.mark.parametrize(
    ("score", "says"),
    [
        ("confidence", "disc 0.990 → looks like star"),
        ("group", "disc’s group probability 0.990 → looks like star"),
        ("margin", "disc margin 0.990 → looks like star"),
    ],
)
def test_a_traversed_pair_is_told_in_the_words_of_its_score(score, says):
    numbers = ("p_source", "p_found", "p_found_8bit", "segment_mean", "segment_min", "rmse")
    row = {**dict.fromkeys(numbers, 0.99), "evaluations": 4, "ending": "finished", "score": score}
    line = _traversed({**row, "source_name": "disc", "target_name": "star"}, Path("out"))
    assert line.startswith(says)
    assert f"still says {says.partition(' →')[0]}" in line


def test_figures_for_papers_are_drawn_on_the_scale_of_the_score(margins, tmp_path):
    for kind in ("path", "grid", "star", "triangle", "curves"):
        drawn = write_figure(margins, kind, columns=2, format="svg", out=tmp_path / f"{kind}.svg")
        assert drawn.file.stat().st_size > 1000


def test_the_report_names_the_margin_and_scales_it(margins):
    data = report_data(margins)
    assert (data.score["noun"], data.score["probability"]) == ("margin", False)
    assert data.score["along"] == run_scales(margins).along
    assert data.score["over"] == run_scales(margins).over
    assert re.fullmatch(r"margin 7\.9\d", data.case.percent)
    titles = {column["key"]: column["title"] for column in data.columns}
    assert titles["p_found"] == "found margin"
    assert "δ = 0.2" not in data.glossary
    text = page_html(data).partition('<script type="application/json"')[0]
    assert "Each number is the margin of the class on the left, in logits" in text
    assert "<span>margin, in logits −5</span>" in text
    assert set(re.findall(r"\w+ confidence", text)) == {"Mean confidence"}


@pytest.mark.parametrize(("value", "believes"), [(-0.1, False), (0.0, True), (0.4, True)])
def test_a_model_believes_from_a_margin_of_0_on(tmp_path, value, believes):
    Factory(size=8, sources=2, frames=3, models=("one",)).write(tmp_path)
    run = Run(hold(tmp_path, "margin", 2.0, lambda _: value))
    data = report_data(run)
    assert data.case.believes is believes
    shown = [pair for pair in data.pairs if pair.numbers["rmse"] is not None]
    assert {pair.believes for pair in shown} == {believes}


def test_an_embedding_is_not_said_to_have_classes(tmp_path):
    Factory(size=8, sources=2, frames=3, models=("one",), labelled=False).write(tmp_path)
    run = Run(hold(tmp_path, "embedding", 0.1, lambda p: p))
    text = " ".join(re.sub("<[^>]*>", "", page_html(report_data(run))).split())
    assert "The model finds it like a" in text
    assert "similarity 1.00" in text
    assert "carry no labels" not in text
    assert "images have no labels" not in text


def test_a_confidence_is_reported_as_before(tmp_path):
    data = report_data(made(tmp_path, "confidence"))
    assert data.score["along"] == data.score["over"] == UNIT
    assert data.case.percent == "99.9\u00a0%"
    assert [column["title"] for column in data.columns] == [column.title for column in PAIR_NUMBERS]


def test_margins_are_compared_as_margins_and_within_their_own_delta(margins):
    (contrast,) = compare([margins]).contrasts
    shown = {d.column.key: d.column.title for d in contrast.differences["confidence"]}
    assert shown["mean"] == "Δ margin"
    assert not any(key.startswith("fraction_") for key in shown)
    summary = {d.column.key: d.column for d in contrast.differences["summary"]}
    assert summary["p_found"].title == "found margin"
    text = comparison_html(compare([margins])).partition('<script type="application/json"')[0]
    assert "confidence" not in text
    assert "Each number is the margin of the class on the left, in logits" in text


def test_a_run_knows_its_words(margins, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    assert words_of(margins) is MARGIN
    assert words_of(Run(tmp_path)) is CONFIDENCE
