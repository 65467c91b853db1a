import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blindspots as bs
from blindspots.schema import PlannedPair
from blindspots.settings import ScienceSettings, Shard, parse_shard
from blindspots.study.pairs import PairsByModel, pair_id, plan_pairs
from blindspots.study.targets import draw_targets

SCIENCE = ScienceSettings(method={"name": "fan", "delta": 0.2}, seed=3).identity()
IMAGES = [f'image "{i}" ü' for i in range(9)]
PAIRS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=20, unique=True
)


def planned(pairs, grouped=False):
    source, target = np.array(pairs).T
    return plan_pairs("f1", IMAGES, source, target, np.arange(9) * 10, SCIENCE, grouped)


@given(PAIRS)
def test_columns_hold_the_pairs_that_are_planned_one_by_one(pairs):
    one_by_one = [
        PlannedPair(
            pair_id("f1", IMAGES[s], IMAGES[t], SCIENCE), IMAGES[s], IMAGES[t], 10 * s, 10 * t
        )
        for s, t in pairs
    ]
    assert list(planned(pairs)) == one_by_one


@given(PAIRS)
def test_groups_come_together_and_their_company_is_in_the_ids(pairs):
    by_source = {}
    for s, t in pairs:
        by_source.setdefault(s, []).append(t)
    expected = [
        pair_id("f1", IMAGES[s], IMAGES[t], SCIENCE, sorted(IMAGES[one] for one in targets))
        for s, targets in by_source.items()
        for t in targets
    ]
    assert [pair.pair_id for pair in planned(pairs, grouped=True)] == expected
    groups = planned(pairs, grouped=True).by_source()
    assert [[pair.target_id for pair in group] for group in groups] == [
        [IMAGES[t] for t in targets] for targets in by_source.values()
    ]


@given(PAIRS, st.integers(1, 5))
def test_shards_share_out_whole_sources_and_every_pair_once(pairs, of):
    whole = planned(pairs)
    shards = [whole.of_shard(Shard(number, of)) for number in range(1, of + 1)]
    together = [pair for shard in shards for pair in shard]
    assert sorted(together, key=str) == sorted(whole, key=str)
    sources = [{pair.source_id for pair in shard} for shard in shards]
    assert sum(map(len, sources)) == len(set().union(*sources)) == whole.sources
    assert max(map(len, sources)) - min(map(len, sources)) <= 1


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("method", {"name": "fan", "delta": 0.3}),
        ("score", {"name": "margin"}),
        ("seed", 4),
        ("precision", "bf16"),
    ],
)
def test_the_id_of_a_pair_hangs_on_what_decides_its_result(name, other):
    own = pair_id("f1", "a", "b", SCIENCE)
    assert pair_id("f1", "a", "b", {**SCIENCE, name: other}) != own
    assert pair_id("f1", "a", "b", {**SCIENCE, "sources": 7}) == own


def test_sources_that_lack_something_are_those_with_pairs_enough_and_no_row():
    groups = planned([(0, 1), (4, 2), (0, 3), (4, 5), (7, 1)]).by_source()
    lacking = groups.lacking(2, pa.array([IMAGES[4]]))
    assert [[pair.target_id for pair in group] for group in lacking] == [[IMAGES[1], IMAGES[3]]]
    assert len(groups.lacking(1, pa.array([], pa.string()))) == 3
    assert len(planned([(0, 1)]).select(np.array([], int)).by_source()) == 0


def test_ids_are_looked_up_among_others():
    pairs = planned([(0, 1), (1, 2), (2, 3)])
    known = pa.chunked_array([[pairs[2].pair_id, "0" * 16], [pairs[0].pair_id]])
    assert pairs.within(known).tolist() == [True, False, True]
    assert pairs.from_sources(pa.array([IMAGES[1]])).tolist() == [False, True, False]
    assert len(pairs[1:]) == 2


class TestPairsByModel:
    """The pairs of several models, of which one model's are held."""

    @pytest.fixture
    def asked(self):
        return []

    @pytest.fixture
    def both(self, asked):
        def plan(model):
            asked.append(model)
            source, target = np.array([(0, 1), (1, 2), (0, 3)]).T
            return plan_pairs(model, IMAGES, source, target, np.arange(9), SCIENCE)

        return PairsByModel(["one", "two"], plan)

    def test_only_the_last_are_kept(self, both, asked):
        first = both["one"]
        assert both["one"] is first is both.of_one_model
        names = [pair.pair_id for pair in both["two"]]
        assert names == [pair_id("two", one.source_id, one.target_id, SCIENCE) for one in first]
        assert both.of_one_model is both["two"]
        assert list(both["one"]) == list(first)
        assert asked == ["one", "two", "one"]
        with pytest.raises(KeyError):
            both["three"]

    def test_its_digest_covers_every_id_of_every_model(self, both):
        names = {m: "".join(pair.pair_id for pair in both[m]) for m in both}
        digests = {m: hashlib.sha256(own.encode()).digest() for m, own in names.items()}
        whole = b"".join(m.encode() + digest for m, digest in digests.items())
        assert both.digest == hashlib.sha256(whole).hexdigest()[:16]

    def test_a_shard_has_each_models_own(self, both):
        shard = both.of_shard(Shard(2, 2))
        assert list(shard) == list(both)
        for model in both:
            assert list(shard[model]) == [both[model][1]]


def test_a_shard_is_read_and_written_alike():
    assert str(parse_shard("3/64")) == "3/64"
    assert parse_shard("1/1").whole


@pytest.mark.parametrize("share", [0.001, 0.3, 0.49])
def test_targets_of_very_many_sources_are_derangements_too(share):
    """20,000 sources: above the number to which conflicts are swapped away one by one."""
    classes = np.arange(20_000)
    classes[: int(share * len(classes))] = -1
    drawn = draw_targets(classes[:, None], 2, 0)
    assert (classes[drawn] != classes[:, None]).all()
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert (np.bincount(drawn.ravel()) == 2).all()


def test_a_class_that_outnumbers_all_others_is_refused_at_once():
    with pytest.raises(bs.Refused, match="10001 of them of the class 0"):
        draw_targets(np.array([0] * 10_001 + [1] * 10_000)[:, None], 1, 0)


def test_many_given_pairs_stand_in_the_plan_as_their_hash():
    pairs = tuple((f"s{i}", f"t{i}") for i in range(10_001))
    few, many = (
        ScienceSettings(method={}, pairs=p).identity()["pairs"] for p in (pairs[:-1], pairs)
    )
    assert few == [list(pair) for pair in pairs[:-1]]
    text = "".join(repr(pair) for pair in pairs)
    assert many == {"count": 10_001, "sha256": hashlib.sha256(text.encode()).hexdigest()}
