"""The page of a comparison: the shared pairs of all sides, in one set of data, in one file."""

import json
import re
from dataclasses import asdict
from functools import partial

import pytest

from blindspots.reporting.bootstrap import cluster_intervals
from blindspots.reporting.compare import compare, write_page
from blindspots.reporting.compare.comparison_page import join, page_html
from blindspots.reporting.compare.pairing import choose
from blindspots.reporting.page.inline import SIZES, fitting_together
from blindspots.reporting.score_labels import UNIT, run_scales
from blindspots.reporting.selection import MOST_PAIRS
from blindspots.store.reader import Run
from tests.reporting.test_compare import NORMAL, TRAINED, make_run
from tests.reporting.test_report import HOSTILE, Page, data_of, words
from tests.reporting.test_report_scale import of_photos
from tests.support.run_factory import Factory, hold

MODELS = ("one", "two")


def made(path, **wishes):
    return Run(Factory(**{"size": 16, "sources": 3, "frames": 3, **wishes}).write(path))


@pytest.fixture(scope="module", autouse=True)
def _few_resamples():
    """What an interval is, is not asked here; most of a comparison's time goes into them."""
    few = partial(cluster_intervals, resamples=99)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blindspots.reporting.compare.differences.cluster_intervals", few)
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of the same two models; the second has one target less from each source."""
    folder = tmp_path_factory.mktemp("runs")
    old = made(folder / "old", models=MODELS, targets=3)
    new = made(folder / "new", models=MODELS, targets=2, method="star")
    return [old, new]


@pytest.fixture(scope="module")
def page(runs):
    return Page(page_html(compare(runs)))


def keys(pairs):
    return {(pair.source_id, pair.target_id) for pair in pairs}


def test_every_side_shows_the_shared_pairs_alone_under_its_label(runs):
    data = join(compare(runs)).data
    labels = [f"{run}/{model}" for model in MODELS for run in ("old", "new")]
    assert [model.name for model in data.models] == labels
    both = {(r["source_id"], r["target_id"]) for r in runs[1].pair_rows(started=True)}
    for label in labels:
        assert keys(pair for pair in data.pairs if pair.model == label) == both
        assert sum(triangle.model == label for triangle in data.triangles) == 3
    assert [grid.model for grid in data.grids] == labels
    assert (data.run.listed, data.run.total) == (4 * len(both), 4 * len(both))
    assert (data.run.kind, data.run.beside) == ("run and model", False)


def test_ids_are_unique_and_grids_and_cases_name_them(runs):
    joined = join(compare(runs))
    ids = [pair.id for pair in joined.data.pairs]
    assert len(ids) == len(set(ids))
    spots = [s for g in joined.data.grids for line in g.spots for s in line if s]
    assert {spot["pair"] for spot in spots} <= set(ids)
    by_id = {pair.id: pair for pair in joined.data.pairs}
    shown = [by_id[case.pair_id] for case in joined.cases]
    assert [pair.model for pair in shown] == [case.model for case in joined.cases]
    assert len(shown) == 4
    assert len(keys(shown)) == 1


def test_models_of_one_run_keep_their_pairs_ids(runs):
    data = join(compare([runs[0]])).data
    stored = {row["pair_id"]: row for row in runs[0].pair_rows(started=True)}
    assert {pair.id for pair in data.pairs} == stored.keys()
    assert [model.name for model in data.models] == list(MODELS)
    assert data.run.kind == "model"


def test_an_image_that_all_runs_saw_alike_is_there_once(runs):
    data = join(compare(runs)).data
    alone = join(compare([runs[1]])).data
    assert data.images == alone.images
    assert {pair.source_key for pair in data.pairs} <= data.images.keys()


def test_runs_that_saw_other_pixels_each_have_their_own(runs, tmp_path):
    small = made(tmp_path / "small", models=MODELS, targets=3, size=12)
    data = join(compare([runs[0], small])).data
    own = {pair.model: data.images[pair.source_key or ""] for pair in data.pairs[::-1]}
    assert own["old/one"] != own["small/one"]
    assert len(data.images) == 2 * len(join(compare([runs[0]])).data.images)


def test_each_model_has_the_delta_and_the_way_of_its_run(tmp_path):
    runs = [make_run(tmp_path / f"{d}", {NORMAL: {}}, delta=d) for d in (0.1, 0.3)]
    models = join(compare(runs)).data.models
    assert [(model.name, model.delta) for model in models] == [("0.1", 0.1), ("0.3", 0.3)]


def test_ways_of_both_kinds_stand_side_by_side(runs):
    models = join(compare(runs)).data.models
    assert [model.straight for model in models] == [False, True, False, True]


def test_a_run_is_called_run_where_both_have_one_model(tmp_path):
    runs = [make_run(tmp_path / name, {NORMAL: {}}) for name in ("old", "new")]
    data = join(compare(runs)).data
    assert data.run.kind == "run"
    assert data.run.name == "new against old"


def test_spreads_and_endings_are_of_each_side(runs):
    data = join(compare(runs)).data
    spread = next(spread for spread in data.spreads if spread.key == "rmse")
    assert {name: sum(own) for name, own in spread.counts.items()} == dict.fromkeys(
        [model.name for model in data.models], 6
    )
    finished = next(ending for ending in data.endings if ending.ending == "finished")
    assert finished.counts["old/one"] == 9


def test_margins_share_one_scale_of_all_runs(tmp_path):
    paths = [made(tmp_path / name, models=["m"]).path for name in ("low", "high")]
    low, high = (
        Run(hold(path, "margin", 2.0, lambda p, at=at: 10 * p + at))
        for path, at in zip(paths, (-30, 40), strict=True)
    )
    score = join(compare([low, high])).data.score
    assert score["noun"] == "margin"
    assert score["along"].low <= run_scales(low).along.low
    assert score["along"].high >= run_scales(high).along.high


@pytest.mark.parametrize(
    "wishes",
    [{"keep": "none"}, {"keep": "found"}, {"targets": 1}, {"finished": False}],
    ids=lambda wishes: next(iter(wishes)),
)
def test_what_runs_lack_is_left_out(tmp_path, wishes):
    data = join(compare([made(tmp_path, models=MODELS, **wishes)])).data
    assert data.pairs
    assert data.run.finished is wishes.get("finished", True)
    assert any(pair.pictures.found for pair in data.pairs) is (wishes.get("keep") != "none")
    assert bool(data.triangles) is (wishes.get("targets") != 1)
    assert data.score["along"] == UNIT


def test_without_a_belief_there_is_no_case_but_a_page(tmp_path):
    run = make_run(tmp_path / "run", {NORMAL: {"p_found": None}, TRAINED: {}})
    comparison = compare([run])
    assert join(comparison).cases == []
    assert 'id="case"' not in page_html(comparison)


def test_where_no_pair_is_shared_by_all_each_has_those_of_its_partner(tmp_path):
    names = {"all": "abcd", "first": "ab", "last": "cd"}
    runs = [make_run(tmp_path / name, {NORMAL: {}}, sources=own) for name, own in names.items()]
    comparison = compare(runs)
    shown = choose(comparison.sides)
    assert not shown.common
    assert {name: {key[0] for key in own} for name, own in shown.keys.items()} == {
        name: set(sources) for name, sources in names.items()
    }
    assert "No pair is shared by all" in page_html(comparison)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """1,200 shared pairs of two models; how far a pair's lowest confidence rises is its own."""
    sources = [f"s{number:03d}" for number in range(600)]
    models = {NORMAL: {"segment_min": 0.5}, TRAINED: {"segment_min": lambda n: n / 600}}
    path = tmp_path_factory.mktemp("many") / "run"
    return compare([make_run(path, models, sources=sources)])


