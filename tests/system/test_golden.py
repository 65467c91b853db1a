"""The two runs that are still made of the embedded models: everything else runs on a tiny one.

What a toy cannot show is seen here: weights that were trained and are loaded from a file,
normalisation, a convolutional network and a transformer, images of 64 pixels drawn by the package,
and numbers that stay what they are from version to version.
"""

import json

import pytest
import torch

import blindspots as bs
from blindspots.store.reader import Run
from tests.support.runs import found_image, saved_image
from tests.support.tiny import run

pytestmark = pytest.mark.usefixtures("no_figures")
IMAGES = "sample:shapes?n=20"
ENDS, NUMBERS = ("source", "target"), ("p_source", "p_found", "rmse")
FEW = ("--sources", "2", "--targets-per-source", "1")
ADAPTIVE = ("--method", "adaptive", "--set", "max_steps=8", "--score", "margin")


def made(out, model, *options):
    assert run(IMAGES, out, *FEW, *options, models=(model,)) == 0
    assert json.loads((out / "run.json").read_text())["models"][0]["preflight"]["accuracy"] > 0.9
    return Run(out)


def test_reference_on_the_residual_network_is_what_it_was_and_what_the_files_hold(tmp_path):
    """A batch-normalised network with mean and deviation of its own; recomputed by hand."""
    model = bs.load_model("zoo:shapes-resnet").eval()
    stored = made(tmp_path / "run", "zoo:shapes-resnet")
    for row in stored.pair_rows():
        found = found_image(stored.path, row["pair_id"])
        source, target = (
            saved_image(stored.path, row[f"{end}_id"]) for end in ("source", "target")
        )
        with torch.no_grad():
            p = model(torch.stack((source, found))).softmax(1)[:, row["source_class"]]
        assert [row["p_source"], row["p_found"]] == pytest.approx(p.tolist(), abs=1e-4)
        rms = float((found - target).square().mean().sqrt())
        assert row["rmse"] == pytest.approx(rms, abs=1e-6)
    assert numbers(stored) == pytest.approx(RESIDUAL, abs=2e-3)


def test_adaptive_holds_the_margin_of_the_robust_transformer_as_it_did(tmp_path):
    """Attention, an adversarially trained model, another method and another score."""
    stored = made(tmp_path / "run", "zoo:shapes-vit-at", *ADAPTIVE)
    assert numbers(stored) == pytest.approx(TRANSFORMER, abs=1e-2)
    assert stored.models[0].training_epsilon == pytest.approx(8 / 255)
    for row in stored.pair_rows(started=True):
        assert row["p_source"] - row["p_found"] <= 2.0 + 1e-4


def numbers(stored):
    return [
        row[name]
        for row in stored.pair_rows(started=True)
        for name in ("p_source", "p_found", "rmse")
    ]


RESIDUAL = [0.9999, 0.9995, 0.1497, 0.9991, 0.9947, 0.1482]
TRANSFORMER = [8.9827, 8.0098, 0.0748, 8.4682, 7.8612, 0.0830]
