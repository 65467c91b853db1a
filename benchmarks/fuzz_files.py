"""Files of every format that comes from outside, and who reads them; for `benchmarks.fuzz`.

A reader makes something of a file, or refuses it in a sentence: anything else that it raises is a
failure. What failed once lies in `tests/corpus/`, by its format.
"""

import csv
import io
import json
import pickle
import random
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.torch import save as save_tensors
from torch import nn

from blindspots.errors import BlindspotsError
from blindspots.images import load_images, read_class_table
from blindspots.images.decode import SUFFIXES, Unreadable, decode, examine
from blindspots.models.weights import load_weights
from blindspots.study.targets import read_pairs

Reader = Callable[[Path], object]
REFUSED = (BlindspotsError, Unreadable)
# What parsers stumble over, put in whole besides single bytes.
PIECES = (b"\x00", b"\xff" * 4, b"\xef\xbb\xbf", b"9" * 5000, b"[" * 2000, b'"', b"\n", b",", b"\\")


@dataclass(frozen=True)
class FileFormat:
    """Clean files by the name that a copy gets, and what reads one."""

    clean: Callable[[], dict[str, bytes]]
    read: Reader


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a few of them changed, lost, doubled, or others put between."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        place, length = rng.randrange(len(changed) + 1), rng.choice((1, 1, 4, 64))
        match rng.randrange(6):
            case 0:
                changed[place : place + 1] = rng.randbytes(1)
            case 1:
                del changed[place : place + length]
            case 2:
                changed[place:place] = changed[place : place + length]
            case 3:
                changed[place:place] = rng.choice(PIECES)
            case 4 if place < len(changed):
                changed[place] ^= 1 << rng.randrange(8)
            case _ if rng.random() < 0.1:
                del changed[place:]
    return bytes(changed)


def fuzz_file(kind: FileFormat, folder: Path, seeds: range) -> Iterator[tuple[int, str, str]]:
    """The seeds whose file was not taken as it should be: seed, file, reason."""
    clean = sorted(kind.clean().items())
    for seed in seeds:
        rng = random.Random(seed)
        name, data = rng.choice(clean)
        path = folder / name
        path.write_bytes(mutated(data, rng))
        if reason := failure(kind.read, path):
            yield seed, name, reason


def failure(read: Reader, path: Path) -> str:
    """Why a file was not taken as it should be; empty where it was."""
    try:
        read(path)
    except REFUSED as error:
        said = str(error)
        return "" if "\n" not in said and len(said) < 2000 else f"no sentence: {said[:200]!r}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def _encoded() -> dict[str, bytes]:
    kinds = {
        **{"a.jpg": "JPEG", "a.png": "PNG", "a.gif": "GIF", "a.bmp": "BMP", "a.tif": "TIFF"},
        **{"a.webp": "WEBP", "a.ppm": "PPM", "a.avif": "AVIF", "a.jp2": "JPEG2000", "a.tga": "TGA"},
    }
    image, made = Image.effect_noise((9, 7), 50).convert("RGB"), {}
    for name, kind in kinds.items():
        out = io.BytesIO()
        with suppress(KeyError, OSError):
            image.save(out, kind)
            made[name] = out.getvalue()
    for mode in ("P", "LA", "I;16", "1"):
        out = io.BytesIO()
        image.convert("L" if mode == "I;16" else mode).convert(mode).save(out, "PNG")
        made[f"a-{mode[0]}.png"] = out.getvalue()
    assert {Path(name).suffix for name in made} <= set(SUFFIXES)
    return made


def _read_image(path: Path) -> None:
    data = path.read_bytes()
    for reader in (examine, decode):
        with suppress(Unreadable):
            reader(data)


def _network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def _weights() -> dict[str, bytes]:
    state = _network().state_dict()
    zipped, old = io.BytesIO(), io.BytesIO()
    torch.save({"state_dict": state}, zipped)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    return {
        "w.safetensors": save_tensors(state),
        "zip.pth": zipped.getvalue(),
        "old.pth": old.getvalue(),
        "raw.pth": pickle.dumps({"model": {"0.weight": [1.0] * 6}}),
    }


def _tables() -> dict[str, bytes]:
    text = io.StringIO()
    csv.writer(text).writerows([("source", "target"), ("a.png", 'b "x", y.png'), ("c", "d")])
    return {"pairs.csv": text.getvalue().encode()}


def _classes() -> dict[str, bytes]:
    pairs = [["n01", "tench"], ["n02", "goldfish"]]
    lists = {"pairs.json": pairs, "names.json": ["a", "b"], "index.json": {"a": 0, "b": 1}}
    return {
        **{name: json.dumps(value).encode() for name, value in lists.items()},
        "names.txt": "tench\nkäse\n".encode(),
        "python.txt": b"{0: 'tench', 1: 'goldfish'}",
        "synsets.txt": b"n01440764 tench, Tinca tinca\nn01443537 goldfish\n",
    }


def _parquet() -> dict[str, bytes]:
    out, image = io.BytesIO(), _picture()
    rows = [{"bytes": image, "path": f"{number}.png"} for number in range(3)]
    pq.write_table(pa.table({"image": rows, "label": [0, 1, 1]}), out)
    return {"a.parquet": out.getvalue()}


def _tar() -> dict[str, bytes]:
    out, members = io.BytesIO(), {"0.png": _picture(), "0.cls": b"1", "1.jpg": b"x"}
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return {"a.tar": out.getvalue()}


def _metadata() -> dict[str, bytes]:
    return {"metadata.csv": b'file_name,label\na.png,"cat, grey"\nb.png,dog\n'}


def _read_metadata(path: Path) -> None:
    for picture in (path.with_name(name) for name in ("a.png", "b.png")):
        if not picture.exists():
            picture.write_bytes(_picture())
    load_images(f"folder:{path.parent}")


@cache
def _picture() -> bytes:
    return _encoded()["a.png"]


FILES = {
    "image": FileFormat(_encoded, _read_image),
    "weights": FileFormat(_weights, lambda path: load_weights(_network(), path, "tiny")),
    "csv": FileFormat(_tables, read_pairs),
    "metadata": FileFormat(_metadata, _read_metadata),
    "json": FileFormat(_classes, read_class_table),
    "parquet": FileFormat(_parquet, lambda path: load_images(f"parquet:{path}")),
    "tar": FileFormat(_tar, lambda path: load_images(f"webdataset:{path}")),
}
