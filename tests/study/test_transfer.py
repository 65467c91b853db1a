"""Whether other models believe found images: recomputed by hand, refused where classes differ."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import blindspots as bs
from blindspots.cli.main import call
from blindspots.errors import UsageError
from blindspots.images.preprocessing import Preprocessing
from blindspots.reporting.page.report_data import report_data
from blindspots.schema import TRANSFER
from blindspots.store import atomic
from blindspots.store.reader import Run
from blindspots.study import transfer
from blindspots.study.transfer import as_seen, class_map
from tests.support.runs import saved_image
from tests.support.tiny import FULL, MODEL, SIDE, SMOOTH, spec
from tests.support.tiny import run as run_tiny
from tests.support.tiny_model import NAMES
from tests.support.toys import random_linear

MODELS = (MODEL, SMOOTH)


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory):
    """A folder with a run, judged by its own models and two given ones."""
    place = tmp_path_factory.mktemp("transfer")
    shutil.copytree(finished, place / "run")
    assert judge(place, "shifted", "larger") == 0
    return place


TRUSTED = ("--quiet", "--trust-run-code")


def judge(place, *names, out="run", options=TRUSTED):
    given = (text for name in names for text in ("--model", spec(name)))
    return call(["transfer", str(place / out), *given, *options])


def stored_rows(place):
    return pq.read_table(place / "run" / "transfer.parquet").to_pylist()


def rows(place, judge):
    return [row for row in stored_rows(place) if row["judge"].endswith(judge)]


def image(place, name):
    return saved_image(place / "run", name)


def asked(name, images, label):
    with torch.no_grad():
        answers = bs.load_model(name).eval()(torch.stack(images)).softmax(1)
    return answers[:, label].tolist(), (answers.argmax(1) == label).tolist()


def test_every_found_image_has_a_row_a_judge(place):
    table = pq.read_table(place / "run" / "transfer.parquet")
    assert table.schema.equals(TRANSFER)
    pairs = {(row["model"], row["pair_id"]) for row in Run(place / "run").pair_rows(started=True)}
    keys = [(row["model"], row["pair_id"], row["judge"]) for row in table.to_pylist()]
    assert len(keys) == len(set(keys)) == 4 * len(pairs)
    assert {key[:2] for key in keys} == pairs


@pytest.mark.parametrize("name", MODELS)
def test_the_rows_say_what_the_judge_gives_to_the_saved_images(place, name):
    """Recomputed by hand from the exact files: no code of the command is used."""
    for row in rows(place, bs.load_model(name).name):
        found = load_file(place / "run" / "found" / f"{row['pair_id']}.safetensors")["found"]
        images = [found, *(image(place, row[key]) for key in ("source_id", "target_id"))]
        p, kept = asked(name, images, row["source_class"])
        assert [row[f"p_{k}"] for k in ("found", "source", "target")] == pytest.approx(p, abs=1e-4)
        assert [row[f"kept_{k}"] for k in ("found", "source", "target")] == kept
        assert not row["resized"]


def test_a_model_that_judges_itself_says_what_the_run_stored(place):
    stored = {row["pair_id"]: row for row in Run(place / "run").pair_rows(started=True)}
    own = [row for row in stored_rows(place) if row["model"] == row["judge"]]
    assert len(own) == len(stored)
    for row in own:
        assert row["p_found"] == pytest.approx(stored[row["pair_id"]]["p_found"], abs=1e-4)
        assert row["p_source"] == pytest.approx(stored[row["pair_id"]]["p_source"], abs=1e-4)


def test_a_run_of_several_models_ends_with_what_they_say_of_each_other(place, finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    told = pq.read_table(run / "transfer.parquet")
    names = {facts.name for facts in Run(run).models}
    assert {(one, other) for one in names for other in names} == {
        (row["model"], row["judge"]) for row in told.to_pylist()
    }
    assert judge(tmp_path) == 0
    asked_anew = pq.read_table(run / "transfer.parquet").to_pylist()
    for one, other in zip(told.to_pylist(), asked_anew, strict=True):
        assert one == {k: pytest.approx(v, abs=1e-5) for k, v in other.items()}
    others = [row["kept_found"] for row in asked_anew if row["judge"] != row["model"]]
    shares = [one.agree for one in report_data(Run(run)).numbers]
    assert len(shares) == 2
    assert np.mean([float(one.removesuffix("\u00a0%")) for one in shares]) == pytest.approx(
        100 * np.mean(others), abs=1
    )


@pytest.mark.parametrize(
    ("models", "options"),
    [
        ((MODEL,), ()),
        ((MODEL, spec("others")), ()),
        ((MODEL, SMOOTH), ("--keep", "none")),
        ((MODEL, SMOOTH), ("many",)),
    ],
    ids=["one model", "no class in common", "no found image", "too many answers"],
)
def test_where_nothing_can_be_judged_nothing_is_stored(
    tiny_images, tmp_path, monkeypatch, no_figures, models, options
):
    if options == ("many",):
        monkeypatch.setattr(transfer, "MOST_ASKED", 23)
        options = ()
    if spec("others") in models:
        folder = Path(tiny_images.removeprefix("folder:"))
        for label, name in enumerate(NAMES):
            shutil.copytree(folder / name, tmp_path / "numbered" / str(label))
        tiny_images = f"folder:{tmp_path / 'numbered'}?map=identity"
    few = ("--sources", "3", "--targets-per-source", "2", *options)
    assert run_tiny(tiny_images, tmp_path / "run", *few, models=models) == 0
    assert not (tmp_path / "run" / "transfer.parquet").exists()
    assert call(["verify", str(tmp_path / "run"), *TRUSTED]) == int("none" in options) * 2


def test_going_on_with_a_run_keeps_what_other_judges_said(place, tiny_images, tmp_path, no_figures):
    shutil.copytree(place / "run", tmp_path / "run")
    before = (place / "run" / "transfer.parquet").read_bytes()
    assert run_tiny(tiny_images, tmp_path / "run", *FULL, models=MODELS) == 0
    assert (tmp_path / "run" / "transfer.parquet").read_bytes() == before


def test_classes_in_another_order_are_matched_by_name(place):
    plain, shifted = (rows(place, name) for name in (":build", ":shifted"))
    for one, other in zip(plain, shifted, strict=True):
        assert other["judge_class"] == (one["source_class"] + 1) % 3
        for name in ("p_found", "p_source", "p_target"):
            assert other[name] == pytest.approx(one[name], abs=1e-5)


def test_a_judge_of_another_size_sees_the_image_through_its_preprocessing(place):
    for row in rows(place, "larger"):
        assert row["resized"]
        small = image(place, row["source_id"])
        eight_bit = Image.open(place / "run" / "images" / f"{row['source_id']}.png")
        large = np.array(eight_bit.resize((2 * SIDE, 2 * SIDE), Image.Resampling.BICUBIC))
        shrunk = torch.from_numpy(large).permute(2, 0, 1).reshape(3, SIDE, 2, SIDE, 2)
        images = [shrunk.float().mean(dim=(2, 4)) / 255, small]
        (seen, _), _ = asked(MODEL, images, row["source_class"])
        assert row["p_source"] == pytest.approx(seen, abs=5e-3)


def test_resizing_rounds_nothing_and_leaves_the_right_size_alone():
    preprocessing = Preprocessing(size=(12, 8), resize=16)
    generator = torch.Generator().manual_seed(0)
    exact = 0.3 + 0.4 * torch.rand(3, 20, 30, generator=generator)
    eight_bit = Image.fromarray((exact * 255).round().byte().permute(1, 2, 0).numpy())
    expected = np.asarray(preprocessing(eight_bit)).astype(float) / 255
    seen = as_seen(exact, preprocessing)
    assert seen.shape == (3, 12, 8)
    np.testing.assert_allclose(seen.permute(1, 2, 0).numpy(), expected, atol=1.6 / 255)
    assert len(seen.unique()) > 256
    assert as_seen(seen, preprocessing) is seen


def named(names, classes=None):
    model = bs.Classifier(random_linear(0, classes or len(names)), size=4, class_names=names)
    model.name = "judge" if names is None else names[0]
    return model


def test_how_classes_are_matched():
    ab, ba, abc = named(("a", "b")), named(("b", "a")), named(("a", "b", "c"))
    assert class_map(ab, ab, {0, 1}) == {0: 0, 1: 1}
    assert class_map(ab, ba, {0, 1}) == {0: 1, 1: 0}
    assert class_map(abc, ab, {1}) == {1: 1}
    assert class_map(ab, named(None, 2), {1}) == {1: 1}
    with pytest.raises(UsageError, match="no class named c"):
        class_map(abc, ab, {0, 2})
    with pytest.raises(UsageError, match="3 classes and a 2"):
        class_map(ab, named(None, 3), {0})
    with pytest.raises(UsageError, match="no class named a"):
        class_map(ab, named(("a", "a", "b")), {0})


def test_the_matrix_is_written_in_every_format_and_as_figures(place, capsys):
    run = place / "run"
    assert {path.suffix for path in (run / "tables").glob("transfer.*")} == {".csv", ".md", ".tex"}
    assert {path.suffix for path in (run / "figures").glob("transfer.*")} == {".png", ".svg"}
    assert call(["table", str(run), "--table", "transfer", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    one, other = (facts.name for facts in Run(run).models)
    assert [row["model"] for row in table["rows"]] == [
        *(one, one, other, other),
        *("clean source", "target itself"),
    ]
    cell = table["rows"][0]["cells"][other]
    given = [r["p_found"] for r in rows(place, other) if r["model"] == one]
    assert cell["mean"] == pytest.approx(np.mean(given))
    assert cell["std"] == pytest.approx(np.std(given))
    notes = " ".join(table["notes"])
    assert "resized" in notes
    assert "tiny_model.py:larger" in notes
    assert "by their names" in notes


def test_the_command_prints_the_matrix_as_asked(place, tmp_path, capsys):
    shutil.copytree(place / "run", tmp_path / "run")
    assert judge(tmp_path, options=("--format", "csv", "--trust-run-code")) == 0
    out, error = capsys.readouterr()
    assert call(["table", str(tmp_path / "run"), "--table", "transfer", "--format", "csv"]) == 0
    assert capsys.readouterr().out.strip() == out.strip()
    assert "judging found images: 72 images" in error
    assert judge(tmp_path, options=("--json", *TRUSTED)) == 0
    out, error = capsys.readouterr()
    assert len(json.loads(out)["columns"]) == 2
    assert error == ""


def test_classes_without_names_are_matched_by_number_with_a_note(place, tmp_path, capsys):
    shutil.copytree(place / "run", tmp_path / "run")
    assert judge(tmp_path, "unnamed", options=("--trust-run-code",)) == 0
    assert "matched by number" in capsys.readouterr().err
    # The same weights as a model of the run under another name are asked all the same.
    assert {r["judge_class"] == r["source_class"] for r in rows(tmp_path, "unnamed")} == {True}


def test_a_cut_while_writing_leaves_the_old_answers(place, tmp_path, monkeypatch):
    class Cut(BaseException):
        pass

    def cut(_path):
        raise Cut

    shutil.copytree(place / "run", tmp_path / "run")
    before = (place / "run" / "transfer.parquet").read_bytes()
    monkeypatch.setattr(atomic, "_sync", cut)
    with pytest.raises(Cut):
        judge(tmp_path)
    assert (tmp_path / "run" / "transfer.parquet").read_bytes() == before
    assert not list((tmp_path / "run").glob("*.partial"))
