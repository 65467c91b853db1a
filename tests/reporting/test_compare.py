"""Comparisons: intervals against scipy's bootstrap, differences computed by hand, every format."""

import csv
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy.stats import bootstrap

from blindspots.cli.main import call
from blindspots.reporting.bootstrap import cluster_intervals
from blindspots.reporting.compare import FORMATS, compare, render
from blindspots.reporting.compare.comparison_page import page_html
from blindspots.store.reader import Run
from tests.support.run_factory import Factory, null_row, pair_row, triangle_row, write_rows

NORMAL, TRAINED = "zoo:own", "zoo:own-at"
SOURCES = "abcdefghijkl"
VOID = {"meta", "link", "line", "rect", "input"}


def make_run(path, models, delta=0.2, sources=SOURCES, images="one", finished=True, nulls=False):
    """A run of two pairs and a triangle a source; `models`: name → what its rows hold.

    A value may be a function of the source's number.
    """
    path.mkdir(parents=True)
    plan = {"method": {"name": "reference", "delta": delta}, "seed": 0, "images": images}
    info = {"format": 1, "plan": plan, "models": [{"name": name} for name in models]}
    (path / "run.json").write_text(json.dumps({**info, "finished": "now" if finished else None}))
    pairs, triangles = [], []
    for model, given in models.items():
        for number, source in enumerate(sources):
            held = {
                key: value(number) if callable(value) else value for key, value in given.items()
            }
            fraction = held.pop("fraction", 0.5)
            both = [pair(model, source, target, **held) for target in "12"]
            pairs += both
            triangles.append(triangle_row(*both, **{"fraction_0.2": fraction}))
    write_rows(path, pairs, triangles, nulls=[null_row(row) for row in pairs if nulls])
    return Run(path)


def pair(model, source, target, **given):
    ids = {"model": model, "pair_id": model + source + target, "source_id": source}
    base = {"rmse": 0.1, "linf": 0.5, "ssim": 0.9, "source_rmse": 0.5, "source_linf": 0.4}
    return pair_row(**ids, target_id=target, **{**base, **given})


def found(comparison, key, place=0):
    lines = comparison.contrasts[place].differences.values()
    return next(d for differences in lines for d in differences if d.column.key == key)


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_the_interval_is_scipys_for_single_observations(draw):
    values = getattr(np.random.default_rng(0), draw)(size=30)
    (mine,) = cluster_intervals(values[:, None], np.ones((30, 1)))
    theirs = bootstrap((values,), np.mean, n_resamples=9999, rng=np.random.default_rng(1))
    noise = 0.05 * theirs.standard_error
    assert mine.mean == pytest.approx(values.mean())
    assert mine.low == pytest.approx(theirs.confidence_interval.low, abs=noise * 2)
    assert mine.high == pytest.approx(theirs.confidence_interval.high, abs=noise * 2)


def test_the_interval_of_clusters_is_scipys_of_a_ratio():
    rng = np.random.default_rng(2)
    counts = rng.integers(1, 6, 25).astype(float)
    sums = counts * rng.gamma(2, size=25)
    (mine,) = cluster_intervals(sums[:, None], counts[:, None])
    theirs = bootstrap(
        (sums, counts),
        lambda s, n, axis: s.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        n_resamples=9999,
        rng=np.random.default_rng(3),
    )
    assert mine.mean == pytest.approx(sums.sum() / counts.sum())
    expected = theirs.confidence_interval
    assert mine[1:] == pytest.approx((expected.low, expected.high), abs=0.1 * theirs.standard_error)


def test_resamples_are_the_same_for_the_same_seed_and_in_parts(monkeypatch):
    values = np.random.default_rng(0).normal(size=(20, 3))
    whole = cluster_intervals(values, np.ones((20, 3)), seed=5)
    assert whole == cluster_intervals(values, np.ones((20, 3)), seed=5)
    assert whole != cluster_intervals(values, np.ones((20, 3)), seed=6)
    monkeypatch.setattr("blindspots.reporting.bootstrap._AT_ONCE", 20 * 1000)
    assert whole == cluster_intervals(values, np.ones((20, 3)), seed=5)


def test_a_constant_difference_is_its_own_interval_and_one_source_has_none():
    (mine,) = cluster_intervals(np.full((9, 1), 0.25), np.ones((9, 1)))
    assert mine == pytest.approx((0.25, 0.25, 0.25))
    (alone,) = cluster_intervals(np.ones((1, 1)), np.full((1, 1), 2.0))
    assert alone.mean == 0.5
    assert math.isnan(alone.low)


