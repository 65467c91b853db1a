import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blindspots as bs
from blindspots.cli.main import call
from blindspots.images.listing import seeded_order
from blindspots.settings import MachineSettings, ScienceSettings, differences, plan_hash
from blindspots.study.pairs import pair_id
from blindspots.study.targets import draw_targets, read_pairs
from tests.support import tiny, tiny_model

SEEDS = st.integers(0, 2**31)
SCIENCE = {
    "method": {"name": "paper"},
    "score": {"name": "confidence"},
    "seed": 0,
    "precision": "fp32",
}


def possible(classes, count):
    """Whether everyone can aim at `count` others of other classes and be aimed at as often."""
    n = len(classes)
    choices = [
        [
            c
            for c in itertools.combinations(range(n), count)
            if all(classes[j] != classes[i] for j in c)
        ]
        for i in range(n)
    ]

    def search(i, aimed):
        if i == n:
            return True
        for choice in choices[i]:
            if all(aimed[j] < count for j in choice):
                after = list(aimed)
                for j in choice:
                    after[j] += 1
                if search(i + 1, after):
                    return True
        return False

    return search(0, [0] * n)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=7), st.integers(1, 3), SEEDS)
def test_targets_are_derangements_wherever_there_are_any(classes, count, seed):
    column = np.array(classes)[:, None]
    try:
        drawn = draw_targets(column, count, seed)
    except bs.Refused as refusal:
        assert not possible(classes, count)
        assert f"{len(classes)} correctly classified sources" in str(refusal)
        return
    assert drawn.shape == (len(classes), count)
    for i, row in enumerate(drawn.tolist()):
        assert len(set(row)) == count
        assert all(classes[j] != classes[i] for j in row)
    assert np.bincount(drawn.ravel(), minlength=len(classes)).tolist() == [count] * len(classes)


def test_targets_are_reproducible_and_the_seed_matters():
    classes = np.arange(50)[:, None]
    assert (draw_targets(classes, 3, 1) == draw_targets(classes, 3, 1)).all()
    assert (draw_targets(classes, 3, 1) != draw_targets(classes, 3, 2)).any()


def test_targets_are_spread_evenly_over_the_others():
    """Each of the 9 others is a target equally often: chi-square with 9·10 − … degrees is calm."""
    classes = np.arange(10)[:, None]
    counts = np.zeros((10, 10))
    for seed in range(900):
        counts[np.arange(10), draw_targets(classes, 1, seed)[:, 0]] += 1
    assert counts.diagonal().sum() == 0
    off = counts[~np.eye(10, dtype=bool)]
    assert ((off - 100) ** 2 / 100).sum() < 140


def test_images_conflict_where_any_model_gives_them_the_same_class():
    classes = np.array([[0, 0], [1, 0], [2, 1], [3, 1]])
    drawn = draw_targets(classes, 2, 0)
    assert sorted(drawn[0].tolist()) == [2, 3]


def test_a_thousand_sources_with_five_targets_are_drawn_like_the_slides():
    classes = np.arange(1000)[:, None]
    drawn = draw_targets(classes, 5, 0)
    assert all(len(set(row)) == 5 for row in drawn.tolist())


@given(st.permutations([f"image-{i}" for i in range(8)]), SEEDS)
def test_the_order_of_sources_does_not_depend_on_the_listing(ids, seed):
    plain = sorted(ids)
    assert [ids[i] for i in seeded_order(ids, seed)] == [
        plain[i] for i in seeded_order(plain, seed)
    ]


def test_a_pair_id_names_what_decides_its_result():
    base = pair_id("f", "a", "b", SCIENCE)
    assert base == pair_id("f", "a", "b", {**SCIENCE, "sources": 99})
    others = {
        pair_id("g", "a", "b", SCIENCE),
        pair_id("f", "b", "a", SCIENCE),
        pair_id("f", "a", "b", {**SCIENCE, "seed": 1}),
        pair_id("f", "a", "b", {**SCIENCE, "method": {"name": "reference"}}),
    }
    assert len({base, *others}) == 5


