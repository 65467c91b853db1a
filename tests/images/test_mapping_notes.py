"""What was mapped to what is said once, and once more only for a model that maps it otherwise."""

import pytest

from blindspots.cli.main import call
from blindspots.images.shapes import CLASS_NAMES
from blindspots.store.reader import Run
from tests.images.material import KNOWN, dry_run, shapes, write

OTHER = """
from blindspots import Classifier, load_model


def backwards():
    whole = load_model("zoo:shapes-resnet")
    flipped = whole.module
    flipped.register_forward_hook(lambda layer, given, logits: logits.flip(1))
    names = tuple(reversed(whole.class_names))
    return Classifier(flipped, size=64, mean=(0.5,) * 3, std=(0.25,) * 3, class_names=names)
"""


@pytest.fixture
def subset(tmp_path):
    """The spec of a folder with all classes of the shapes but one."""
    for name, label, data in shapes():
        if label:
            write(tmp_path / "shapes" / CLASS_NAMES[label] / name, data)
    (tmp_path / "other.py").write_text(OTHER)
    return f"folder:{tmp_path}/shapes"


def notes(said):
    return [line for line in said.splitlines() if "map to these of" in line]


def test_a_run_says_once_what_was_mapped(subset, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("blindspots.reporting.publish.write_figures", lambda *_: [])
    command = ["run", "--model", KNOWN, "--model", "zoo:shapes-vit", "--images", subset]
    command += ["--sources", "2", "--targets-per-source", "1", "--method", "paper"]
    assert call([*command, "--set", "max_steps=1", "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr()
    (note,) = notes(said.out + said.err)
    assert f"note: 9 classes of {subset} map to these of {KNOWN}: " in note
    assert len(notes("\n".join(Run(tmp_path / "run").info.notes))) == 1


@pytest.mark.parametrize(
    "others", [[], ["zoo:shapes-vit"], ["zoo:shapes-vit", "zoo:shapes-vit-at"]]
)
def test_models_of_the_same_classes_share_a_note(subset, capsys, others):
    status, said = dry_run(subset, capsys, *(word for one in others for word in ("--model", one)))
    assert status == 0
    assert len(notes(said)) == 1


def test_a_model_that_maps_otherwise_has_a_note_of_its_own(subset, tmp_path, capsys):
    other = f"file:{tmp_path}/other.py:backwards"
    status, said = dry_run(subset, capsys, "--model", other)
    assert status == 0
    first, second = notes(said)
    assert f"of {KNOWN}: " in first
    assert "of file:other.py:backwards: " in second