def test_of_many_pairs_the_same_ones_are_shown_on_both_sides(many):
    data, _, shown = join(many)
    assert len(data.pairs) <= MOST_PAIRS
    first, second = (keys(p for p in data.pairs if p.model == m) for m in (NORMAL, TRAINED))
    assert first == second
    assert len(first) == shown.count >= MOST_PAIRS // 2 - 1
    assert (data.run.listed, data.run.total) == (2 * shown.count, 2400)
    assert choose(many.sides) == shown


def test_the_greatest_differences_and_whole_sources_are_shown(many):
    shown = choose(many.sides)
    chosen = shown.keys[NORMAL]
    assert (shown.number, shown.extremes) == ("segment_min", 2)
    assert {("s000", "1"), ("s000", "2"), ("s599", "1"), ("s599", "2")} <= set(chosen)
    sources = [key[0] for key in chosen]
    assert all(sources.count(source) == 2 for source in sources)
    assert shown.case in chosen


def test_a_source_of_more_pairs_than_there_is_room_for_is_shown_in_part(runs):
    shown = choose(compare([runs[0]]).sides, most=4)
    assert (shown.count, shown.total, shown.extremes) == (2, 9, 0)
    assert shown.case in shown.keys["one"]
    assert len({source for source, _ in shown.keys["one"]}) == 1