def test_models_of_a_run_are_compared_with_the_first_in_the_designs_words(tmp_path):
    models = {NORMAL: {"fraction": 0.5}, TRAINED: {"fraction": lambda n: 0.8 + 0.01 * n}}
    comparison = compare([make_run(tmp_path / "run", models)])
    (contrast,) = comparison.contrasts
    assert (contrast.before, contrast.after) == (NORMAL, TRAINED)
    assert (contrast.pairs, contrast.sources) == (24, 12)
    assert found(comparison, "fraction_0.2").interval.mean == pytest.approx(0.355)
    sentence = (
        r"zoo:own-at is more under-sensitive than zoo:own on this data: triangle fraction "
        r"\+(\.\d\d) \[(\.\d\d), (\.\d\d)\]\."
    )
    shown = [float(text) for text in re.fullmatch(sentence, contrast.verdicts[0]).groups()]
    theirs = bootstrap(([0.3 + 0.01 * n for n in range(12)],), np.mean).confidence_interval
    assert shown == pytest.approx([0.355, theirs.low, theirs.high], abs=0.008)
    assert "No difference shown in how near" in contrast.verdicts[1]


def test_an_interval_that_holds_zero_shows_no_difference(tmp_path):
    models = {NORMAL: {"fraction": 0.5}, TRAINED: {"fraction": lambda n: 0.5 + 0.1 * (-1) ** n}}
    comparison = compare([make_run(tmp_path / "run", models)])
    assert not found(comparison, "fraction_0.2").shown
    assert comparison.contrasts[0].verdicts[0].startswith("No difference shown between")


def test_images_that_hardly_changed_give_no_verdict(tmp_path):
    models = {NORMAL: {}, TRAINED: {"fraction": 1.0, "rmse": 0.5, "source_rmse": 0.01}}
    (sentence,) = compare([make_run(tmp_path / "run", models)]).contrasts[0].verdicts
    assert sentence.startswith("No verdict between")
    assert "0 of 24 found images of zoo:own-at" in sentence


def test_more_under_sensitive_but_farther_says_so(tmp_path):
    models = {NORMAL: {}, TRAINED: {"fraction": 0.9, "rmse": 0.2}}
    verdicts = compare([make_run(tmp_path / "run", models)]).contrasts[0].verdicts
    assert "more under-sensitive" in verdicts[0]
    assert verdicts[1].startswith("But found images of zoo:own-at stay farther")


def test_distances_are_pooled_and_confidences_averaged_by_source(tmp_path):
    before = Run(Factory(size=8, sources=5, targets=3, models=["zoo:m"]).write(tmp_path / "a"))
    after = Run(Factory(size=8, sources=5, targets=2, models=["zoo:m"]).write(tmp_path / "b"))
    comparison = compare([before, after])
    ours = {(r["source_id"], r["target_id"]): r for r in after.pair_rows(started=True)}
    theirs = {(r["source_id"], r["target_id"]): r for r in before.pair_rows(started=True)}
    both = ours.keys() & theirs.keys()
    assert comparison.contrasts[0].pairs == len(both) == 10
    assert "5 traversed pairs of a have no partner" in comparison.contrasts[0].notes[0]
    gap = [ours[key]["rmse"] - theirs[key]["rmse"] for key in both]
    assert found(comparison, "rmse").interval.mean == pytest.approx(np.mean(gap))
    sources = {key[0] for key in both}
    gaps = [
        np.mean([ours[k]["p_source"] - theirs[k]["p_source"] for k in both if k[0] == source])
        for source in sources
    ]
    assert found(comparison, "p_source").interval.mean == pytest.approx(np.mean(gaps))


def test_runs_that_share_models_compare_each_with_itself_unless_a_baseline_is_named(tmp_path):
    models = {NORMAL: {}, TRAINED: {}}
    runs = [make_run(tmp_path / name, models) for name in ("old", "new")]
    named = [(c.before, c.after) for c in compare(runs).contrasts]
    assert named == [(f"old/{m}", f"new/{m}") for m in (NORMAL, TRAINED)]
    based = [(c.before, c.after) for c in compare(runs, baseline=f"new/{TRAINED}").contrasts]
    assert len(based) == 3
    assert {before for before, _ in based} == {f"new/{TRAINED}"}
    (one,) = compare(runs, models=[TRAINED]).contrasts
    assert (one.before, one.after) == ("old", "new")


def test_a_triangle_matches_whichever_target_is_first(tmp_path):
    models = {NORMAL: {}, TRAINED: {"fraction": 0.7}}
    run = make_run(tmp_path / "run", models)
    pairs = run.pair_rows()
    triangles = [
        {**t, "target_1": t["target_2"], "target_2": t["target_1"]} if t["model"] == NORMAL else t
        for t in run.triangle_rows()
    ]
    write_rows(run.path, pairs, triangles)
    assert found(compare([Run(run.path)]), "fraction_0.2").values == len(SOURCES)


def test_with_other_deltas_segments_inside_are_left_out_with_a_note(tmp_path):
    runs = [make_run(tmp_path / f"{d}", {NORMAL: {}}, delta=d) for d in (0.2, 0.3)]
    comparison = compare(runs)
    keys = {d.column.key for ds in comparison.contrasts[0].differences.values() for d in ds}
    assert "segment_inside" not in keys
    assert any("Delta is 0.2 before and 0.3 after" in n for n in comparison.contrasts[0].notes)


