"""The main job through the command line, on a tiny model and tiny images."""

import json
import os
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import blindspots as bs
from blindspots.cli.main import call
from blindspots.engine.evaluator import Evaluator
from blindspots.images.listing import seeded_order
from blindspots.methods.method import as_stored
from blindspots.reporting.page.report_data import report_data
from blindspots.schema import NULLS, PAIRS, SIMPLICES, TRIANGLES
from blindspots.store.manifest import unlisted
from blindspots.store.reader import Run
from blindspots.store.writer import Store
from tests.support.runs import found_image, rows, saved_image
from tests.support.tiny import FULL, MODEL, NAMES, SMOOTH, run, spec, without_figures, write_images

SCHEMAS = {"pairs": PAIRS, "triangles": TRIANGLES, "simplices": SIMPLICES, "nulls": NULLS}
MODELS = 2


@pytest.mark.parametrize(
    ("table", "each"), [("pairs", 18), ("triangles", 18), ("simplices", 6), ("nulls", 18)]
)
def test_every_column_of_the_contract_is_there_with_its_type(finished, table, each):
    assert pq.read_schema(finished / f"{table}.parquet").equals(SCHEMAS[table])
    assert len(rows(finished, table)) == MODELS * each


def test_the_report_has_a_small_change_that_the_model_does_see(finished):
    check_contrast(finished)


def test_all_that_a_run_wrote_stands_in_its_manifest(finished):
    """Else its verification ends with what is not proved, for every newcomer."""
    assert unlisted(finished) == []


def test_the_demo_has_one_too(tmp_path, tiny_images, no_figures, monkeypatch):
    for name, value in (("MODEL", MODEL), ("IMAGES", tiny_images), ("STEPS", 6)):
        monkeypatch.setattr(f"blindspots.cli.run_command.PHOTO_{name}", value)
    assert call(["demo", "--photos", "--out", str(tmp_path / "demo"), "--quiet"]) == 0
    check_contrast(tmp_path / "demo")


def check_contrast(path):
    """The over-sensitive row is of the report's headline pair, and what the model says is true."""
    run = Run(path)
    data, facts = report_data(run), run.info.contrast
    assert facts.pair_id == data.case.pair_id
    row = next(row for row in run.pair_rows() if row["pair_id"] == facts.pair_id)
    assert (facts.before, data.contrast.before) == (row["source_name"], data.case.source)
    assert facts.linf == pytest.approx(8 / 255)
    assert data.contrast.levels == 8
    model = bs.load_model(run.facts(row["model"]).spec)
    shown = torch.from_numpy(run.contrast().copy()).permute(2, 0, 1)[None] / 255
    (confidence,), (label,) = model(shown).detach().softmax(1).max(1)
    assert (facts.after, facts.p_after) == (NAMES[label], pytest.approx(float(confidence)))


def test_every_number_of_a_pair_is_there_but_lpips(finished):
    for row in rows(finished).values():
        assert row["ending"] == "finished"
        assert row["steps"] == 6
        assert row["evaluations"] == 7.5
        assert len(row["segment_confidence"]) == 101
        assert len(row["path_step"]) == len(row["path_confidence"]) == 7
        assert {name for name, value in row.items() if value is None} <= {"lpips", "source_lpips"}


@pytest.mark.parametrize("model", [MODEL, SMOOTH], ids=["rippled", "smooth"])
def test_the_rows_say_what_the_files_hold(finished, tiny_images, model):
    """Recomputed by hand from the saved images: no code of the run is used."""
    model = bs.load_model(model).eval()
    images = bs.load_images(tiny_images, model)
    own = [row for row in rows(finished).values() if row["model"] == model.name]
    assert len({row["source_id"] for row in own}) == 6
    for row in own:
        found = found_image(finished, row["pair_id"])
        source, target = (saved_image(finished, row[k]) for k in ("source_id", "target_id"))
        assert torch.equal(source, images.images[images.ids.index(row["source_id"])])
        for name, image in (("", target), ("source_", source)):
            distance = found - image
            rms = float(distance.square().mean().sqrt())
            assert row[f"{name}rmse"] == pytest.approx(rms, abs=1e-6)
            assert row[f"{name}linf"] == pytest.approx(float(distance.abs().max()), abs=1e-6)
        _check_confidences(row, model, source, found)
        rounded = np.asarray(Image.open(finished / "found" / f"{row['pair_id']}.png"))
        assert np.abs(rounded / 255 - found.permute(1, 2, 0).numpy()).max() <= 0.5 / 255 + 1e-6


