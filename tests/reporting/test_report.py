"""The report is one file: whole, escaped, without an address that leads out of it."""

import base64
import io
import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save_file

import blindspots as bs
import blindspots.reporting.page
from blindspots.errors import UsageError
from blindspots.reporting.model_names import without_folders
from blindspots.reporting.page import write_report
from blindspots.reporting.page.inline import bundle
from blindspots.reporting.page.report_data import page_html, report_data
from blindspots.reporting.page.sentences import percent, spoken, with_article
from blindspots.reporting.page.views import SCHEMA
from blindspots.reporting.publish import publish
from blindspots.reporting.selection import striking_case
from blindspots.reporting.tables import build_table, render
from blindspots.schema import NULLS, PREDICTIONS
from blindspots.store.lock import hold
from blindspots.store.reader import Run
from tests.support.run_factory import ZOO, Factory, pair_row, write_rows

HOSTILE = "</script><img src=x onerror=alert(1)>"
TRAINED = "Shapes ResNet, adversarially trained"
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


def test_what_a_killed_report_left_is_removed_by_the_next(tmp_path, no_figures):
    path = Factory(size=8, sources=2, frames=3).write(tmp_path / "run")
    (path / "tables").mkdir(exist_ok=True)
    left = "report.html", "tables/distances.csv", "pairs.parquet"
    files = [path / f"{name}.{'0' * 12}.partial" for name in left]
    files.append(path / "report.html.mine.partial")
    for file in files:
        file.write_text("half")
    with hold(path):
        publish(path)
    assert all(file.exists() for file in files)
    bs.open_run(path).report()
    assert [file.exists() for file in files] == [False, False, True, True]


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
        for name in ("found", "strip", "to_target", "to_source"):
            assert pair["pictures"][name].startswith("data:image/webp;base64,")
    keys = {pair[key] for pair in started for key in ("source_key", "target_key")}
    assert data["images"].keys() == keys


def test_a_way_that_is_a_segment_needs_no_snapshots(tmp_path):
    run = Run(Factory(size=8, sources=2, frames=3, method="star").write(tmp_path))
    for pair in report_data(run).pairs:
        assert (pair.pictures.strip, pair.path, pair.steps) == (None, [], [])


def unpacked(uri):
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize(("which", "gain"), [("target", 16), ("source", 1)])
def test_differences_are_those_of_the_exact_images_each_at_its_own_gain(tmp_path, which, gain):
    """Where nothing differs nothing is seen: a lossy preview times a gain shows its own faults."""
    run = Run(Factory(size=128, sources=2, frames=3, unstarted=False).write(tmp_path))
    row = run.pair_rows(started=True)[0]
    end = run.image(row[f"{which}_id"], row["model"]).astype(np.float32) / 255
    exact = end.copy()
    exact[:, 64:] = np.clip(exact[:, 64:] + 0.5 / gain / 1.5, 0, 1)
    stored = {"found": np.ascontiguousarray(exact.transpose(2, 0, 1))}
    save_file(stored, run.path / "found" / f"{row['pair_id']}.safetensors")
    run = Run(run.path)
    pair = next(p for p in report_data(run).pairs if p.id == row["pair_id"])
    assert report_data(run).gains[which] == gain
    shown = unpacked(getattr(pair.pictures, f"to_{which}"))
    assert shown[:, :56].max() <= 2
    raised = (gain * 255 * (exact - end))[:, 72:]
    assert np.abs(shown[:, 72:] - raised).mean() < 6


def test_the_pictures_of_the_first_screen_lose_nothing(tmp_path):
    run = Run(Factory(size=128, sources=2, frames=3).write(tmp_path))
    data = report_data(run)
    row = next(r for r in run.pair_rows() if r["pair_id"] == data.case.pair_id)
    assert np.array_equal(unpacked(data.exact["found"]), run.found(row["pair_id"]))
    for which in ("source", "target"):
        stored = run.image(row[f"{which}_id"], row["model"])
        assert np.array_equal(unpacked(data.exact[which]), stored)


