"""A verification cannot be fooled: one planted change anywhere in a run is noticed and named.

Changes are planted twice over: as they are, where the manifest must name the file, and with a
manifest written anew, as by somebody who forges it, where the contents must give it away.
"""

import io
import json
import math
import os
import shutil
import zlib
from dataclasses import fields, is_dataclass, replace
from functools import reduce
from pathlib import Path
from typing import get_args, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import blindspots as bs
from blindspots.cli.main import call
from blindspots.progress import Reporter
from blindspots.schema import ALL_TABLES, TABLES
from blindspots.settings import Trust, plan_hash
from blindspots.store.manifest import (
    MANIFEST,
    check_manifest,
    read_manifest,
    renew_entries,
    unlisted,
    write_manifest,
)
from blindspots.store.parquet import file_digest
from blindspots.store.reader import Run
from blindspots.store.run_info import INFO_FILE, RunInfo, row_sum
from blindspots.study import recompute, reload
from blindspots.study.audit import Audit, Disagreements, audit, unproved
from blindspots.study.audit_rows import StoredTables
from blindspots.study.backends import process_pool
from blindspots.study.reload import draw_rows, load_again
from blindspots.study.verify import verify_run
from tests.support.thread_pool import ThreadCrew
from tests.support.tiny import MODEL, SMOOTH, run, spec, without_figures

# Which changed values only the manifest knows: what nobody can compute again from the images.
MANIFEST_ALONE = {
    "pairs": {"seconds"},
    "transfer": {"judge_class", "p_found", "p_source", "p_target", "resized"}
    | {f"kept_{what}" for what in ("found", "source", "target")},
}
# Members of run.json that tell how and when it was made, and what nobody computes again.
INFO_OF_MANIFEST = {
    "backend",
    "command",
    "compiled",
    "contrast",
    "device",
    "finished",
    "found_dropped",
    "images",
} | {"layout", "notes", "seconds", "started", "tables", "versions"}
MODELS = '"models": ['
FEW = ("--sources", "6", "--targets-per-source", "3")


@pytest.fixture(scope="module", autouse=True)
def one_load():
    """Every verification loads the models afresh; here each is loaded once."""
    loaded = {}

    def load(facts, trust, own=()):
        if facts.spec not in loaded:
            loaded[facts.spec] = load_again(facts, trust)
        return loaded[facts.spec]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recompute, "load_again", load)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_images):
    """A run with every table there is."""
    out = tmp_path_factory.mktemp("made") / "run"
    with without_figures():
        assert run(tiny_images, out, *FEW, "--keep", "path") == 0
    trusted = ["--trust-run-code", "--quiet"]
    assert call(["transfer", str(out), "--model", SMOOTH, *trusted]) == 0
    pair = sorted(row["pair_id"] for row in Run(out).pairs_from(drawn_source(out)))[0]
    few = ["--directions", "4", "--points", "3", "--pair", pair]
    assert call(["widths", str(out), *few, *trusted]) == 0
    return out


def drawn_source(path):
    """The source that is computed again where one is."""
    (model,) = Run(path).models
    (source,) = {row["source_id"] for row in draw_rows(Run(path), model.name, 1).pairs}
    return source


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy", copy_function=os.link)


def verified(path, **options):
    return verify_run(
        path, "cpu", None, None, Reporter(quiet=True), Trust(run_code=True), **options
    )


def disagreements(path: Path, sources: int | None = 1) -> list[str]:
    """What is said of a forged run: first without the model, which is quicker, then with it."""
    write_manifest(path)
    try:
        found = list(audit(Run(path)))
    except bs.UsageError as error:
        found = [str(error)]
    if not found:
        result = verified(path, sources=sources)
        found = [*result.problems, *(f"{c} at {result.where[c]}" for c in result.different)]
    return found


class Noticed(Exception):
    """One disagreement is enough."""


class First(Disagreements):
    """Ends an audit at the first thing that it has to say."""

    def append(self, sentence):
        raise Noticed(sentence)


