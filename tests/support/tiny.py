"""The whole product on a model and images that cost next to nothing, through the command line."""

import shutil
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blindspots.cli.main import call
from blindspots.store.atomic import write_text
from tests.support import tiny_model
from tests.support.tiny_model import NAMES, SIDE

FILE = Path(tiny_model.__file__)
PER_CLASS = 5
# With it the first sources that a run of seed 0 takes are of the classes 1, 0, 2, 0, 2, 1.
SALT = 2


def spec(factory: str) -> str:
    """The tiny model that a factory of `tiny_model.py` makes, as a user would name it."""
    return f"file:{FILE}:{factory}"


MODEL, SMOOTH = spec("build?size=12"), spec("smooth")
REFERENCE = ("--method", "reference", "--set", "max_steps=6", "--set", "step_size=0.1")
# What makes a run that has every table; `run` adds model, images and method.
FULL = ("--sources", "6", "--targets-per-source", "3", "--keep", "path")


def draw(label: int, number: int) -> Image.Image:
    """A picture of a class: its colour with a slope and noise, of which no two are alike."""
    rng = np.random.default_rng((SALT, label, number))
    colour = np.full(3, 0.3)
    colour[label] = 0.7
    slope = np.linspace(-0.1, 0.1, SIDE)[:, None, None] * rng.choice([-1, 1], 3)
    pixels = colour + slope + 0.06 * rng.standard_normal((SIDE, SIDE, 3))
    return Image.fromarray((255 * pixels.clip(0, 1)).round().astype(np.uint8))


def write_images(folder: Path, per_class: int = PER_CLASS) -> Path:
    """A folder of images with a folder per class."""
    for label, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            draw(label, number).save(folder / name / f"{name}-{number}.png")
    return folder


def run(
    images: str,
    out: Path | str,
    *options: str,
    models: Sequence[str] = (MODEL,),
    quiet: bool = True,
) -> int:
    """The exit status of a `blindspots run`, with a few steps of reference by default."""
    given = [text for model in models for text in ("--model", model)]
    method = () if "--method" in options else REFERENCE
    usual = ("--images", images, "--out", str(out), *["--quiet"] * quiet, *method)
    return call(["run", *given, *usual, *options])


@pytest.fixture(scope="session")
def tiny_images(tmp_path_factory) -> str:
    """The spec of 15 tiny images of three classes."""
    return f"folder:{write_images(tmp_path_factory.mktemp('tiny') / 'images')}"


@contextmanager
def without_figures():
    """Figures take longer than all the rest of a tiny run; one test draws those of a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blindspots.reporting.publish.write_figures", lambda *_: [])
        yield


@pytest.fixture
def no_figures():
    """Runs of this test are about rows and files."""
    with without_figures():
        yield


@contextmanager
def without_pages():
    """A third of a tiny run goes into what is shown of its rows."""

    def write(_run, _tables, out):
        return write_text(out / "report.html", "")

    with without_figures(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("blindspots.reporting.publish.write_report", write)
        patch.setattr("blindspots.api.run_study.add_contrast", lambda *_: None)
        patch.setattr("blindspots.api.run_study.judge_each_other", lambda *_: None)
        yield


@pytest.fixture
def rows_alone():
    """Runs of this test are about rows."""
    with without_pages():
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tiny_images) -> Path:
    """One run of two models with every table and kept paths; nobody changes it."""
    out = tmp_path_factory.mktemp("finished") / "run"
    with without_figures():
        assert run(tiny_images, out, *FULL, models=(MODEL, SMOOTH)) == 0
    return out


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A copy of the finished run, to be changed."""
    return shutil.copytree(finished, tmp_path / "copy")
