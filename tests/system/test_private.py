"""What is sent on says nothing of its maker's machine: no page, table or figure has a path."""

import shutil

import pytest

from blindspots.cli.main import call
from blindspots.specs import without_folders
from tests.support.tiny import FILE, REFERENCE, write_images

SENT_ON = (".html", ".csv", ".md", ".tex", ".svg", ".png", ".pdf", ".parquet")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home of somebody, with a model and images in it; everything is typed by whole paths."""
    place = tmp_path / "home-of-maria"
    write_images(place / "photos")
    shutil.copy(FILE, place / "model.py")
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("TORCH_HOME", str(place / "torch"))
    return place


def test_what_is_sent_on_has_no_path_of_its_maker(home, monkeypatch):
    run, model = home / "run", f"file:{home}/model.py"
    monkeypatch.setattr("sys.argv", ["blindspots", "run", "--out", str(run), "--model", model])
    models = ["--model", f"{model}:build?size=12", "--model", f"{model}:smooth"]
    made = ["run", *models, "--images", f"folder:{home}/photos", "--out", str(run)]
    few = ("--sources", "4", "--targets-per-source", "2", "--keep", "path")
    assert call([*made, *REFERENCE, *few, "--quiet"]) == 0
    assert call(["transfer", str(run), "--trust-run-code", "--quiet"]) == 0
    assert call(["plot", str(run), "--figure", "grid"]) == 0
    assert call(["compare", str(run), "--html", str(run / "compare.html")]) == 0
    files = [file for file in run.rglob("*") if file.suffix in SENT_ON]
    assert {file.suffix for file in files} == {*SENT_ON}
    told = [file.name for file in files if home.name in file.name]
    told += [file.name for file in files if home.name.encode() in file.read_bytes()]
    assert told == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("file:/home/maria/model.py:build", "file:…/model.py:build"),
        ("run --out '/home/maria/a run' --images folder:~/photos", None),
        ("not in /home/maria/.cache/torch/hub; type", "not in …/hub; type"),
        (r"C:\Users\maria\run", "…/run"),
        ("weights=/data/w.pth&mean=0.5", "weights=…/w.pth&mean=0.5"),
        ("https://arxiv.org/abs/2310.19889", "https://arxiv.org/abs/2310.19889"),
        ("s3://bucket/runs/one", "s3://bucket/runs/one"),
        (
            "at ε = 8/255, and/or 3/64 of photos/cat.png",
            "at ε = 8/255, and/or 3/64 of photos/cat.png",
        ),
    ],
)
def test_folders_of_absolute_paths_are_left_out_and_nothing_else(text, left):
    changed = without_folders(text)
    assert "maria" not in changed
    assert left is None or changed == left