def is_noticed(path: Path, table: str) -> bool:
    """Whether `disagreements` says anything of a run in which one table alone was changed."""
    renew_entries(path, [f"{table}.parquet"])
    try:
        Audit(StoredTables(Run(path)), First()).all()
    except (Noticed, bs.UsageError):
        return True
    with pytest.MonkeyPatch.context() as patch:
        # No number is computed again that stands in a table which was not changed.
        others = {name: [] for name in ("triangles", "simplices", "nulls") if name != table}
        patch.setattr(reload, "draw_rows", lambda *given: replace(draw_rows(*given), **others))
        result = verified(path, sources=1)
    return bool(result.problems or result.different)


def rewrite(path, table, change):
    """Change the rows of a table, a list of dictionaries, in place."""
    rows = pq.read_table(path / f"{table}.parquet").to_pylist()
    changed = change(rows)
    write(path, table, rows if changed is None else changed)


def write(path, table, rows):
    file = path / f"{table}.parquet"
    file.unlink()  # a link to that of the run, as all files of the copy
    pq.write_table(pa.Table.from_pylist(rows, ALL_TABLES[table][0]), file)


def other(value, kind):
    """Another value of a column's type."""
    if pa.types.is_list(kind):
        first = value or [other(None, kind.value_type)]
        return [*first[:-1], other(first[-1], kind.value_type)]
    if pa.types.is_boolean(kind):
        return not value
    if pa.types.is_string(kind):
        return f"{value}x"
    return (value or 0) + (1 if pa.types.is_integer(kind) else 0.137)


def test_the_run_has_rows_in_every_table(made):
    assert all(Run(made).arrow(table).num_rows > 2 for table in ALL_TABLES)
    assert disagreements(made, sources=None) == []


def altered(value):
    """A member of run.json with another value at its first leaf."""
    match value:
        case {**members} if members:
            first, *_ = members
            return {**members, first: altered(members[first])}
        case [first, *rest]:
            return [altered(first), *rest]
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x"
    return 1


@pytest.mark.faults
def test_another_value_in_any_member_of_run_json_is_noticed(copy, made):
    stored, missed = json.loads((made / INFO_FILE).read_text()), set()
    for name, value in stored.items():
        (copy / INFO_FILE).unlink()
        (copy / INFO_FILE).write_text(json.dumps({**stored, name: altered(value)}))
        assert f"{INFO_FILE} has another SHA-256" in str(list(check_manifest(copy, pictures=False)))
        write_manifest(copy)
        try:
            found = list(audit(Run(copy)))
        except bs.UsageError:
            found = [name]
        # A spec is held against its weights when the model is loaded again.
        missed |= set() if found or (name == "models" and told(copy)) else {name}
        shutil.copy(made / MANIFEST, copy / MANIFEST)
    assert missed == INFO_OF_MANIFEST


def known_members(kind, stored, at=()):
    """The place of every member that the typed definition has, down to the last."""
    for name in (one.name for one in fields(kind) if one.name != "more"):
        yield (*at, name)
        value, own = stored.get(name), members_of(get_type_hints(kind)[name])
        for where, each in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if own and each:
                yield from known_members(
                    own, each, (*at, name, *(() if where is None else [where]))
                )


def members_of(kind):
    inner = (members_of(one) for one in get_args(kind))
    return kind if is_dataclass(kind) else next(filter(None, inner), None)


def without(stored, place, null):
    """`run.json` with what stands at a place null, or without it."""
    changed = json.loads(json.dumps(stored))
    *path, name = place
    owner = reduce(lambda at, key: at[key], path, changed)
    if null:
        owner[name] = None
    else:
        owner.pop(name, None)
    return changed


