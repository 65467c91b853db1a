"""What was mapped to what is said once, and once more only for a model that maps it otherwise."""

import shutil

import pytest

from blindspots.store.reader import Run
from tests.support.tiny import MODEL, NAMES, SMOOTH, run, spec, write_images

FEW = ("--sources", "2", "--targets-per-source", "1")
OWN = "file:tiny_model.py"


@pytest.fixture
def subset(tmp_path):
    """The spec of a folder with all classes of the tiny images but one."""
    shutil.rmtree(write_images(tmp_path / "colours", 2) / NAMES[0])
    return f"folder:{tmp_path}/colours"


@pytest.fixture
def said(subset, tmp_path, capsys):
    """The notes on mapping that a run with these models says."""

    def ask(*models, options=("--dry-run",)):
        capsys.readouterr()
        given = {"models": (MODEL, *models), "quiet": False}
        assert run(subset, tmp_path / "run", *FEW, *options, **given) == 0
        shown = capsys.readouterr()
        return notes(shown.out + shown.err)

    return ask


def notes(text):
    return [line for line in text.splitlines() if "map to these of" in line]


def test_a_run_says_once_what_was_mapped(said, subset, tmp_path, no_figures):
    (note,) = said(SMOOTH, options=())
    assert f"note: 2 classes of {subset} map to these of {OWN}:build: " in note
    assert len(notes("\n".join(Run(tmp_path / "run").info.notes))) == 1


@pytest.mark.parametrize("others", [[], [SMOOTH], [SMOOTH, spec("build?size=12&seed=1")]])
def test_models_of_the_same_classes_share_a_note(said, others):
    assert len(said(*others)) == 1


def test_a_model_that_maps_otherwise_has_a_note_of_its_own(said):
    first, second = said(spec("shifted"))
    assert f"of {OWN}:build: " in first
    assert f"of {OWN}:shifted: " in second
