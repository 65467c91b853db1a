"""Pairs that go wrong by themselves: memory, an image that rots, a model that says NaN."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.process.drivers import Driver
from tests.process.runs import EXACT, SLOW, Site, ended, given, wait_for
from tests.support.sleeping_model import SIZE, model_spec

pytestmark = pytest.mark.faults

FEW, COUNT, MANY = 5, 24, 40
BACKENDS = {"serial": [], "processes": ["--backend", "processes", "--workers", "1"]}


@dataclass(frozen=True)
class Chain:
    """Images in a folder, and pairs of each with its successor."""

    site: Site
    count: int

    @property
    def last(self) -> Path:
        """The file of the last image, which is the target of the last pair alone."""
        (file,) = (self.site.folder / "photos").glob(f"*/{self.count - 1}.png")
        return file

    def start(self, model: str, backend: str, steps: int = 30) -> Driver:
        how = ["--method", "reference", "--set", f"max_steps={steps}", "--batch-size", "6"]
        options = [*self.site.given, *how, *BACKENDS[backend], "--out", f"{model}-{backend}"]
        return self.site.drive("run", "--model", model_spec(model), *options, "--quiet")

    def run(self, model: str, backend: str, steps: int = 30) -> Path:
        """The directory of a finished run."""
        ended(self.start(model, backend, steps))
        return self.site.folder / f"{model}-{backend}"


def make_chain(folder: Path, count: int) -> Chain:
    pairs = [(i, i + 1) for i in range(count - 1)]
    return Chain(Site(folder, given(folder, count, pairs)), count)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    return make_chain(tmp_path_factory.mktemp("chain"), COUNT)


@pytest.fixture(scope="module")
def sound(chain):
    return rows(chain.run("build", "serial"))


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


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_batch_that_is_too_large_is_halved_and_all_pairs_are_as_they_would_be(
    chain, sound, backend
):
    out = chain.run("cramped", backend)
    found = rows(out)
    assert found.keys() == sound.keys()
    for key, row in sound.items():
        assert_alike(row, found[key])
    chain.site.verify(out)


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_an_image_that_rots_while_the_run_goes_on_is_one_row_with_its_ending(tmp_path, backend):
    chain = make_chain(tmp_path, MANY)
    chain.site.go(SLOW)
    driver = chain.start("build", backend, 60)
    out = tmp_path / f"build-{backend}"
    wait_for(out, driver, 1)
    chain.last.write_bytes(chain.last.read_bytes()[:400])
    chain.site.go(0)
    ended(driver)
    found = rows(out)
    assert len(found) == MANY - 1
    (lost,) = [row for row in found.values() if row["ending"] == "unreadable"]
    assert lost["target_id"].startswith(f"{MANY - 1}-")
    assert lost["p_found"] is lost["rmse"] is None
    assert {row["ending"] for row in found.values()} == {"finished", "unreadable"}
    chain.site.verify(out)


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_model_that_says_nan_near_one_image_fails_in_its_pair_alone(tmp_path, backend):
    chain = make_chain(tmp_path, FEW)
    Image.new("RGB", (SIZE, SIZE), (250, 250, 250)).save(chain.last)
    out = chain.run("blinded", backend, 250)
    one, two = rows(chain.run("build", "serial", 250)), rows(out)
    assert one.keys() == two.keys()
    (failed,) = [key for key, row in two.items() if row["ending"] == "failed"]
    assert failed[1].startswith(f"{FEW - 1}-")
    for key in one.keys() - {failed}:
        assert_alike(one[key], two[key])
    chain.site.verify(out)
