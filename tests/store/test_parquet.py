import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blindspots.store import parquet
from blindspots.store.atomic import sweep
from blindspots.store.parquet import damage, gather, join, read_file, write_part, write_rows
from blindspots.store.writer import Store

SCHEMA = pa.schema([("model", pa.string()), ("name", pa.string()), ("value", pa.list_(pa.int64()))])
KEY = ("model", "name")


def rows(*names, model="m"):
    entries = [{"model": model, "name": name, "value": [len(name)] * 3} for name in names]
    return pa.Table.from_pylist(entries, SCHEMA)


def test_parts_are_gathered_level_by_level_and_every_row_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "GATHERED", 4)
    count = 4 * 4 + 3
    for i in range(count):
        write_part(tmp_path, "rows", 0, rows(f"{i:05d}"))
        gather(tmp_path, "rows", SCHEMA)
    names = sorted(file.name.rsplit("-", 1)[0] for file in tmp_path.iterdir())
    assert names == ["rows-0"] * 3 + ["rows-2"]
    stored = pa.concat_tables([read_file(file, SCHEMA) for file in tmp_path.iterdir()])
    assert sorted(stored["name"].to_pylist()) == [f"{i:05d}" for i in range(count)]


def test_joining_sorts_and_counts_each_key_once(tmp_path):
    files = [
        write_part(tmp_path, "rows", 0, rows("c", "a", model="n")),
        write_part(tmp_path, "rows", 0, rows("b", "a")),
        write_part(tmp_path, "rows", 1, rows("a", "d")),
    ]
    joined = read_file(join(files, SCHEMA, KEY, tmp_path / "rows.parquet"), SCHEMA)
    keys = list(zip(joined["model"].to_pylist(), joined["name"].to_pylist(), strict=True))
    assert keys == [("m", "a"), ("m", "b"), ("m", "d"), ("n", "a"), ("n", "c")]
    assert joined["value"].to_pylist() == [[1] * 3] * 5
    assert len(read_file(join([], SCHEMA, KEY, tmp_path / "none.parquet"), SCHEMA)) == 0


def test_columns_that_an_earlier_version_had_not_are_null(tmp_path):
    pq.write_table(rows("a").drop_columns(["value"]), tmp_path / "old.parquet")
    assert read_file(tmp_path / "old.parquet", SCHEMA)["value"].to_pylist() == [None]
    assert len(read_file(tmp_path / "old.parquet", SCHEMA, ["name"], model="n")) == 0


def test_every_flipped_bit_and_every_cut_of_a_part_is_noticed(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    part = write_part(folder, "rows", 0, rows("a", "b"))
    content = part.read_bytes()
    assert damage(part) is None
    for place in range(0, len(content), 7):
        part.write_bytes(content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :])
        assert damage(part)
        part.write_bytes(content[:place])
        assert damage(part)


def test_a_flipped_bit_among_the_values_of_a_whole_table_is_noticed(tmp_path):
    file = write_rows(tmp_path / "rows.parquet", rows(*map(str, range(100))))
    content = bytearray(file.read_bytes())
    column = pq.read_metadata(file).row_group(0).column(2)
    content[column.dictionary_page_offset + column.total_compressed_size - 3] ^= 1
    file.write_bytes(content)
    assert "checksum" in damage(file)
    with pytest.raises(OSError, match="damaged"):
        read_file(file, SCHEMA)


def test_damaged_files_are_set_aside_and_the_others_stay(tmp_path):
    store = Store(tmp_path)
    for name in ("a", "b"):
        store.append("pairs", [{"model": "m", "pair_id": name, "ending": "finished"}])
    assert list(store.set_aside_damaged({})) == []
    part = next(p for p in (tmp_path / "parts").iterdir() if read_pair(p) == "a")
    part.write_bytes(part.read_bytes()[:-1])
    (said,) = store.set_aside_damaged({})
    assert str(part) in said
    assert (tmp_path / "damaged" / part.name).exists()
    assert store.present("pairs") == {("m", "b")}
    digests = store.compact()
    assert list(store.set_aside_damaged(digests)) == []
    (said,) = store.set_aside_damaged({**digests, "pairs.parquet": "0" * 64})
    assert "pairs.parquet is damaged" in said
    sweep(tmp_path)
    assert store.present("pairs") == set()


def read_pair(part):
    return pq.read_table(part)["pair_id"][0].as_py()
