"""`run.json` is one definition: what is written comes back, older and later runs open, else one
sentence says which member is wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindspots.errors import UsageError
from blindspots.settings import Shard
from blindspots.store.run_info import (
    FORMAT,
    PACKAGES,
    ImagesFacts,
    ModelFacts,
    Preflight,
    RunInfo,
    ShardFacts,
    StoredFinding,
    installed_versions,
    read_run_info,
    write_run_info,
)
from tests import support

OLD = Path(support.__file__).with_name("old_run")
PREFLIGHT = Preflight(
    images=9, accuracy=0.5, findings=(StoredFinding(name="gradient", values={"zero": 0}),)
)
FULL = RunInfo(
    plan_hash="0123456789abcdef",
    plan={"method": {"name": "star", "delta": 0.2}, "score": {"name": "margin"}, "seed": 3},
    shard=Shard(2, 3),
    pairs={"Ωmega": 4},
    pairs_hash="fedcba9876543210",
    models=(ModelFacts(spec="zoo:Ωmega", name="Ωmega", size=(12, 16), preflight=PREFLIGHT),),
    images=ImagesFacts(spec="folder:a", count=2, skipped=({"name": "b.png", "reason": "cut"},)),
    keep="found",
    found_dropped=True,
    compiled={"Ωmega": False},
    versions={"python": "3.11"},
    notes=("one",),
    finished="2025-01-01T00:00:00+00:00",
    seconds=1.5,
    shards=(ShardFacts(number=1, of=2, seconds=3.0),),
)


def put(path, content):
    (path / "run.json").write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("info", [RunInfo(), FULL], ids=["empty", "full"])
def test_what_is_written_comes_back(tmp_path, info):
    assert read_run_info(tmp_path) is None
    write_run_info(tmp_path, info)
    assert read_run_info(tmp_path) == info
    assert "Ω" in (tmp_path / "run.json").read_text(encoding="utf-8") or info != FULL


@pytest.mark.parametrize("name", ["whole", "unfinished", "shard-1", "shard-2"])
def test_an_earlier_version_wrote_the_same_bytes(tmp_path, name):
    info = read_run_info(OLD / name)
    assert info.more == {}
    write_run_info(tmp_path, info)
    assert (tmp_path / "run.json").read_bytes() == (OLD / name / "run.json").read_bytes()


def test_what_an_older_run_lacks_has_its_default(tmp_path):
    info = read_run_info(put(tmp_path, '{"models": [{"name": "m"}], "finished": null}'))
    assert info == RunInfo(models=(ModelFacts(name="m"),))
    assert info.format == FORMAT
    assert info.method == {}
    assert info.score == {"name": "confidence"}
    assert info.models[0].preflight.labelled
    assert info.models[0].preflight.findings is None


def test_members_of_a_later_version_are_kept_where_they_are(tmp_path):
    later = {"power": 3, "models": [{"name": "m", "colour": "red", "preflight": {"mood": [1]}}]}
    write_run_info(tmp_path, read_run_info(put(tmp_path, json.dumps(later))))
    stored = json.loads((tmp_path / "run.json").read_text())
    assert stored["power"] == 3
    assert stored["models"][0]["colour"] == "red"
    assert stored["models"][0]["preflight"]["mood"] == [1]


WRONG = {
    '{"plan": {"method": {"aim": "x"}}}': 'plan.method.aim is "x", expected a number',
    '{"plan": null}': "plan is null, expected an object",
    '{"plan": {"method": "star"}}': 'plan.method is "star", expected an object',
    '{"plan": {"method": {"delta": "x"}}}': 'plan.method.delta is "x", expected a number',
    '{"plan": {"score": {"name": 1}}}': "plan.score.name is 1, expected a text",
    '{"models": {}}': "models is {}, expected a list",
    '{"models": [7]}': r"models[0] is 7, expected an object",
    '{"models": [{"size": "12"}]}': 'models[0].size is "12", expected a list',
    '{"models": [{"preflight": {"findings": [{"level": 3}]}}]}': "findings[0].level is 3",
    '{"images": {"count": 1.5}}': "images.count is 1.5, expected a whole number",
    '{"pairs": {"m": true}}': "pairs.m is true, expected a whole number",
    '{"found_dropped": 1}': "found_dropped is 1, expected true or false",
    '{"keep": "all"}': 'keep is "all", expected none, found or path',
    json.dumps({"seconds": "b" * 99}): "bbb..., expected a number",
    '{"shard": {"number": 5, "of": 2}}': "shard is 5/2",
    '{"seconds": NaN}': "Out of range",
    '{"seconds": 1e999}': "Out of range",
    f'{{"seconds": {"9" * 4000}}}': "too large",
    f'{{"seconds": {"9" * 5000}}}': "digits",
    '{"command": "\\ud800"}': "surrogates",
    "[" * 100_000: "recursion",
    f'{{"plan": {{"x": {"[" * 200 + "]" * 200}}}}}': "nested more than 100 deep",
    "\ufeff{}": "BOM",
    "": "Expecting value",
    "[]": "not a run of format 1",
    "null": "not a run of format 1",
    '{"format": 2}': "not a run of format 1",
}


@pytest.mark.parametrize(("content", "says"), WRONG.items(), ids=lambda text: text[:30])
def test_what_cannot_be_read_is_one_sentence_with_the_file(tmp_path, content, says):
    with pytest.raises(UsageError) as refusal:
        read_run_info(put(tmp_path, content))
    text = str(refusal.value)
    assert says in text
    assert str(tmp_path) in text
    assert "blindspots run" in text
    assert "\n" not in text


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "run.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(UsageError, match=r"run\.json cannot be read"):
        read_run_info(tmp_path)


names = st.sampled_from(["name", "method", "number", "preflight", "Ω"])
values = st.recursive(
    st.sampled_from([None, True, 3, -0.5, 10**400, "", "found", "Ω"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(RunInfo.__dataclass_fields__)), values, max_size=4))
def test_whatever_stands_there_is_read_or_refused(tmp_path_factory, stored):
    path = put(tmp_path_factory.mktemp("any"), json.dumps(stored))
    try:
        info = read_run_info(path)
    except UsageError:
        return
    write_run_info(path, info)
    assert read_run_info(path) == info


def test_the_versions_are_those_of_what_results_depend_on():
    assert set(installed_versions()) == {"python", *PACKAGES}