def _check_confidences(row, model, source, found):
    line = torch.stack([source + i / 100 * (found - source) for i in range(101)])
    with torch.no_grad():
        p, along = (
            model(images).softmax(1)[:, row["source_class"]]
            for images in (torch.stack((source, found)), line)
        )
    assert [row["p_source"], row["p_found"]] == pytest.approx(p.tolist(), abs=1e-4)
    assert row["segment_confidence"] == pytest.approx(along.tolist(), abs=1e-4)
    assert row["segment_mean"] == pytest.approx(float(along[::10].mean()), abs=1e-4)
    assert row["segment_min"] <= float(along.min()) + 1e-4
    assert row["segment_inside"] == (row["segment_min"] >= row["p_source"] - 0.2)
    assert row["p_path_min"] <= min(row["path_confidence"])


def test_the_toys_leave_something_to_measure(finished):
    """Were all inside, rows that say so would show nothing."""
    for table, column in (("triangles", "fraction_0.1"), ("simplices", "fraction")):
        values = [row[column] for row in rows(finished, table).values()]
        assert min(values) < 0.97 < max(values)
    dips = [row["p_source"] - row["segment_min"] for row in rows(finished).values()]
    assert min(dips) < 0.01 < 0.1 < max(dips)


def test_a_finished_run_has_tables_figures_report_and_facts(tmp_path, tiny_images):
    out = tmp_path / "run"
    assert run(tiny_images, out, "--sources", "2", "--targets-per-source", "1") == 0
    info = json.loads((out / "run.json").read_text())
    assert info["finished"]
    assert info["plan"]["method"]["max_steps"] == 6
    assert info["models"][0]["preflight"]["accuracy"] == 1
    assert torch.__version__.startswith(info["versions"]["torch"])
    assert (out / "report.html").stat().st_size > 10_000
    assert list((out / "figures").glob("*.png"))
    assert {p.name for p in (out / "tables").iterdir()} >= {"distance.csv", "confidence.tex"}
    assert not list((out / "parts").iterdir())


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    ("keep", "found", "paths"), [("none", 0, 0), ("found", 12, 0), ("path", 12, 6)]
)
def test_keep_says_what_stays(tmp_path, tiny_images, keep, found, paths):
    path = tmp_path / "run"
    few = ("--keep", keep, "--sources", "3")
    assert run(tiny_images, path, *few, "--name", f"{MODEL}=The ward’s own") == 0
    assert len(list((path / "found").iterdir())) == found
    assert len(list((path / "path").iterdir())) == paths
    assert len(rows(path, "triangles")) == 3
    assert run(tiny_images, path, *few) == 0
    assert [facts.title for facts in Run(path).models] == ["The ward’s own"]
    assert "The ward’s own" in (path / "report.html").read_text()


@pytest.mark.usefixtures("no_figures")
def test_two_targets_a_source_make_triangles_alone(tmp_path, tiny_images):
    assert run(tiny_images, tmp_path / "run", "--sources", "3") == 0
    assert len(rows(tmp_path / "run", "triangles")) == 3
    assert rows(tmp_path / "run", "simplices") == {}