@pytest.mark.parametrize("null", [True, False], ids=["null", "absent"])
def test_a_member_of_run_json_that_is_null_or_absent_is_noticed(copy, made, null):
    stored, missed = json.loads((made / INFO_FILE).read_text()), set()
    planned = [("plan", name) for name in stored["plan"]]
    for place in [*known_members(RunInfo, stored), *planned]:
        changed = without(stored, place, null)
        # Only some runs have these.
        if changed == stored or {"contrast", "shards", "title", "findings"} & {*place}:
            continue
        (copy / INFO_FILE).unlink()
        (copy / INFO_FILE).write_text(json.dumps(changed))
        write_manifest(copy)
        try:
            found = list(audit(Run(copy)))
        except bs.UsageError:
            found = [place]
        # The model is held against what is told of it when it is loaded again.
        found = found or (place[0] in ("models", "finished") and told(copy))
        missed |= set() if found else {place}
    assert missed == set()


def dropped(copy, **changed):
    """The run without two of its sources in any table, and with run.json as forged to fit."""
    chosen = sorted({row["source_id"] for row in Run(copy).pair_rows()})[:2]
    for table in TABLES:
        rewrite(copy, table, lambda rows: [row for row in rows if row["source_id"] not in chosen])
    for table in ("transfer", "widths"):
        left = {row["pair_id"] for row in Run(copy).pair_rows()}
        rewrite(copy, table, lambda rows, left=left: [r for r in rows if r["pair_id"] in left])
    pairs, info = Run(copy).pairs, json.loads((copy / INFO_FILE).read_text())
    (name,) = info["pairs"]
    ids = pairs["pair_id"].to_pylist()
    info |= {"pairs": {name: len(ids) - pairs["target_id"].null_count}}
    info |= {"row_sums": {name: row_sum(ids)}} | changed
    info["plan_hash"] = plan_hash(info["plan"])
    info["tables"] = {one: file_digest(copy / one) for one in info["tables"]}
    (copy / INFO_FILE).unlink()
    (copy / INFO_FILE).write_text(json.dumps(info))
    write_manifest(copy)


def test_an_unfinished_run_is_no_agreement(copy, capsys):
    dropped(copy, finished=None)
    (copy / MANIFEST).unlink()
    assert call(["verify", str(copy), "--quiet", "--trust-run-code"]) == 1
    said = capsys.readouterr()
    assert "agrees within float tolerance so far; the run is not finished" in said.out
    assert "proves nothing of the rows that are not there; give the run's command" in said.err


def test_a_run_without_the_hash_of_its_pairs_is_no_agreement(copy):
    dropped(copy, pairs_hash=None)
    assert "run.json has no pairs_hash, and every finished run has one" in disagreements(copy)


def test_a_run_of_which_all_that_is_later_was_taken_lacks_its_sources(copy):
    dropped(copy, pairs_hash=None, row_sums=None, straight=None)
    (copy / MANIFEST).unlink()
    found = list(audit(Run(copy)))
    assert any("is a source of" in text for text in found)
    assert "run.json has no pairs_hash, and every finished run has one" in found


@pytest.mark.parametrize(
    "pairs", ["0123456789abcdef", {"count": 12, "sha256": "0" * 64}, None, {}, 7], ids=str
)
def test_a_plan_of_pairs_that_are_not_told_is_no_agreement(copy, made, pairs):
    plan = {**Run(made).plan, "pairs": pairs}
    for name in ("sources", "targets_per_source"):
        del plan[name]
    dropped(copy, plan=plan)
    assert any("plan" in text and "pairs" in text for text in disagreements(copy))


def test_pairs_that_were_given_are_said_to_be(copy, made):
    assert unproved(Run(made)) == []
    edges = [[row["source_id"], row["target_id"]] for row in Run(made).pair_rows()][:3]
    dropped(copy, plan={**Run(made).plan, "pairs": edges})
    assert "its pairs were given, not drawn" in str(unproved(Run(copy)))


def test_a_finished_run_without_its_manifest_is_no_agreement(copy):
    (copy / MANIFEST).unlink()
    assert verified(copy, sources=1).problems == [
        f"{MANIFEST} is missing, and every finished run has one"
    ]


