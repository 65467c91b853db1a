"""What verifying notices: every changed number of every table, and images that are others."""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blindspots as bs
from blindspots.cli.main import call
from blindspots.schema import TABLES
from blindspots.store.reader import Run
from blindspots.store.writer import Store
from blindspots.study.reload import draw_rows
from blindspots.study.verify import TOLERANCES, Verification
from tests.support.tiny_model import SIDE

MODELS = 2


def test_the_largest_deviation_is_kept_with_its_place():
    result = Verification()
    result.compare("first", {"rmse": 0.5, "lpips": None}, {"rmse": 0.5001, "lpips": 0.3})
    result.compare("second", {"rmse": 0.5}, {"rmse": 0.52})
    result.compare("third", {"rmse": 0.5}, {"rmse": 0.5})
    assert result.largest == {"rmse": pytest.approx(0.02)}
    assert result.where == {"rmse": "second"}
    assert result.different == ["rmse"]
    assert "DIFFERENT at second" in result.text()
    with pytest.raises(bs.WorkFailed, match="rmse"):
        result.raise_if_different()


@pytest.mark.parametrize("order", [(math.nan, 0.5), (0.5, math.nan)])
def test_nan_is_never_noise(order):
    result = Verification()
    for again in order:
        result.compare("pair", {"rmse": 0.5}, {"rmse": again})
    assert result.different == ["rmse"]


def test_float_noise_agrees():
    result = Verification()
    for column, tolerance in TOLERANCES.items():
        result.compare("pair", {column: [0.5, 0.5]}, {column: [0.5, 0.5 + tolerance / 2]})
    assert result.different == []
    assert "agrees" in result.text()
    assert result.as_json()["rows"] == len(TOLERANCES)
    result.raise_if_different()


@pytest.mark.parametrize(("options", "each"), [(["--sources", "2"], 2), ([], 6)])
def test_so_many_sources_of_each_model_are_computed_again_and_agree(
    finished, capsys, options, each
):
    assert call(["verify", str(finished), "--json", "--quiet", "--trust-run-code", *options]) == 0
    pairs, triangles, simplices, nulls = 3, 3, 1, 3
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == MODELS * each * (pairs + triangles + simplices + nulls)


def test_more_than_there_are_is_all(finished):
    model = Run(finished).models[0].name
    stored, all_of_it = (draw_rows(Run(finished), model, n) for n in (99, None))
    for name in ("pairs", "triangles", "nulls"):
        one, other = (sorted(getattr(s, name), key=str) for s in (stored, all_of_it))
        assert one == other


def test_another_found_image_is_noticed(copy, capsys):
    name = Run(copy).pair_rows()[0]["pair_id"]
    black = np.zeros((3, SIDE, SIDE))
    Store(copy).save_found(name, black.astype(np.float32), black.astype(np.uint8))
    assert call(["verify", str(copy), "--quiet", "--trust-run-code"]) == 1
    out, error = capsys.readouterr()
    assert "DIFFERENT" in out
    assert "rmse" in error


def tamper(path, table, *changes):
    """Change the row of each (column, change), in this order."""
    file = path / f"{table}.parquet"
    stored = pq.read_table(file).to_pylist()
    for row, (column, change) in zip(stored, changes, strict=False):
        row[column] = change(row[column])
    pq.write_table(pa.Table.from_pylist(stored, TABLES[table][0]), file)


CHANGES = {
    "pairs": (
        ("p_source", lambda p: p - 0.01),
        ("segment_confidence", lambda curve: [*curve[:-1], curve[-1] + 0.01]),
        ("source_ssim", lambda s: s - 0.001),
        ("linf", lambda d: d + 0.001),
    ),
    "triangles": (
        ("fraction_0.1", lambda share: share - 0.1),
        ("mean", lambda p: p - 0.01),
        ("confidence", lambda grid: [*grid[:-1], grid[-1] + 0.01]),
    ),
    "simplices": (("fraction", lambda share: 0.5 * share + 0.1), ("mean", lambda p: p - 0.01)),
    "nulls": (
        ("interpolation_t", lambda t: t - 0.05),
        ("p_target", lambda p: p + 0.01),
        ("p_interpolation", lambda p: p - 0.01),
        ("random_pair_rmse", lambda d: d + 0.001),
        ("interpolation_ssim", lambda s: s - 0.001),
        ("interpolation_confidence", lambda curve: [*curve[:-1], curve[-1] + 0.01]),
    ),
}


def test_every_changed_number_of_every_table_is_noticed(copy, capsys):
    for table, changes in CHANGES.items():
        tamper(copy, table, *changes)
    assert call(["verify", str(copy), "--quiet", "--trust-run-code"]) == 1
    out, error = capsys.readouterr()
    for column, _ in (change for changes in CHANGES.values() for change in changes):
        assert column in error
    for kind in ("triangle", "simplex", "null"):
        assert f"DIFFERENT at {kind} of" in out


@pytest.mark.parametrize(
    "change",
    [("target_id", lambda _: "nobody"), ("interpolation_confidence", lambda curve: curve[:5])],
    ids=["target", "curve"],
)
def test_a_row_that_cannot_be_the_runs_own_is_said_to_be(copy, capsys, change):
    tamper(copy, "nulls", change)
    assert call(["verify", str(copy), "--quiet", "--trust-run-code", "--sources", "6"]) == 1
    error = capsys.readouterr().err
    assert "nulls.parquet" in error
    assert "Traceback" not in error
