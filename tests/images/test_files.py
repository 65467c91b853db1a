"""`files:` lists what was named, in that order."""

import numpy as np
import pytest

from blindspots.images import load_images
from tests.images.material import Model, dry_run, encoded, noise, refusal, shapes, write

SCHEME = "images:files"


@pytest.mark.scheme(SCHEME, "loads")
def test_files_are_listed_in_the_order_given(tmp_path):
    one, two = write(tmp_path / "b.png", seed=1), write(tmp_path / "a.png", seed=2)
    images = load_images(f"files:{one},{two}")
    assert images.names == [str(one), str(two)]
    assert images.labels.tolist() == [-1, -1]
    assert images.find("a.png") == 1


@pytest.mark.scheme(SCHEME, "loads")
def test_a_run_takes_files_without_labels(tmp_path, capsys):
    paths = [write(tmp_path / name, data) for name, _, data in shapes(6)]
    status, said = dry_run(f"files:{','.join(map(str, paths))}", capsys)
    assert status == 0
    assert "on 6 unlabelled images" in said


@pytest.mark.parametrize(
    ("name", "typed"),
    [("a,b.png", "a%2Cb.png"), ("why?.png", "why%3F.png"), ("5%.png", "5%25.png")],
)
def test_odd_names_are_written_with_percent_codes(tmp_path, name, typed):
    write(tmp_path / name, seed=1)
    assert load_images(f"files:{tmp_path}/{typed}").names == [str(tmp_path / name)]


def test_a_list_names_a_file_a_line(tmp_path):
    paths = [write(tmp_path / f"{index}, {index}.png", seed=index) for index in range(3)]
    (tmp_path / "list.txt").write_text("\n".join(map(str, paths)) + "\n\n")
    assert load_images(f"files:@{tmp_path}/list.txt").names == list(map(str, paths))


@pytest.mark.scheme(SCHEME, "preprocessing")
def test_pixels_are_those_of_the_file_at_the_models_geometry(tmp_path):
    model = Model(count=2)
    images = load_images(f"files:{write(tmp_path / 'a.png', seed=3)}", model)
    assert np.array_equal(images.uint8(0), np.asarray(model.preprocessing(noise(seed=3))))


@pytest.mark.scheme(SCHEME, "broken")
def test_damaged_files_are_skipped_and_missing_ones_refused(tmp_path, capsys):
    good = write(tmp_path / "good.png", seed=1)
    cut = write(tmp_path / "cut.png", encoded(noise(seed=2))[:-300])
    (row,) = load_images(f"files:{good},{cut}").skipped
    assert row["name"] == str(cut)
    assert "damaged" in row["reason"]
    assert "did you mean good.png" in refusal(f"files:{good},{tmp_path}/goood.png", capsys)
    assert "no readable image" in refusal(f"files:{cut}", capsys)
    assert "type files:a.jpg,b.png" in refusal("files:", capsys)
    assert "cannot be read" in refusal(f"files:@{tmp_path}/none.txt", capsys)
    assert "expected a file" in refusal(f"files:{tmp_path}", capsys)