def plant(copy, made, table, change):
    """The run with each column of a table changed in a row of a source that is computed again."""
    source = drawn_source(made)
    pairs = {row["pair_id"] for row in Run(made).pairs_from(source)}
    rows = Run(made).arrow(table).to_pylist()
    ids = [{row.get(name) for name in ("source_id", "image_id", "pair_id")} for row in rows]
    own = [i for i, its in enumerate(ids) if its & {source, *pairs}] or range(len(rows))
    before, row, behind = rows[: own[-1]], rows[own[-1]], rows[own[-1] + 1 :]
    for field in ALL_TABLES[table][0]:
        changed = {**row, field.name: change(row[field.name], field.type)}
        write(copy, table, [*before, changed, *behind])
        yield field.name


@pytest.mark.parametrize("table", ALL_TABLES)
def test_a_null_in_any_column_is_noticed(copy, made, table):
    stored = Run(made).arrow(table)
    never_known = {name for name in stored.column_names if stored[name].null_count == len(stored)}
    planted = plant(copy, made, table, lambda *_: None)
    missed = {name for name in planted if not is_noticed(copy, table)}
    assert missed == never_known


@pytest.mark.parametrize("table", ALL_TABLES)
def test_another_value_in_any_column_is_noticed(copy, made, table):
    missed = set()
    for name in plant(copy, made, table, other):
        lines = [text.split(" has another")[0] for text in check_manifest(copy, pictures=False)]
        assert lines == [f"{table}.parquet"]
        missed |= set() if is_noticed(copy, table) else {name}
        shutil.copy(made / MANIFEST, copy / MANIFEST)
    assert missed - MANIFEST_ALONE.get(table, set()) == set()


@pytest.mark.parametrize(
    ("table", "column", "by"),
    [
        ("triangles", "fraction", 0.002),
        ("triangles", "fraction", -1 / 66),
        ("triangles", "fraction_0.0", -0.1),
        ("triangles", "fraction_0.2", -1 / 66),
        ("simplices", "fraction", -0.03),
        ("pairs", "p_path_min", -2.0),
    ],
)
def test_a_share_that_is_another_by_little_is_noticed(copy, table, column, by):
    rewrite(copy, table, lambda rows: [{**row, column: row[column] + by} for row in rows])
    assert is_noticed(copy, table)


@pytest.mark.parametrize("table", ALL_TABLES)
def test_a_row_that_is_dropped_or_doubled_is_noticed(copy, table):
    rewrite(copy, table, lambda rows: rows[:1] + rows[2:])
    assert f"{table}.parquet has another SHA-256" in str(list(check_manifest(copy)))
    assert disagreements(copy)
    rewrite(copy, table, lambda rows: [rows[0], rows[0], *rows[1:]])
    assert disagreements(copy)


@pytest.mark.parametrize("table", TABLES)
def test_rows_that_changed_places_or_numbers_are_noticed(copy, made, table):
    rewrite(copy, table, lambda rows: [rows[1], rows[0], *rows[2:]])
    assert disagreements(copy, sources=None)
    shutil.copy(made / f"{table}.parquet", copy / f"{table}.parquet")

    def swap(rows):
        key = ALL_TABLES[table][1]
        one, two = rows[0], rows[-1]
        return [
            {**two, **{k: one[k] for k in key}},
            *rows[1:-1],
            {**one, **{k: two[k] for k in key}},
        ]

    rewrite(copy, table, swap)
    assert disagreements(copy, sources=None)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_without_rows_or_without_its_file_is_noticed(copy, table):
    rewrite(copy, table, lambda rows: rows.clear())
    (copy / MANIFEST).unlink()
    assert told(copy)
    (copy / f"{table}.parquet").unlink()
    assert told(copy)


def told(path):
    """Whether a verification says anything but that it agrees; it never ends in a traceback."""
    try:
        result = verified(path)
    except bs.UsageError as error:
        return str(error)
    return result.problems or result.different or not result.finished