def test_the_page_says_what_it_leaves_out(many, page):
    text = words(Page(page_html(many)))
    assert re.search(r"shows (99|100) of the 1,200 shared pairs, the same for each model", text)
    assert "the 2 whose segment min rises most" in text
    assert "sampled" not in page.ids


def test_the_page_is_whole_and_its_ids_are_there_once(page, runs):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert data_of(page) == json.loads(json.dumps(join(compare(runs)).data, default=asdict))
    assert "2 comparisons on the same pairs" in words(page)


def test_nothing_is_asked_of_the_disk_or_the_network(runs):
    text = page_html(compare(runs))
    assert (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" in text
    )
    assert not re.search(r"(https?|ftp|ws)://|//[a-z]+\.[a-z]", text)


def test_hostile_names_stay_text(tmp_path):
    classes = (HOSTILE, f'"{HOSTILE}', f"'{HOSTILE}", "d", "e", "f")
    models = [f"zoo:{HOSTILE}", "zoo:own"]
    run = made(tmp_path, size=8, keep="none", classes=classes, models=models)
    page = Page(page_html(compare([run])))
    assert "img" not in page.tags
    assert page.tags.count("script") == 2
    assert HOSTILE in words(page)


def test_pictures_of_all_runs_are_of_one_size_that_fits(tmp_path, monkeypatch):
    """How large all will be is told from one pair of each run, as all are the same here."""
    monkeypatch.setattr("blindspots.reporting.page.inline._PROBES", 1)
    run = of_photos(tmp_path, 1, 2)
    rows = run.pair_rows()
    few = fitting_together([(run, rows), (run, rows)])
    assert [one.sizes for one in few] == [SIZES[0]] * 2
    many = fitting_together([(run, rows * 50), (run, rows)])
    more = fitting_together([(run, rows * 50), (run, rows * 50)])
    assert many[0].sizes == many[1].sizes
    assert more[0].sizes == more[1].sizes
    assert SIZES.index(more[0].sizes) > SIZES.index(many[0].sizes)


@pytest.mark.slow
def test_two_runs_of_100_pairs_of_224_pixels_stay_under_15_megabytes(tmp_path):
    run, other = (of_photos(tmp_path / name, 20, 5) for name in ("old", "new"))
    comparison = compare([run, other])
    data = join(comparison).data
    assert len(data.pairs) == 200
    assert all(pair.pictures.strip and pair.pictures.found for pair in data.pairs)
    size = write_page(comparison, tmp_path / "compare.html").stat().st_size
    assert 5_000_000 < size < 15_000_000


def test_a_comparison_of_a_run_that_lost_a_picture_takes_no_other_for_it(runs, tmp_path):
    bare = made(tmp_path / "bare", models=MODELS, targets=3)
    for file in (bare.path / "images").iterdir():
        file.unlink()
    data = join(compare([runs[0], Run(bare.path)])).data
    lost = [pair for pair in data.pairs if pair.model.startswith("bare")]
    assert {pair.source_key for pair in lost} == {None}
