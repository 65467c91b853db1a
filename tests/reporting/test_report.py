"""The report is one file: whole, escaped, without an address that leads out of it."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import blindspots.reporting.page
from blindspots.reporting.page import write_report
from blindspots.reporting.page.inline import bundle
from blindspots.reporting.page.report_data import page_html, report_data
from blindspots.reporting.page.views import SCHEMA, percent, spoken, with_article
from blindspots.reporting.tables import build_table, render
from blindspots.store.reader import Run
from tests.support.run_factory import Factory, pair_row, write_rows

HOSTILE = "</script><img src=x onerror=alert(1)>"
VOID = {"meta", "link", "input", "img", "br"}


class Page(HTMLParser):
    """Collects what the tests ask for, and that every element is closed in its order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.tags, self.links = [], [], [], []
        self.text, self.raw = [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src", "action") if name in given]
        if tag not in VOID:
            self.open.append((tag, given.get("id")))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open and self.open[-1][0] in ("script", "style"):
            self.raw[self.open[-1][1] or self.open[-1][0]] = data
        else:
            self.text.append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(Factory(size=16, sources=3, frames=3).write(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def page(run):
    return Page(page_html(report_data(run)))


def data_of(page):
    return json.loads(page.raw["run-data"])


def words(page):
    return " ".join(" ".join(page.text).split())


def test_the_report_is_written_beside_the_run(run):
    path = write_report(run)
    assert path == run.path / "report.html"
    assert path.read_text("utf-8").startswith("<!doctype html>")


def test_every_element_is_closed_and_every_id_is_there_once(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_no_address_leads_out_of_the_file(run, page):
    text = page_html(report_data(run))
    assert not re.search(r"(https?|ftp|ws)://|//[a-z]+\.[a-z]", text)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", page.raw["style"])
    asking = r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon)\b"
    assert not re.search(asking, page.raw["script"])
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert "default-src 'none'" in text


def test_every_pair_is_in_the_data_with_its_numbers(run, page):
    stored = {row["pair_id"]: row for row in run.pair_rows()}
    shown = {pair["id"]: pair for pair in data_of(page)["pairs"]}
    assert shown.keys() == stored.keys()
    for pair_id, row in stored.items():
        for key in ("rmse", "p_found", "segment_min"):
            assert shown[pair_id]["numbers"][key] == pytest.approx(row[key], abs=1e-5)
        assert shown[pair_id]["ending"] == row["ending"]


def test_pictures_are_embedded_once_a_file(page):
    data = data_of(page)
    started = [pair for pair in data["pairs"] if pair["numbers"]["rmse"] is not None]
    for pair in started:
        for name in ("found", "strip", "residual"):
            assert pair["pictures"][name].startswith("data:image/webp;base64,")
    keys = {pair[key] for pair in started for key in ("source_key", "target_key")}
    assert data["images"].keys() == keys


def test_distances_on_the_way_are_measured_on_the_exact_snapshots(run, page):
    pair = next(pair for pair in data_of(page)["pairs"] if pair["arrived"])
    row = next(row for row in run.pair_rows() if row["pair_id"] == pair["id"])
    frames = np.stack(run.frames(pair["id"], 3)).astype(float)
    for which in ("source", "target"):
        end = run.image(row[f"{which}_id"], row["model"])
        expected = np.sqrt(((frames - end) ** 2).mean(axis=(1, 2, 3))) / 255
        assert pair["pictures"][f"path_{which}_rmse"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("method", "way"),
    [
        ("star", "along one straight line"),
        ("fan", "along one straight line"),
        ("adaptive", "step by step"),
        ("reference", "step by step"),
    ],
)
def test_the_way_is_told_in_per_cent_where_it_is_a_segment_and_in_steps_elsewhere(
    tmp_path, method, way
):
    run = Run(Factory(size=8, sources=2, frames=3, method=method).write(tmp_path))
    page = Page(page_html(report_data(run)))
    straight = {model["straight"] for model in data_of(page)["models"]}
    assert straight == {way == "along one straight line"}
    assert f"was changed, {way}" in words(page)


def test_triangles_are_drawn_from_the_stored_grid(run, page):
    triangles = data_of(page)["triangles"]
    assert len(triangles) == run.triangles.num_rows
    assert all(len(triangle["confidence"]) == 66 for triangle in triangles)
    assert all(0 < side < 1 for side in triangles[0]["sides"])


def test_the_first_screen_shows_the_case_and_the_facts_follow(page):
    text = words(page)
    assert re.search(r"You see an? \w+ . The model sees an? \w+ , 99\.9\s%", text)
    assert "clean accuracy" in text.lower()
    assert "The model does not give the source its class" in text
    assert "truncated after 812 bytes" in text
    assert "lpips is null" in text
    assert "--lpips-weights FILE" in text


def test_hostile_names_stay_text(tmp_path):
    classes = (HOSTILE, f'"{HOSTILE}', f"'{HOSTILE}", "d", "e", "f")
    models = [f"zoo:{HOSTILE}"]
    factory = Factory(size=8, sources=2, keep="none", classes=classes, models=models)
    page = Page(page_html(report_data(Run(factory.write(tmp_path)))))
    assert "img" not in page.tags
    assert page.tags.count("script") == 2
    assert HOSTILE in words(page)
    assert {pair["source"] for pair in data_of(page)["pairs"]} <= set(classes)


@pytest.mark.parametrize("content", ["{}", '{"format": 1, "models": [{"name": "m"}]}'])
def test_a_run_without_pairs_has_a_report_that_says_so(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    page = Page(page_html(report_data(Run(tmp_path))))
    assert "Nothing was traversed yet." in words(page)
    assert data_of(page)["pairs"] == []


def test_a_case_that_is_not_believed_is_not_said_to_be(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    row = pair_row(model="m", pair_id="1", p_found=0.2, rmse=0.1, source_name="ring")
    write_rows(tmp_path, [{**row, "target_name": "disc", "target_id": "t", "source_id": "s"}], [])
    assert not report_data(Run(tmp_path)).case.believes
    assert "The model gives a ring 20.0" in words(Page(page_html(report_data(Run(tmp_path)))))


def test_an_image_still_on_its_way_is_not_said_to_look_like_its_target(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    row = pair_row(model="m", pair_id="1", rmse=0.2, source_rmse=0.1, source_name="ring")
    write_rows(tmp_path, [{**row, "target_name": "disc", "target_id": "t", "source_id": "s"}], [])
    text = words(Page(page_html(report_data(Run(tmp_path)))))
    assert "On the way to a disc , the model sees a ring , 99.9" in text
    assert "You see" not in text


def test_numbers_that_are_not_finite_become_unknown(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    write_rows(tmp_path, [pair_row(model="m", pair_id="1", source_id="s", rmse=float("nan"))], [])
    assert report_data(Run(tmp_path)).pairs[0].numbers["rmse"] is None


def test_the_page_is_drawn_from_the_data_alone(run):
    data = report_data(run)
    assert page_html(data) == page_html(report_data(run))
    assert data_of(Page(page_html(data))) == json.loads(json.dumps(data.as_json()))
    assert data.schema == SCHEMA


def test_every_table_is_on_the_page_with_every_cell(run, page):
    shown = {table["kind"]: table for table in data_of(page)["tables"]}
    assert list(shown) == ["distance", "confidence", "summary"]
    for kind, table in shown.items():
        assert table["csv"] == render(build_table(run, kind), "csv")
        for row in table["rows"]:
            for column in table["columns"]:
                assert row["cells"][column["key"]]["text"] in words(page)


def test_rows_below_a_model_and_published_ones_are_told_apart(run):
    data = report_data(run)
    null = {**data.headline["rows"][0], "title": "random pair", "origin": "random_pair"}
    published = {**data.headline["rows"][0], "label": "theirs", "origin": "slides"}
    rows = [data.headline["rows"][0], null, published]
    text = page_html(replace(data, headline={**data.headline, "rows": rows}))
    assert '<tr class="own"><th scope="row">zoo:shapes-resnet</th>' in text
    assert '<tr class="below"><th scope="row">random pair</th>' in text
    assert '<tr class="published"><th scope="row">theirs</th>' in text


def test_modules_are_bundled_once_in_the_order_they_need():
    modules = {
        "start": 'import { a } from "./one.js";\nimport { b } from "./two-2.js";\na(b);\n',
        "one": 'import { b } from "./two-2.js";\nexport function a() {}\nconst own = 1;\n',
        "two-2": "export const b = 2;\nexport async function c() {}\n",
    }
    script = bundle("start", modules.__getitem__)
    starts = [script.index(f"const module_{name} =") for name in ("two_2", "one", "start")]
    assert starts == sorted(starts)
    assert script.count("export ") == script.count("import ") == 0
    assert "return { b, c };" in script
    assert "const { b } = module_two_2;" in script


def test_every_module_is_short_and_says_what_it_gives():
    modules = sorted(Path(blindspots.reporting.page.__path__[0]).glob("*.js"))
    assert len(modules) > 10
    for module in modules:
        lines = module.read_text("utf-8").splitlines()
        assert len(lines) < 300
        for above, line in pairwise(lines):
            assert not line.startswith("export ") or above.rstrip().endswith("*/"), line


def test_modules_that_import_each_other_are_refused():
    modules = {
        "one": 'import { b } from "./two.js";\nexport const a = 1;\n',
        "two": 'import { a } from "./one.js";\nexport const b = 1;\n',
    }
    with pytest.raises(ValueError, match="one → two → one"):
        bundle("one", modules.__getitem__)


def test_a_run_in_progress_is_reported_as_it_is(tmp_path):
    run = Run(Factory(size=8, sources=2, finished=False, keep="none").write(tmp_path))
    text = words(Page(page_html(report_data(run))))
    assert "The run is not finished" in text
    assert "not yet" in text


def test_class_names_are_spoken():
    assert spoken("Scottish_terrier") == "Scottish terrier"
    assert spoken("7") == "class 7"
    assert spoken(None, 3) == "class 3"
    assert spoken(None) == "unknown"
    assert with_article("academic gown") == "an academic gown"
    assert with_article("goose") == "a goose"
    assert with_article("class 7") == "class 7"


def test_a_confidence_is_never_rounded_up_to_certainty():
    assert percent(0.99999) == "99.9\u00a0%"
    assert percent(1.0) == "100.0\u00a0%"
    assert percent(0.123) == "12.3\u00a0%"