def test_the_plain_mix_stands_beside_every_way(run, page):
    nulls = {(r["model"], r["source_id"], r["target_id"]): r for r in run.null_rows()}
    for pair in data_of(page)["pairs"]:
        null = nulls.get((pair["model"], pair["source_id"], pair["target_id"]))
        expected = null["interpolation_confidence"] if null else []
        assert pair["plain"] == pytest.approx(expected, abs=1e-5)
        assert pair["plain_until"] == (null and null["interpolation_t"])


@pytest.mark.parametrize("misread", [0, 1, 4])
def test_the_headline_pair_has_a_real_target_that_the_model_names(tmp_path, misread):
    run = Run(Factory(size=12, sources=4, targets=1, models=ZOO[:1]).write(tmp_path / "run"))
    order = sorted(run.pair_rows(started=True), key=lambda row: row["rmse"])
    names = {"model": ZOO[0], "confidence": 0.274, "p_label": 0.1}
    said = [
        {
            **names,
            "image_id": row["target_id"],
            "predicted": row["target_class"] + (place < misread),
        }
        for place, row in enumerate(order)
    ]
    pq.write_table(pa.Table.from_pylist(said, PREDICTIONS), run.path / "predictions.parquet")
    assert striking_case(Run(run.path)) == order[misread % 4]["pair_id"]


def test_what_the_model_says_of_the_real_target_is_its_prediction(tmp_path):
    path = Factory(size=8, sources=3, frames=3, models=ZOO[:1]).write(tmp_path)
    row = Run(path).pair_rows(started=True)[0]
    said = {"model": ZOO[0], "image_id": row["target_id"], "confidence": 0.75, "p_label": 0.75}
    rows = [{**said, "predicted": row["target_class"]}]
    pq.write_table(pa.Table.from_pylist(rows, schema=PREDICTIONS), path / "predictions.parquet")
    pairs = {pair.id: pair for pair in report_data(Run(path)).pairs}
    assert pairs[row["pair_id"]].target_said == (row["target_name"], 0.75)


@pytest.mark.parametrize(
    ("method", "way"),
    [
        ("star", "along one straight line"),
        ("fan", "along one straight line"),
        ("adaptive", "step by step in directions"),
        ("reference", "step by step in directions"),
    ],
)
def test_the_way_is_told_in_per_cent_where_it_is_a_segment_and_in_steps_elsewhere(
    tmp_path, method, way
):
    run = Run(Factory(size=8, sources=2, frames=3, method=method).write(tmp_path))
    page = Page(page_html(report_data(run)))
    straight = {model["straight"] for model in data_of(page)["models"]}
    assert straight == {way == "along one straight line"}
    assert f"was changed {way} it hardly notices" in words(page)


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


def test_no_name_ends_the_data_of_the_page(tmp_path):
    """An end tag needs no ">", and a comment that begins in a script hides its end."""
    classes = ("</script x", "<!--<script", "c", "d", "e", "f")
    factory = Factory(size=8, sources=2, keep="none", classes=classes)
    page = page_html(report_data(Run(factory.write(tmp_path))))
    assert not [name for name in classes[:2] if name in page]
    assert {pair["source"] for pair in data_of(Page(page))["pairs"]} <= set(classes)


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
    assert data_of(Page(page_html(data))) == json.loads(json.dumps(data, default=asdict))
    assert data.schema == SCHEMA


def test_every_table_is_on_the_page_with_every_cell(run, page):
    shown = {table["kind"]: table for table in data_of(page)["tables"]}
    assert list(shown) == ["distance", "confidence", "summary"]
    for kind, table in shown.items():
        assert table["csv"] == render(build_table(run, kind), "csv")
        for row in table["rows"]:
            for column in table["columns"]:
                assert row["cells"][column["key"]]["text"] in words(page)


def test_baselines_stand_below_the_models_once_where_they_are_alike(run):
    (table,) = (one for one in report_data(run).tables if one["kind"] == "distance")
    shown = [row["title"] or row["label"] for row in table["rows"]]
    assert shown == ["Shapes ResNet", TRAINED, "random pair", "straight line", "target itself"]
    other = Run(Factory(size=8, sources=2, frames=3).write(run.path.parent / "other"))
    nulls = [{**r, "interpolation_rmse": 0.1} for r in other.null_rows(ZOO[0])]
    write_nulls = pa.Table.from_pylist([*nulls, *other.null_rows(ZOO[1])], schema=NULLS)
    pq.write_table(write_nulls, other.path / "nulls.parquet")
    (table,) = (one for one in report_data(Run(other.path)).tables if one["kind"] == "distance")
    shown = [row["title"] or row["label"] for row in table["rows"]][3:5]
    assert shown == ["straight line, Shapes ResNet", f"straight line, {TRAINED}"]


