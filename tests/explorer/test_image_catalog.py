"""Images by their ids: what one model has at a place, another has elsewhere, or not at all."""

import numpy as np
import pytest

import blindspots as bs
from blindspots.engine.evaluator import Evaluator, Subject
from blindspots.explorer.image_catalog import ImageCatalog, Missing, run_images
from blindspots.store.reader import Run
from tests.support import tiny_model
from tests.support.run_factory import Factory
from tests.support.tiny import draw, write_images


@pytest.fixture
def catalog(tmp_path):
    """Two models of which the second has the first one's images but one."""
    for folder, numbers in (("all", (0, 1, 2)), ("few", (1, 2))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            draw(number, number).save(tmp_path / folder / f"{number}.png")
    model = tiny_model.build()
    sets = {name: bs.load_images(f"folder:{tmp_path / name}", model) for name in ("all", "few")}
    asker = Evaluator(model)
    subjects = {name: Subject(name, model, own, asker, "f") for name, own in sets.items()}
    return ImageCatalog(subjects), sets


def test_an_image_is_the_same_for_every_model_that_has_it(catalog):
    images, sets = catalog
    for image in sets["few"].ids:
        one, other = (images.pixels(image, model) for model in ("all", "few"))
        assert np.array_equal(one, other)
        assert np.array_equal(one, sets["all"].uint8(sets["all"].find(image)))


def test_what_a_model_does_not_have_is_no_other_image(catalog):
    images, sets = catalog
    (lost,) = set(sets["all"].ids) - set(sets["few"].ids)
    assert images.known(lost)
    with pytest.raises(Missing, match=r"no picture of .* as few sees it"):
        images.pixels(lost, "few")
    with pytest.raises(Missing, match="this image is not here"):
        images.pixels("nobody", "all")
    assert [one["id"] for one in images.listing()["images"]] == sets["all"].ids


def test_a_folder_is_listed_with_its_classes_in_turn(tmp_path):
    model = tiny_model.build()
    images = bs.load_images(f"folder:{write_images(tmp_path / 'images', 3)}", model)
    subjects = {"one": Subject("one", model, images, Evaluator(model), "f")}
    labels = [one["label"] for one in ImageCatalog(subjects, listed=5).listing()["images"]]
    assert labels == ["blue", "green", "red", "blue", "green"]


def test_the_images_of_a_run_have_the_names_of_their_classes(tmp_path):
    run = Run(Factory(size=12, sources=2, models=("a", "b")).write(tmp_path / "run"))
    rows = run.pair_rows(started=True)
    model = tiny_model.build()
    model.name = "b"
    images = run_images(run, model)
    named = dict(zip(images.ids, images.names, strict=True))
    for row in rows:
        assert named[row["source_id"]] == row["source_name"].replace("_", " ")
        assert named[row["target_id"]] == row["target_name"].replace("_", " ")


@pytest.mark.parametrize("keep", [20, -30], ids=["header", "pixels"])
def test_a_damaged_picture_of_a_run_is_refused_with_its_name(tmp_path, keep):
    run = Run(Factory(size=12, sources=2, models=("a",)).write(tmp_path / "run"))
    file = sorted((tmp_path / "run" / "images").glob("*.png"))[0]
    file.write_bytes(file.read_bytes()[:keep])
    model = tiny_model.build()
    model.name = "a"
    with pytest.raises(bs.Refused, match=f"{file.name} cannot be read"):
        images = run_images(run, model)
        images.uint8(images.find(file.stem))