def damage_each(path, change):
    """The names of a run's files of which a change was not noticed, though the manifest is true."""
    missed = []
    for name in [*read_manifest(path), MANIFEST]:
        file, whole = path / name, (path / name).read_bytes()
        file.unlink()
        file.write_bytes(whole)
        change(file, whole)
        if not any(name in text for text in check_manifest(path)) and name != MANIFEST:
            missed.append(name)
        file.write_bytes(whole)
    return missed


def test_every_file_that_is_lost_cut_or_has_another_bit_is_named(copy):
    assert len(read_manifest(copy)) > 60
    assert damage_each(copy, lambda file, _: file.unlink()) == []
    assert damage_each(copy, lambda file, whole: file.write_bytes(whole[: len(whole) // 2])) == []
    flip = lambda file, b: file.write_bytes(b[:-9] + bytes([b[-9] ^ 1]) + b[-8:])  # noqa: E731
    assert damage_each(copy, flip) == []
    (copy / "found" / "more.png").write_bytes(b"")
    (copy / "parts" / "pairs-0-0.parquet").write_bytes(b"")
    assert [text.split()[0] for text in check_manifest(copy)] == [
        "found/more.png",
        "parts/pairs-0-0.parquet",
    ]


SHOWN = ["report.html", "tables/summary.md", "tables/transfer.csv", "figures/star-2-column.pdf"]


def test_what_people_are_shown_is_proved_or_not_proved_by_name(copy):
    assert call(["plot", str(copy), "--figure", "star", "--columns", "2", "--quiet"]) == 0
    with without_figures():
        assert call(["report", str(copy), "--quiet"]) == 0
    assert read_manifest(copy).keys() > {*SHOWN}
    before = read_manifest(copy)
    with without_figures():
        assert call(["report", f"{copy}/../copy", "--out", str(copy), "--quiet"]) == 0
    assert read_manifest(copy).keys() == before.keys()
    for name in SHOWN:
        forged = (copy / name).read_bytes().replace(b"0", b"1")
        (copy / name).unlink()
        (copy / name).write_bytes(forged)
    told = [text.split()[0] for text in check_manifest(copy)]
    assert sorted(told) == sorted(SHOWN)
    write_manifest(copy)  # as of a run of an earlier version
    result = verified(copy, sources=1)
    assert result.problems == []
    assert f"does not list report.html and {len(unlisted(copy)) - 1} more" in result.text()
    with without_figures():
        assert call(["report", str(copy), "--quiet"]) == 0
    assert all(name.startswith("figures/") for name in unlisted(copy))


@pytest.mark.parametrize("folder", ["images", "found", "path"])
def test_a_lost_or_broken_picture_of_a_forged_run_is_named(copy, folder):
    file = sorted((copy / folder).glob("*.png"))[0]
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(whole[: len(whole) // 2])
    assert any(file.stem in text for text in disagreements(copy, sources=None))
    file.unlink()
    assert any(file.stem in text for text in disagreements(copy, sources=None))


@pytest.mark.parametrize(
    "paint",
    [
        lambda p: 255 - p,
        lambda p: p[:-2],
        lambda p: torch.from_numpy(p.copy()).index_fill(0, torch.tensor([0]), 7).numpy(),
    ],
    ids=["inverted", "shorter", "one row"],
)
def test_the_picture_that_people_are_shown_is_compared(copy, paint):
    name = Run(copy).pair_rows(started=True)[0]["pair_id"]
    painted = Image.fromarray(paint(Run(copy).found(name)))
    (copy / "found" / f"{name}.png").unlink()
    painted.save(copy / "found" / f"{name}.png")
    assert disagreements(copy, sources=None) == [
        f"pair {name}: found/{name}.png is not the exact found image in 8 bits"
    ]


def with_gamma(file):
    """The same pixels, which browsers show much darker."""
    chunk, whole = b"gAMA" + (500_000).to_bytes(4), file.read_bytes()
    part = (4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
    return whole[:33] + part + whole[33:]


def saved_as(mode, **more):
    def saved(file):
        out = io.BytesIO()
        image = Image.open(file).convert(mode)
        if mode == "RGBA":
            image.putalpha(0)
        image.save(out, "PNG", **more)
        return out.getvalue()

    return saved


@pytest.mark.parametrize("folder", ["found", "images", "path"])
@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        (with_gamma, "gAMA"),
        (saved_as("RGBA"), "another kind"),
        (saved_as("RGB", save_all=True, append_images=[Image.new("RGB", (12, 12))]), "acTL"),
        (lambda file: file.read_bytes() + b"more", "bytes behind its end"),
    ],
    ids=["gamma", "transparency", "frames", "bytes"],
)
def test_what_changes_a_picture_but_not_its_pixels_is_named(copy, folder, hidden, said):
    source = drawn_source(copy)
    pair = Run(copy).pairs_from(source)[0]
    name = {"images": source}.get(folder, pair["pair_id"])
    file = copy / folder / f"{name}.png"
    content = hidden(file)
    file.unlink()
    file.write_bytes(content)
    found = disagreements(copy)
    assert any(f"{folder}/{name}.png holds more than pixels" in text for text in found), found
    assert said in " ".join(found)


@pytest.mark.parametrize("folder", ["found", "images", "path"])
def test_a_picture_of_no_pair_is_named(copy, folder):
    Image.new("RGB", (12, 12)).save(copy / folder / "another-one.png")
    assert disagreements(copy) == [f"{folder}/ has a file of another-one, which no pair names"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda text: text.rstrip()[:-1] + ', "plan": {}}', "plan stands there twice"),
        (lambda text: text.replace(MODELS, f"{MODELS}{models_of(text)},", 1), "names"),
    ],
    ids=["member", "model"],
)
def test_what_run_json_says_twice_is_noticed(copy, changed, said):
    text = (copy / INFO_FILE).read_text()
    (copy / INFO_FILE).unlink()
    (copy / INFO_FILE).write_text(changed(text))
    assert said in " ".join(disagreements(copy))


def models_of(text):
    return json.dumps(json.loads(text)["models"])[1:-1]


def test_sources_that_are_left_out_everywhere_are_noticed(copy):
    chosen = sorted({row["source_id"] for row in Run(copy).pair_rows()})[:2]
    for table in TABLES:
        rewrite(copy, table, lambda rows: [row for row in rows if row["source_id"] not in chosen])
    lines = " ".join(disagreements(copy))
    assert all(f"{name} is a source" in lines for name in chosen)
    assert "counts 18" in lines


def test_pixels_are_compared_with_the_images_themselves(copy, tiny_images):
    trust = Trust(run_code=True)

    def told_with(images):
        quiet = Reporter(quiet=True)
        return verify_run(copy, "cpu", None, None, quiet, trust, 1, images).problems

    assert told_with(tiny_images) == []
    (model,), name = Run(copy).models, drawn_source(copy)
    pixels = Run(copy).image(name, model.name).copy()
    pixels[3, 3, 1] ^= 1
    (copy / "images" / f"{name}.png").unlink()
    Image.fromarray(pixels).save(copy / "images" / f"{name}.png")
    write_manifest(copy)
    assert told_with(None) == []
    assert told_with(tiny_images) == [f"images/{name}.png is not what the model sees of that image"]
    (line, *_) = told_with("sample:shapes?n=3")
    assert "no image of sample:shapes" in line


def test_an_image_under_another_name_is_noticed(copy):
    name = Run(copy).pair_rows()[0]["source_id"]
    for table, (schema, _) in ALL_TABLES.items():
        ids = [one for one in schema.names if one.endswith("_id") or one.startswith("target_")]
        rewrite(
            copy,
            table,
            lambda rows, ids=ids: [
                {k: f"x{v}" if k in ids and v == name else v for k, v in row.items()}
                for row in rows
            ],
        )
    (copy / "images" / f"{name}.png").rename(copy / "images" / f"x{name}.png")
    assert "pair_id is not the hash" in " ".join(disagreements(copy))


# Every method, score, --keep and backend; with two thread counts each is two honest runs.
HONEST = {
    "paper": ("--method", "paper", "--set", "max_steps=8", "--sources", "9"),
    "reference": ("--keep", "found", "--sources", "6"),
    "adaptive": ("--method", "adaptive", "--set", "max_steps=8", "--score", "margin"),
    "star": ("--method", "star", "--set", "max_steps=6", "--keep", "path"),
    "fan": ("--method", "fan", "--set", "max_steps=4", "--keep", "path", *FEW),
    "group": ("--score", "group:0,1", "--sources", "3"),
    "batch": (*FEW, "--batch-size", "16", "--keep", "path"),
    "bf16": ("--precision", "bf16", "--sources", "6", "--keep", "path"),
    "seed": ("--seed", "3", "--sources", "8", "--keep", "path"),
    "workers": (*FEW, "--backend", "processes", "--workers", "2", "--keep", "path"),
}


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.faults)])
@pytest.mark.parametrize("options", HONEST.values(), ids=HONEST)
def test_an_honest_run_agrees(
    tmp_path, tiny_images, monkeypatch, rows_alone, options, threads, with_threads
):
    """Computed by so many threads, and verified by the other number of them."""
    monkeypatch.setattr(process_pool, "ProcessWorkerPool", ThreadCrew)
    options = options if "--sources" in options else (*options, "--sources", "6")
    with_threads(threads)
    assert run(tiny_images, tmp_path / "run", *options) == 0
    with_threads(3 - threads)
    result = verified(tmp_path / "run")
    assert (result.problems, result.different, result.listed) == ([], [], True)
    assert result.rows