def test_own_rows_baselines_and_published_ones_are_told_apart(run):
    data = report_data(run)
    (table,) = (one for one in data.tables if one["kind"] == "confidence")
    null = {**table["rows"][0], "title": "random pair", "origin": "random_pair"}
    published = {**table["rows"][0], "label": "theirs", "origin": "slides"}
    rows = [table["rows"][0], null, published]
    text = page_html(replace(data, tables=[{**table, "rows": rows}]))
    assert '<tr class="own"><th scope="row">Shapes ResNet</th>' in text
    assert '<tr class="below"><th scope="row">random pair</th>' in text
    assert '<tr class="published"><th scope="row">theirs</th>' in text


def test_models_are_called_as_people_call_them_and_their_spec_stands_small(run):
    page = Page(page_html(report_data(run, names={ZOO[1]: "ResNet of the clinic"})))
    assert "ResNet of the clinic" in words(page)
    assert "Shapes ResNet" in words(page)
    assert ZOO[1] in words(page)
    with pytest.raises(UsageError, match="--name zoo:shapes-resnett"):
        report_data(run, names={"zoo:shapes-resnett": "x"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("folder:/home/me/photos", "folder:…/photos"),
        ("blindspots run --out /srv/a/b --model 'file:/srv/m.py:build?size=8'", None),
        ("not in /opt/.cache/torch/hub", "not in …/hub"),
        ("file:~/nets/model.py:build", "file:…/model.py:build"),
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("timm:resnet50.a1_in1k, and 8/255", "timm:resnet50.a1_in1k, and 8/255"),
        ("folder:photos/new", "folder:photos/new"),
    ],
)
def test_no_folder_of_this_machine_is_shown(text, shown):
    shown = shown or "blindspots run --out …/b --model 'file:…/m.py:build?size=8'"
    assert without_folders(text) == shown


def test_no_page_holds_a_path_of_the_machine_that_made_it(tmp_path):
    secret = "/home/someone/secret"
    notes = [f"lpips is null: not in {secret}/cache"]
    info = {"command": f"blindspots run --out {secret}/run", "notes": notes}
    info["images"] = {"spec": f"folder:{secret}/photos", "count": 3, "skipped": []}
    models = [f"file:{secret}/model.py:build"]
    run = Run(Factory(size=8, sources=2, models=models, frames=3, info=info).write(tmp_path))
    text = page_html(report_data(run))
    assert "secret/" not in text
    assert "blindspots run --out …/run" in text


def test_every_model_has_its_one_number_beside_its_null(run):
    one, other = report_data(run).numbers
    rows = run.pair_rows(ZOO[0], started=True)
    inside = [r["segment_inside"] and r["p_found_8bit"] >= r["p_source"] - 0.2 for r in rows]
    reach = [max(1 - r["rmse"] / 0.3, 0) * i for r, i in zip(rows, inside, strict=True)]
    assert one.reach.value == pytest.approx(np.mean(reach))
    assert one.reach.low <= one.reach.value <= one.reach.high
    assert one.line.value == pytest.approx(0.2)
    assert one.pairs == other.pairs == len(rows)
    assert f"{sum(r['rmse'] <= 0.02 and i for r, i in zip(rows, inside, strict=True))} of" in (
        one.count
    )
    assert "after 20\u00a0%" in one.sentence


def test_a_run_without_baselines_says_that_reach_is_not_known(tmp_path):
    run = Run(Factory(size=8, sources=2, frames=3, nulls=False).write(tmp_path))
    page = page_html(report_data(run))
    assert "reach is not known" in page


def test_found_images_of_a_source_together_have_their_table(tmp_path):
    run = Run(Factory(size=8, sources=2, targets=3, frames=3).write(tmp_path))
    (table,) = (one for one in report_data(run).tables if one["kind"] == "simplices")
    assert 0.5 in [cell["mean"] for cell in table["rows"][0]["cells"].values()]
    assert table["title"] in page_html(report_data(run))


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
