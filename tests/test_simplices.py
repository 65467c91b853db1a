"""Sources with more than two targets: the hull of all found images, through a whole run."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import blindspots as bs
from blindspots.cli.app import call
from blindspots.engine import generator
from blindspots.records import SIMPLICES
from blindspots.run_reader import Run
from blindspots.store import Store

MODEL = "zoo:shapes-resnet"
SMALL = ["--model", MODEL, "--images", "sample:shapes?n=20", "--method", "reference"]
FEW = ["--set", "max_steps=4", "--sources", "5", "--keep", "found", "--quiet"]


def run(out, targets=3):
    return call(["run", *SMALL, *FEW, "--targets-per-source", str(targets), "--out", str(out)])


@pytest.fixture(autouse=True)
def _rows_alone(monkeypatch):
    """These tests are about rows, and few samples say as much of them."""
    monkeypatch.setattr("blindspots.outcome.write_figures", lambda *_: [])
    monkeypatch.setattr("blindspots.measure.SIMPLEX_SAMPLES", 150)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("simplices") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blindspots.outcome.write_figures", lambda *_: [])
        patch.setattr("blindspots.measure.SIMPLEX_SAMPLES", 150)
        assert run(path) == 0
    return path


def test_every_source_with_three_targets_has_a_row(finished):
    assert pq.read_schema(finished / "simplices.parquet").equals(SIMPLICES)
    rows = Run(finished).simplex_rows(MODEL)
    assert {row["source_id"] for row in rows} == {r["source_id"] for r in Run(finished).pair_rows()}
    assert len(rows) == 5
    for row in rows:
        assert (row["k"], row["samples"], row["drop"]) == (3, 150, 0.2)
        assert 0 <= row["low"] <= row["fraction"] <= row["high"] <= 1
        assert 0 <= row["mean"] <= 1


def test_a_row_is_what_the_public_simplex_says_of_the_saved_images(finished):
    model, row = bs.load_model(MODEL), Run(finished).simplex_rows()[0]
    pairs = [r for r in Run(finished).pair_rows() if r["source_id"] == row["source_id"]]
    pairs = sorted(pairs, key=lambda pair: pair["target_id"])
    found = [torch.from_numpy(Store(finished).load_found(pair["pair_id"])) for pair in pairs]
    pixels = np.asarray(Image.open(finished / "images" / f"{row['source_id']}.png")).copy()
    source = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    seed = generator(0, row["source_id"]).initial_seed()
    cloud = bs.simplex(model, source, found, pairs[0]["source_class"], samples=150, seed=seed)
    assert row["fraction"] == pytest.approx(cloud.fraction(0.2), abs=0.02)
    assert (row["low"], row["high"]) == pytest.approx(cloud.interval(0.2), abs=0.02)
    assert row["mean"] == pytest.approx(cloud.mean, abs=1e-4)
    assert row["p_source"] == pytest.approx(pairs[0]["p_source"], abs=1e-5)


class Cut(BaseException):
    """A kill, seen from inside."""


def test_a_run_cut_between_two_simplices_measures_the_others_only(tmp_path, monkeypatch, finished):
    whole, appended = Store.append, []

    def cut(self, table, rows):
        if appended.count("simplices") == 2:
            raise Cut
        appended.extend([table] * (table == "simplices"))
        whole(self, table, rows)

    monkeypatch.setattr(Store, "append", cut)
    with pytest.raises(Cut):
        run(tmp_path / "run")
    monkeypatch.setattr(Store, "append", whole)
    kept = Store(tmp_path / "run").present("simplices")
    assert len(kept) == 2
    written: dict[str, list] = {}

    def noting(self, table, rows):
        written.setdefault(table, []).extend(rows)
        whole(self, table, rows)

    monkeypatch.setattr(Store, "append", noting)
    assert run(tmp_path / "run") == 0
    again = written.pop("simplices")
    assert len(again) == 3
    assert [table for table, rows in written.items() if rows] == ["nulls"]  # these come last
    assert not {(row["model"], row["source_id"]) for row in again} & kept
    for one, other in zip(
        Run(finished).simplex_rows(), Run(tmp_path / "run").simplex_rows(), strict=True
    ):
        for name, value in one.items():
            close = pytest.approx(value, abs=0.02) if isinstance(value, float) else value
            assert other[name] == close, name


def test_two_targets_a_source_make_triangles_alone(tmp_path):
    assert run(tmp_path / "run", targets=2) == 0
    assert Run(tmp_path / "run").simplex_rows() == []
    assert pq.read_table(tmp_path / "run" / "simplices.parquet").num_rows == 0
    assert len(Run(tmp_path / "run").triangle_rows()) == 5


def test_verify_measures_simplices_again_and_notices_another_fraction(finished, capsys):
    assert call(["verify", str(finished), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "agrees" in out
    assert "fraction " in out
    file = finished / "simplices.parquet"
    content, rows = file.read_bytes(), pq.read_table(file).to_pylist()
    rows[0]["fraction"] = 0.5 * rows[0]["fraction"] + 0.1
    pq.write_table(type(pq.read_table(file)).from_pylist(rows, SIMPLICES), file)
    assert call(["verify", str(finished), "--quiet"]) == 1
    assert f"DIFFERENT at simplex of {rows[0]['source_id']}" in capsys.readouterr().out
    file.write_bytes(content)