def test_one_source_gives_no_interval_and_says_what_to_type(tmp_path):
    comparison = compare([make_run(tmp_path / "run", {NORMAL: {}, TRAINED: {}}, sources="a")])
    (contrast,) = comparison.contrasts
    assert "One source shows no difference" in contrast.verdicts[0]
    assert any("--sources" in note for note in contrast.notes)
    data = json.loads(render(comparison, "json"))
    assert data["contrasts"][0]["differences"]["distance"][0]["low"] is None


def test_a_run_that_still_grows_is_said_to(tmp_path):
    run = make_run(tmp_path / "run", {NORMAL: {}, TRAINED: {}}, finished=False)
    assert "not finished" in compare([run]).contrasts[0].notes[-1]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    models = {NORMAL: {}, "<b>&_%": {"fraction": 0.9}}
    return compare([make_run(tmp_path_factory.mktemp("runs") / "run", models)])


def test_csv_and_json_hold_every_digit(comparison):
    lines = list(csv.DictReader(io.StringIO(render(comparison, "csv"))))
    data = json.loads(render(comparison, "json"))["contrasts"][0]
    flat = [d for differences in data["differences"].values() for d in differences]
    assert len(lines) == len(flat)
    for line, entry in zip(lines, flat, strict=True):
        assert line["column"] == entry["column"]
        for key in ("before_mean", "after_mean", "difference", "low", "high"):
            assert float(line[key]) == entry[key]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_the_verdict_or_its_numbers(comparison, format):
    text = render(comparison, format)
    assert text.endswith("\n")
    assert "0.4" in text or "+.40" in text


def test_latex_escapes_and_markdown_aligns(comparison):
    latex = render(comparison, "latex")
    body = "\n".join(line for line in latex.splitlines() if not line.startswith("%"))
    assert r"<b>\&\_\%" in body
    assert body.isascii()
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2
    grid = [line for line in render(comparison, "markdown").splitlines() if line[:1] == "|"]
    assert len({line.count("|") for line in grid}) == 1


class Page(HTMLParser):
    """Checks that every element is closed in its order, and collects the text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.text = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, _attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_escaped_and_leads_nowhere(comparison):
    text = page_html(comparison)
    page = Page(text)
    assert page.open == []
    words = " ".join(" ".join(page.text).split())
    assert "<b>& % is more under-sensitive than Own on this data" in words
    assert "<b>" not in text
    assert not re.search(r"(https?|ftp|ws)://|//[a-z]+\.[a-z]", text)
    assert text.count('class="verdict"') == 2


def test_the_command_prints_and_writes_the_page(tmp_path, capsys):
    runs = [str(make_run(tmp_path / name, {NORMAL: {}}).path) for name in ("old", "new")]
    page = tmp_path / "pages" / "compare.html"
    assert call(["compare", *runs, "--html", str(page), "--table", "summary", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["contrasts"][0]["differences"]) == ["summary"]
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_the_verdict_is_by_reach_where_both_have_it(tmp_path):
    """1 − rmse / .3, the distance of source and target in the nulls."""
    models = {
        NORMAL: {"rmse": 0.03, "segment_inside": True, "p_found_8bit": 0.9},
        TRAINED: {"rmse": lambda n: 0.12 + 0.001 * n, "segment_inside": True, "p_found_8bit": 0.9},
    }
    run = make_run(tmp_path / "run", models, nulls=True)
    comparison = compare([run], kinds=["summary"])
    reach = found(comparison, "reach")
    count = len(SOURCES)
    assert reach.before == pytest.approx(0.9)
    assert reach.after == pytest.approx(
        np.mean([1 - (0.12 + 0.001 * n) / 0.3 for n in range(count)])
    )
    assert reach.interval.mean == pytest.approx(reach.after - reach.before)
    (verdict,) = comparison.contrasts[0].verdicts
    assert verdict.startswith(f"{TRAINED} is less blind than {NORMAL} on this data: reach 0.58 ")
    assert "against 0.90, " in verdict
    assert verdict.endswith("blind pairs +0 % [0 %, 0 %].")


def test_reach_at_two_deltas_is_not_compared(tmp_path):
    one, other = (
        make_run(tmp_path / str(delta), {NORMAL: {}}, delta=delta, nulls=True)
        for delta in (0.1, 0.2)
    )
    (contrast,) = compare([one, other], kinds=["summary"]).contrasts
    assert "reach" not in {one.column.key for one in contrast.differences["summary"]}


def test_a_blinder_model_fails_where_that_is_asked_for(tmp_path, capsys):
    models = {
        NORMAL: {"rmse": 0.12, "segment_inside": True, "p_found_8bit": 0.9},
        TRAINED: {"rmse": lambda n: 0.03 + 0.001 * n, "segment_inside": True, "p_found_8bit": 0.9},
    }
    path = make_run(tmp_path / "run", models, nulls=True).path
    assert call(["compare", str(path), "--fail-if", "worse"]) == 3
    assert f"{TRAINED} is blinder than {NORMAL} on this data: reach" in capsys.readouterr().err
    assert call(["compare", str(path), "--fail-if", "worse", "--baseline", TRAINED]) == 0
    old = make_run(tmp_path / "old", models).path
    assert call(["compare", str(old), "--fail-if", "worse"]) == 2
    assert "have no reach to compare" in capsys.readouterr().err
