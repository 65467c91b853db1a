"""A report of many pairs: which are shown, what is counted, how many bytes it has."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from blindspots.reporting.page import write_report
from blindspots.reporting.page.inline import SIZES, fitting
from blindspots.reporting.page.report_data import page_html, report_data
from blindspots.reporting.selection import EXTREMES, MOST_PAIRS, sample
from blindspots.schema import PAIRS
from blindspots.store.reader import Run
from tests.support.run_factory import Factory, pair_row, write_rows

MODELS, SOURCES, TARGETS = ("m", "n"), 300, 5


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """3,000 pairs of two models without pictures, every number of its own."""
    path = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    rows = [
        pair_row(
            model=model,
            pair_id=f"{model}-{source}-{target}",
            source_id=f"s{source}",
            target_id=f"t{target}",
            source_name="ring",
            target_name="disc",
            rmse=rng.random(),
            p_found=0.8 + 0.2 * rng.random(),
            segment_confidence=None,
            ending="finished" if rng.random() < 0.98 else "failed",
        )
        for model in MODELS
        for source in range(SOURCES)
        for target in range(TARGETS)
    ]
    models = [{"name": name} for name in MODELS]
    (path / "run.json").write_text(json.dumps({"format": 1, "models": models}))
    write_rows(path, rows, [])
    return Run(path)


def test_the_extremes_of_every_number_are_shown(run):
    shown = set(sample(run).ids)
    rows = run.pair_rows()
    for key in ("rmse", "p_found"):
        order = [row["pair_id"] for row in sorted(rows, key=lambda row: row[key])]
        assert {*order[:EXTREMES], *order[-EXTREMES:]} <= shown


def test_sampled_sources_bring_all_their_pairs_of_all_models(run):
    chosen = sample(run)
    assert len(chosen.ids) == len(set(chosen.ids)) == MOST_PAIRS
    sources = [name.split("-")[1] for name in chosen.ids]
    whole = [name for name in set(sources) if sources.count(name) == len(MODELS) * TARGETS]
    assert len(whole) >= 0.7 * MOST_PAIRS / (len(MODELS) * TARGETS)


def test_the_same_run_gives_the_same_sample_in_the_runs_order(run):
    chosen = sample(run)
    assert sample(Run(run.path)) == chosen
    order = {row["pair_id"]: place for place, row in enumerate(run.pair_rows())}
    assert [order[name] for name in chosen.ids] == sorted(order[name] for name in chosen.ids)


def test_the_case_is_the_believed_pair_nearest_to_its_target(run):
    believed = [row for row in run.pair_rows(started=True) if row["p_found"] >= 0.9]
    best = min(believed, key=lambda row: row["rmse"])
    assert sample(run).case == best["pair_id"]
    assert report_data(run).case.pair_id == best["pair_id"]


def test_spreads_and_endings_count_every_pair(run):
    data = report_data(run)
    started = {model: len(run.pair_rows(model, started=True)) for model in MODELS}
    spread = next(spread for spread in data.spreads if spread.key == "rmse")
    assert {model: sum(counts) for model, counts in spread.counts.items()} == started
    values = [row["rmse"] for row in run.pair_rows("m", started=True)]
    assert spread.counts["m"] == np.histogram(values, 32, (spread.low, spread.high))[0].tolist()
    failed = next(ending for ending in data.endings if ending.ending == "failed")
    assert failed.counts == {model: SOURCES * TARGETS - started[model] for model in MODELS}


def test_the_page_says_what_it_leaves_out(run):
    text = page_html(report_data(run))
    assert "count all 3,000 pairs" in text
    assert f"shows {MOST_PAIRS} of them" in text


def test_columns_and_rows_of_a_growing_run_count_each_key_once(tmp_path):
    factory = Factory(size=8, sources=3, finished=False, keep="none")
    path = factory.write(tmp_path)
    part = path / "parts" / "pairs-0000.parquet"
    table = pq.read_table(part)
    pq.write_table(
        pa.concat_tables([table, table]).cast(PAIRS), path / "parts" / "pairs-0001.parquet"
    )
    run = Run(path)
    assert len(run.columns.pairs) == len(run.pair_rows()) == len(table)
    ids = run.columns.pairs["pair_id"].to_pylist()
    assert ids == table["pair_id"].to_pylist()
    whole = run.columns.rows("pairs", "pair_id", ids[2:4])
    assert whole == run.pair_rows()[2:4]


def photo(number, size):
    """A picture as hard to compress as a photograph: amplitudes fall as one over frequency."""
    rng = np.random.default_rng(number)
    fall = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    fall[0, 0] = np.inf
    waves = np.fft.fft2(rng.normal(size=(3, size, size)) + 2 * rng.normal(size=(size, size))) / fall
    pixels = np.fft.ifft2(waves).real
    levels = 128 + 55 * (pixels - pixels.mean()) / pixels.std()
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def of_photos(path, sources, targets):
    photos = [(f"class {i}", photo(i, 224)) for i in range(sources + 1)]
    wishes = {"sources": sources, "targets": targets, "models": ["m"], "pictures": photos}
    return Run(Factory(size=224, unstarted=False, **wishes).write(path))


def test_pictures_are_as_large_as_there_is_room_for(tmp_path):
    run = of_photos(tmp_path, 1, 2)
    rows = run.pair_rows()
    assert fitting(run, rows).sizes == SIZES[0]
    many = fitting(run, rows * 100)
    assert many.sizes in SIZES[1:]
    own = [many.of_pair(row) for row in rows]
    length = sum(len(text) for one in own for text in vars(one).values())
    # 40 sources with 5 targets, as in 200 pairs, are 41 images.
    assert 100 * length + 41 * max(map(len, many.images().values())) < 13_500_000


@pytest.mark.slow
def test_200_pairs_of_224_pixels_stay_under_15_megabytes(tmp_path):
    run = of_photos(tmp_path, 40, 5)
    assert run.pairs.num_rows == 200
    data = report_data(run)
    assert len(data.triangles) == 400
    assert all(pair.pictures.strip and pair.pictures.found for pair in data.pairs)
    assert 5_000_000 < write_report(run).stat().st_size < 15_000_000