@pytest.mark.usefixtures("no_figures")
def test_pairs_may_be_given(tmp_path, tiny_images):
    images = bs.load_images(tiny_images)
    file = tmp_path / "pairs.csv"
    file.write_text(
        f"source,target\n{images.names[3]},{images.ids[8]}\n{images.ids[3]},{images.ids[5]}\n"
    )
    assert run(tiny_images, tmp_path / "run", "--pairs", str(file)) == 0
    assert {(r["source_id"], r["target_id"]) for r in rows(tmp_path / "run").values()} == {
        (images.ids[3], images.ids[8]),
        (images.ids[3], images.ids[5]),
    }
    assert len(rows(tmp_path / "run", "triangles")) == 1


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path, tiny_images, capsys):
    few = ("--sources", "4", "--dry-run")
    assert run(tiny_images, tmp_path / "run", *few) == 0
    assert "8 pairs of 4 sources" in capsys.readouterr().out
    assert run(tiny_images, tmp_path / "run", *few, "--json") == 0
    cost = json.loads(capsys.readouterr().out)["cost"]
    assert list(cost["pairs"].values()) == [8]
    assert cost["evaluations"] == 8 * 7
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_figures")
def test_results_are_json_where_asked_for(tmp_path, tiny_images, capsys):
    out = tmp_path / "run"
    assert run(tiny_images, out, "--sources", "3", "--json") == 0
    published = json.loads(capsys.readouterr().out)
    assert published["report"] == str(out / "report.html")
    assert set(published["tables"]) == {"distance", "confidence"}
    assert call(["table", str(out), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"distance", "confidence"}


@pytest.mark.usefixtures("no_figures")
def test_every_model_works_on_the_same_pairs_and_misses_are_rows(tmp_path, tiny_images):
    """A second model that cannot name the first source's class: rows without pairs."""
    images = bs.load_images(tiny_images, bs.load_model(MODEL))
    unnamed = int(images.labels[seeded_order(images.ids, 0)[0]])
    blind = spec(f"blind?to={unnamed}")
    few = ("--sources", "4", "--targets-per-source", "1")
    assert run(tiny_images, tmp_path / "run", *few, models=(MODEL, blind)) == 0
    by_model = {}
    for row in Run(tmp_path / "run").pair_rows(started=True):
        by_model.setdefault(row["model"], set()).add((row["source_id"], row["target_id"]))
    first, second = by_model.values()
    assert first == second
    missed = Run(tmp_path / "run").pair_rows(started=False)
    assert missed
    assert {row["ending"] for row in missed} == {"source_misclassified"}
    assert {row["source_class"] for row in missed} == {unnamed}
    assert all(row["target_id"] is None and row["p_source"] < 0.5 for row in missed)


@pytest.mark.usefixtures("no_figures")
def test_what_can_be_skipped_or_converted_is_named_and_the_run_goes_on(
    tmp_path, tiny_images, capsys
):
    """A truncated, an empty and a grey file among others: a warning each, exit status 0."""
    import shutil

    folder = tmp_path / "mixed"
    shutil.copytree(tiny_images.partition(":")[2], folder)
    first = next((folder / NAMES[0]).iterdir())
    whole = first.read_bytes()
    (folder / NAMES[0] / "torn.png").write_bytes(whole[: len(whole) // 2])
    (folder / NAMES[0] / "nothing.jpg").write_bytes(b"")
    Image.open(first).convert("L").save(folder / NAMES[0] / "grey.png")
    assert run(f"folder:{folder}", tmp_path / "run", "--sources", "3") == 0
    error = capsys.readouterr().err
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    for name in ("torn.png", "nothing.jpg"):
        assert name in error
        assert any(name in entry["name"] for entry in info["images"]["skipped"])
    assert "grey.png" in error
    assert any("grey.png" in entry["name"] for entry in info["images"]["converted"])


def test_a_read_only_run_is_reported_elsewhere(finished, tmp_path, no_figures, monkeypatch, capsys):
    def writable(path, _):
        return not Path(path).is_relative_to(finished)

    monkeypatch.setattr("os.access", writable)
    before = {file: file.stat().st_mtime_ns for file in finished.rglob("*")}
    assert call(["report", str(finished), "--quiet"]) == 2
    assert "is read-only; name another --out" in capsys.readouterr().err
    elsewhere = ["--out", str(tmp_path / "shown"), "--name", f"{MODEL}=The ward’s own"]
    assert call(["report", str(finished), *elsewhere, "--quiet"]) == 0
    assert "The ward’s own" in (tmp_path / "shown" / "report.html").read_text()
    assert (tmp_path / "shown" / "report.html").stat().st_size > 10_000
    assert (tmp_path / "shown" / "tables" / "distance.csv").is_file()
    assert {file: file.stat().st_mtime_ns for file in finished.rglob("*")} == before


def test_hulls_are_measured_of_the_found_images_in_memory(
    tiny_images, tmp_path, monkeypatch, no_figures
):
    """Where memory holds none of them, the files are read and give the same rows."""
    read, load = [], Store.load_found
    monkeypatch.setattr(Store, "load_found", lambda store, i: (read.append(i), load(store, i))[1])
    assert run(tiny_images, tmp_path / "held", *FULL) == 0
    assert read == []
    monkeypatch.setattr("blindspots.study.work.HELD_BYTES", 0)
    assert run(tiny_images, tmp_path / "read", *FULL) == 0
    assert set(read) == {row["pair_id"] for row in rows(tmp_path / "held").values()}
    for table in ("triangles", "simplices"):
        own = [rows(tmp_path / out, table) for out in ("held", "read")]
        assert own[0] == own[1]
        assert len(own[0]) > 0


def test_names_that_are_no_utf8_are_carried_through_a_run(tmp_path, no_figures):
    images = write_images(tmp_path / "images", 2)
    for name, other in zip(NAMES, (b"a\xe9", b"b", b"c"), strict=True):
        (images / name).rename(images / os.fsdecode(other))
    (images / "b" / os.fsdecode(b"\xe9t\xe9.png")).write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 50)
    (images / "b" / "green-0.png").rename(images / "b" / os.fsdecode(b"gr\xe9.png"))
    few = ("--sources", "3", "--targets-per-source", "1")
    unnamed = spec("unnamed")
    assert run(f"folder:{images}", tmp_path / "run", *few, models=(unnamed,)) == 0
    assert len(rows(tmp_path / "run")) == 3
    assert [one["name"] for one in Run(tmp_path / "run").info.images.skipped] == [
        "b/\\xe9t\\xe9.png"
    ]


def test_a_run_may_lie_in_a_folder_whose_name_is_no_utf8(tmp_path, tiny_images, monkeypatch):
    out = tmp_path / os.fsdecode(b"\xe9t\xe9") / "run"
    monkeypatch.setattr("sys.argv", ["blindspots", "run", "--out", str(out)])
    said = TextIOWrapper(BytesIO(), "utf-8", errors="backslashreplace")
    with without_figures(), redirect_stdout(said), redirect_stderr(said):
        assert run(tiny_images, out, "--sources", "3", "--targets-per-source", "2") == 0
        assert Run(out).info.command.endswith("\\xe9t\\xe9/run'")
        for command, *options in (["table"], ["report"], ["verify", "--trust-run-code"]):
            assert call([command, str(out), *options]) == 0


def test_a_contrast_that_is_no_number_is_not_stored(tmp_path, tiny_images, no_figures, monkeypatch):
    """The model answers NaN once the run is done, where a small change is looked at."""
    asked = Evaluator.logits

    def late(self, images):
        return asked(self, images) * float("nan")

    monkeypatch.setattr(
        "blindspots.study.contrast.as_stored",
        lambda image: (monkeypatch.setattr(Evaluator, "logits", late), as_stored(image))[1],
    )
    assert run(tiny_images, tmp_path / "run", "--sources", "4", "--targets-per-source", "1") == 0
    assert Run(tmp_path / "run").info.contrast is None
