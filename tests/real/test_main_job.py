"""The main job on a real ImageNet classifier and real images, in a few steps."""

import pytest

from benchmarks.figure_classes import HERE
from blindspots.cli.main import call
from blindspots.store.reader import Run
from tests.real.assets import IMAGES, MODEL, REAL

pytestmark = REAL


def test_goose_to_terrier_and_the_misclassified_cleaver(tmp_path, monkeypatch):
    monkeypatch.setattr("blindspots.reporting.publish.write_figures", lambda *_: [])
    lines = (HERE / "figure_classes.csv").read_text().splitlines()
    wanted = [
        line
        for line in lines[1:]
        if line.startswith(("n01855672/n01855672_goose.JPEG,n0209", "n03041632"))
    ]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("\n".join([lines[0], *wanted[:2]]) + "\n")
    arguments = ["--model", MODEL, "--images", IMAGES, "--pairs", str(pairs), "--quiet"]
    out = tmp_path / "run"
    assert (
        call(
            ["run", *arguments, "--method", "reference", "--set", "max_steps=3", "--out", str(out)]
        )
        == 0
    )
    goose, cleaver = sorted(Run(out).pair_rows(), key=lambda row: row["source_class"])
    assert (goose["source_class"], goose["target_class"]) == (99, 199)
    assert goose["source_name"] == "goose"
    assert goose["target_name"] == "Scotch terrier"
    assert goose["p_source"] == pytest.approx(0.926, abs=0.01)
    assert goose["ending"] == "finished"
    assert goose["p_found"] > goose["p_source"] - 0.2
    assert goose["rmse"] < goose["source_rmse"] + 0.5
    assert cleaver["source_class"] == 499
    assert cleaver["ending"] == "source_misclassified"
    assert cleaver["rmse"] is None