@pytest.fixture
def with_threads():
    usual = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(usual)


def test_an_honest_run_of_embeddings_and_of_given_pairs_agrees(tmp_path, tiny_images, no_figures):
    adaptive = ("--method", "adaptive", "--set", "max_steps=4", "--sources", "6")
    embeds = run(
        tiny_images,
        tmp_path / "one",
        *adaptive,
        "--score",
        "embedding",
        models=(spec("embedding"),),
    )
    (tmp_path / "pairs.csv").write_text(
        "source,target\nred-0,blue-1\nred-0,green-1\nblue-1,red-2\n"
    )
    pairs = run(
        tiny_images,
        tmp_path / "two",
        "--pairs",
        str(tmp_path / "pairs.csv"),
        models=(MODEL, SMOOTH),
    )
    assert (embeds, pairs) == (0, 0)
    for name in ("one", "two"):
        assert disagreements(tmp_path / name, sources=None) == []


def test_resuming_and_merging_write_the_manifest_again(tmp_path, tiny_images, no_figures):
    for number in (1, 2):
        out = tmp_path / f"shard-{number}"
        assert run(tiny_images, out, "--shard", f"{number}/2", "--sources", "6") == 0
        assert list(check_manifest(out)) == []
        assert disagreements(out, sources=None) == []
    shards = [str(tmp_path / f"shard-{number}") for number in (1, 2)]
    for _ in range(2):
        assert call(["merge", *shards, "--out", str(tmp_path / "whole"), "--quiet"]) == 0
        assert list(check_manifest(tmp_path / "whole")) == []
    assert disagreements(tmp_path / "whole") == []
    (tmp_path / "shard-1" / MANIFEST).write_text("")
    assert run(tiny_images, tmp_path / "shard-1", "--shard", "1/2", "--sources", "6") == 0
    assert list(check_manifest(tmp_path / "shard-1")) == []


def test_numbers_of_any_kind_never_end_in_a_traceback(copy):
    values = [math.nan, math.inf, -1.0, 1e300]
    for value in values:
        rewrite(copy, "pairs", lambda rows, value=value: rows[1].update(p_source=value, rmse=value))
        assert told(copy)
