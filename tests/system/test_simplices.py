"""Sources with more than two targets: the hull of all found images, through a whole run."""

import pytest

import blindspots as bs
from blindspots.engine.batch import generator
from blindspots.schema import SIMPLEX_SAMPLES
from blindspots.store.reader import Run
from tests.support.runs import found_image, saved_image
from tests.support.tiny import MODEL


def test_every_source_with_three_targets_has_a_row(finished):
    run = Run(finished)
    for model in run.models:
        rows = run.simplex_rows(model.name)
        sources = {row["source_id"] for row in run.pair_rows(model.name)}
        assert {row["source_id"] for row in rows} == sources
        assert len(rows) == 6
        for row in rows:
            assert (row["k"], row["samples"], row["drop"]) == (3, SIMPLEX_SAMPLES, 0.2)
            assert 0 <= row["low"] <= row["fraction"] <= row["high"] <= 1
            assert 0 <= row["mean"] <= 1


def test_a_row_is_what_the_public_simplex_says_of_the_saved_images(finished):
    model = bs.load_model(MODEL)
    row = min(Run(finished).simplex_rows(model.name), key=lambda row: row["fraction"])
    pairs = [r for r in Run(finished).pair_rows(model.name) if r["source_id"] == row["source_id"]]
    pairs = sorted(pairs, key=lambda pair: pair["target_id"])
    found = [found_image(finished, pair["pair_id"]) for pair in pairs]
    source = saved_image(finished, row["source_id"])
    seed = generator(0, row["source_id"]).initial_seed()
    cloud = bs.simplex(
        model, source, found, pairs[0]["source_class"], samples=SIMPLEX_SAMPLES, seed=seed
    )
    assert row["fraction"] < 0.97
    assert row["fraction"] == pytest.approx(cloud.fraction(0.2), abs=0.005)
    assert (row["low"], row["high"]) == pytest.approx(cloud.interval(0.2), abs=0.005)
    assert row["mean"] == pytest.approx(cloud.mean, abs=1e-4)
    assert row["p_source"] == pytest.approx(pairs[0]["p_source"], abs=1e-5)