def test_pairs_are_read_from_csv(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text("\ufeffsource,target,remark\n a.png ,b.png,x\nb.png,a.png,\n", encoding="utf-8")
    assert read_pairs(file) == [("a.png", "b.png"), ("b.png", "a.png")]


@pytest.mark.parametrize("text", ["", "source,target\n", "from,to\na,b\n"])
def test_a_csv_without_pairs_is_refused(tmp_path, text):
    file = tmp_path / "pairs.csv"
    file.write_text(text)
    with pytest.raises(bs.Refused, match="columns source, target"):
        read_pairs(file)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_csv_may_begin_with_a_mark_and_have_short_rows(tmp_path, coding):
    file = tmp_path / "pairs.csv"
    file.write_text("source,target\na,b\nc\nd,e,f\n", encoding=coding)
    assert read_pairs(file) == [("a", "b"), ("c", ""), ("d", "e")]


def test_a_csv_with_an_endless_field_is_refused(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text(f"source,target\na,{'b' * 200_000}\n")
    with pytest.raises(bs.Refused, match=r"pairs\.csv is no CSV file"):
        read_pairs(file)


def test_a_missing_csv_is_refused(tmp_path):
    with pytest.raises(bs.Refused, match="cannot be read"):
        read_pairs(tmp_path / "none.csv")


def test_plans_that_mean_the_same_hash_the_same_and_others_say_where_they_differ():
    one = ScienceSettings(method={"name": "reference", "delta": 0.2}).identity()
    two = ScienceSettings(method={"delta": 0.3, "name": "reference"}, seed=4).identity()
    assert plan_hash(one) == plan_hash(dict(reversed(one.items())))
    assert plan_hash(one) != plan_hash(two)
    assert differences(one, two) == [
        "method.delta is 0.2 there and 0.3 here",
        "seed is 0 there and 4 here",
    ]


@pytest.mark.parametrize(
    "change", [{"sources": 0}, {"targets_per_source": 0}, {"precision": "fp8"}]
)
def test_science_that_cannot_be_is_refused(change):
    with pytest.raises(bs.Refused):
        ScienceSettings(method={}, **change)


def test_paths_are_kept_below_a_thousand_pairs():
    assert MachineSettings().kept(999) == "path"
    assert MachineSettings().kept(1000) == "found"
    assert MachineSettings(keep="none").kept(3) == "none"


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("sources", [1, 2])
def test_few_sources_are_refused_with_how_many_it_takes(
    tmp_path, tiny_images, capsys, sources, targets
):
    def dry_run(sources):
        spec = ["--model", tiny.MODEL, "--images", tiny_images, "--dry-run", "--quiet"]
        counts = ["--sources", str(sources), "--targets-per-source", str(targets)]
        return call(["run", *spec, *counts, "--out", str(tmp_path / "run")])

    status = dry_run(sources)
    if sources > targets:
        assert status == 0
        return
    said = capsys.readouterr().err
    assert status == 2
    assert "drawn among the other sources of another class" in said
    assert dry_run(int(re.search(r"type --sources (\d+)", said)[1])) == 0


@pytest.mark.parametrize("targets", [1, 2])
def test_the_advice_counts_what_the_model_names_correctly(tmp_path, tiny_images, capsys, targets):
    """Right are images of the classes 1, 2, 2, 1, so that three sources are not enough for two."""

    def dry_run(sources, model):
        spec = ["--model", model, "--images", tiny_images, "--dry-run", "--quiet"]
        counts = ["--sources", str(sources), "--targets-per-source", str(targets)]
        return call(["run", *spec, *counts, "--out", str(tmp_path / "run")])

    assert dry_run(1, tiny.spec("blind?to=0")) == 2
    said = capsys.readouterr().err
    assert dry_run(int(re.search(r"type --sources (\d+)", said)[1]), tiny.spec("blind?to=0")) == 0
    assert dry_run(4, tiny.spec("constant")) == 2
    assert "5 of them of the class 0" in (said := capsys.readouterr().err)
    assert "give more images of other classes" in said
    assert "type" not in said


def test_the_advised_number_counts_what_the_model_names_correctly(tmp_path, tiny_images):
    """A model that names one class alone is told in one step that other classes are needed."""
    blind = bs.Classifier(tiny_model.build().module, size=12)  # its classes stand in another order
    refused = []

    def plan(sources):
        with pytest.raises(bs.UsageError) as said:
            bs.run(model=blind, images=tiny_images, out=tmp_path / "out", sources=sources)
        refused.append(str(said.value))
        advised = re.search(r"type --sources (\d+)", refused[-1])
        return int(advised[1]) if advised else 0

    sources = 2
    while sources := plan(sources):
        assert len(refused) < 3, refused
    assert refused[-1].endswith("give more images of other classes")
