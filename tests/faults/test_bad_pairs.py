"""Pairs that go wrong by themselves: memory, an image that rots, a model that says NaN."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

import blindspots as bs
from tests.faults.test_damage import verified
from tests.faults.test_kill import EXACT
from tests.faults.test_workers import BACKENDS, ended, wait_for

pytestmark = pytest.mark.faults

FEW, COUNT, MANY = 5, 24, 40
MODEL = """
import torch

import blindspots as bs


class Odd(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.whole = bs.load_model("zoo:shapes-resnet")

    def forward(self, images):
        {body}


def model():
    names = bs.load_model("zoo:shapes-resnet").class_names
    return bs.Classifier(Odd(), size=64, class_names=names)
"""
SOUND = "return self.whole(images)"
CRAMPED = """if len(images) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return self.whole(images)"""
# The last target is all but white; as images come near it, the model breaks.
BLINDED = """bright = (images.mean(dim=(1, 2, 3)) > 0.8)[:, None]
        return torch.where(bright, torch.nan, self.whole(images))"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Images in a folder, and pairs of each with its neighbour."""
    return fill(tmp_path_factory.mktemp("pairs"), COUNT)


def fill(folder: Path, count: int) -> Path:
    sample = bs.load_images(f"sample:shapes?n={count}", bs.load_model("zoo:shapes-resnet"))
    for index, label in enumerate(sample.labels.tolist()):
        directory = folder / "photos" / (sample.class_names or ())[label]
        directory.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.uint8(index)).save(directory / f"{index}.png")
    lines = [f"{i},{i + 1}" for i in range(count - 1)]
    (folder / "pairs.csv").write_text("\n".join(["source,target", *lines, ""]))
    for name, body in (("sound", SOUND), ("cramped", CRAMPED), ("blinded", BLINDED)):
        (folder / f"{name}.py").write_text(MODEL.format(body=body))
    return folder


def start(place: Path, out: str, model: str, backend: str, steps: int = 30) -> subprocess.Popen:
    spec = f"file:{place / model}.py:model"
    given = ["--model", spec, "--images", f"folder:{place / 'photos'}"]
    how = ["--method", "reference", "--set", f"max_steps={steps}", "--batch-size", "6", "--quiet"]
    line = [sys.executable, "-m", "blindspots", "run", *given, *how, *BACKENDS.get(backend, [])]
    pairs = ["--pairs", str(place / "pairs.csv"), "--out", str(place / out)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*line, *pairs], **pipes)


def run(place: Path, out: str, model: str, backend: str, steps: int = 30) -> None:
    ended(start(place, out, model, backend, steps))


def rows(path: Path) -> dict[tuple[str, str], dict]:
    stored = pq.read_table(path / "pairs.parquet").to_pylist()
    keyed = {(row["source_id"], row["target_id"]): row for row in stored}
    assert len(keyed) == len(stored)
    return keyed


def assert_alike(one: dict, two: dict) -> None:
    for name in (name for name in EXACT if name not in ("model", "pair_id")):
        assert one[name] == two[name]
    assert one["p_found"] == pytest.approx(two["p_found"], abs=1e-3)
    assert one["rmse"] == pytest.approx(two["rmse"], abs=1e-3)


@pytest.fixture(scope="module")
def sound(place):
    run(place, "sound-run", "sound", "serial")
    return rows(place / "sound-run")


@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_a_batch_that_is_too_large_is_halved_and_all_pairs_are_as_they_would_be(
    place, sound, backend
):
    run(place, f"cramped-{backend}", "cramped", backend)
    found = rows(place / f"cramped-{backend}")
    for key, row in sound.items():
        assert_alike(row, found[key])
    verified(place / f"cramped-{backend}")


@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_an_image_that_rots_while_the_run_goes_on_is_one_row_with_its_ending(tmp_path, backend):
    """The last image is the target of the last pair alone."""
    place = fill(tmp_path, MANY)
    process = start(place, "run", "sound", backend, 60)
    wait_for(place / "run", process, 1)
    (last,) = (place / "photos").glob(f"*/{MANY - 1}.png")
    last.write_bytes(last.read_bytes()[:400])
    ended(process)
    found = rows(place / "run")
    assert len(found) == MANY - 1
    (lost,) = [row for row in found.values() if row["ending"] == "unreadable"]
    assert lost["target_id"].startswith(f"{MANY - 1}-")
    assert lost["p_found"] is lost["rmse"] is None
    assert {row["ending"] for row in found.values()} == {"finished", "unreadable"}
    verified(place / "run")


@pytest.mark.parametrize("backend", ["serial", "processes"])
def test_a_model_that_says_nan_near_one_image_fails_in_its_pair_alone(tmp_path, backend):
    place = fill(tmp_path, FEW)
    (last,) = (place / "photos").glob(f"*/{FEW - 1}.png")
    Image.new("RGB", (64, 64), (250, 250, 250)).save(last)
    run(place, "sound-run", "sound", "serial", 250)
    run(place, "blinded-run", "blinded", backend, 250)
    one, two = rows(place / "sound-run"), rows(place / "blinded-run")
    failed = [key for key, row in two.items() if row["ending"] == "failed"]
    assert len(failed) == 1
    for key in one.keys() - set(failed):
        assert_alike(one[key], two[key])
    verified(place / "blinded-run")
