"""What a page holds inside itself: its scripts and styles, its data, its pictures."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from blindspots.store.reader import Pixels, Row, Run

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function (\w+)|const (\w+)|class (\w+))", re.MULTILINE)
_STYLES = ("base", "report", "views")
_TIGHT = (",", ":")


def page_files(*own: Traversable) -> dict[str, Traversable]:
    """Every file that a page may be made of, by name: those of its own folders, and the shared."""
    folders = (files("blindspots.reporting") / "web", *own)
    found = (file for folder in folders for file in folder.iterdir())
    return {file.name: file for file in found if file_type(file.name)}


def file_type(name: str) -> str | None:
    return TYPES.get(name[name.rfind(".") :])


def bundle(entry: str, read: Callable[[str], str]) -> str:
    """The module `entry` and all it imports, each in a scope of its own, in one strict script.

    `read`: the text of a module by its name. Imports and exports are by name and at the top level,
    one declaration an export.
    """
    order: list[str] = []
    _visit(entry, read, order, ())
    return '"use strict";\n' + "\n".join(_scope(name, read(name)) for name in order)


def _visit(name: str, read: Callable[[str], str], order: list[str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"modules import each other: {' → '.join((*above, name))}")
    if name in order:
        return
    for imported in _IMPORT.finditer(read(name)):
        _visit(imported[2], read, order, (*above, name))
    order.append(name)


def _scope(name: str, text: str) -> str:
    exported = ", ".join(next(filter(None, found.groups())) for found in _EXPORT.finditer(text))
    body = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = {_variable(found[2])};\n", text)
    body = _EXPORT.sub("", body).strip()
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();"


def _variable(module: str) -> str:
    return f"module_{module.replace('-', '_')}"


def fill(
    name: str,
    data: Any,
    folders: Sequence[Traversable] = (),
    styles: Sequence[str] = (),
    **context: Any,
) -> str:
    """The page of a template with the views of this data, a `views.ReportData`.

    `folders`: where the template, its parts and `styles` lie beside the report's own; `context`:
    what else the template shows.
    """
    own = page_reader(tuple(folders))
    script = bundle("start", lambda module: own(f"{module}.js"))
    return (
        environment(own)
        .get_template(name)
        .render(
            data=data,
            block=json_block(data),
            style=Markup("".join(own(f"{style}.css") for style in (*_STYLES, *styles))),
            script=Markup(script),
            script_hash=script_hash(script),
            **context,
        )
    )


@cache
def page_reader(folders: tuple[Traversable, ...]) -> Callable[[str], str]:
    found = page_files(files("blindspots.reporting.page"), *folders)
    return lambda name: found[name].read_text("utf-8")


@cache
def environment(read: Callable[[str], str]) -> Environment:
    return Environment(
        loader=FunctionLoader(read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def script_hash(script: str) -> str:
    # The page allows this one script and no other, so a hostile class name can never run.
    digest = hashlib.sha256(f"\n{script}\n".encode()).digest()
    return base64.b64encode(digest).decode("ascii")


def json_block(data: Any) -> Markup:
    """Data of JSON's types and of dataclasses, none of whose long lists is copied."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=_TIGHT, default=vars)
    unsafe = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028"}
    return Markup(text.translate(str.maketrans(unsafe)))


BUDGET = 11_500_000
# Each difference has its own gain: the found image is near to its target and far from its source.
GAINS = {"target": 16, "source": 1}
LARGEST = 512
_SMALL = 96
_GREY = 128
_PROBES = 6


@dataclass(frozen=True)
class Sizes:
    """The longest side of a single picture and of a path's snapshot in the file, in pixels.

    `quality`: of what is compressed, of 100. Single pictures that are small are kept exactly.
    """

    picture: int
    frame: int
    quality: int


SIZES = (
    Sizes(224, 160, 92),
    Sizes(160, 112, 86),
    Sizes(128, 88, 82),
    Sizes(104, 72, 78),
    Sizes(80, 56, 72),
)


@dataclass(frozen=True)
class PairPictures:
    """A pair's own pictures as data URIs; None: not kept.

    `strip`: the snapshots side by side, where the way is no segment. `to_target`, `to_source`: the
    absolute differences of the exact images, each times its own of `GAINS`.
    """

    found: str | None = None
    strip: str | None = None
    to_target: str | None = None
    to_source: str | None = None


@dataclass(frozen=True)
class Pictures:
    run: Run
    rows: Sequence[Row]
    sizes: Sizes

    def images(self) -> dict[str, str]:
        """Sources and targets: the name of the stored file to data URI.

        Models that saw the very same file share its entry.
        """
        uris = {stem: self._uri(self.run.image(*key)) for stem, key in self.files().items()}
        return {stem: uri for stem, uri in uris.items() if uri is not None}

    def files(self) -> dict[str, tuple[str, str]]:
        keys = {
            (name, row["model"])
            for row in self.rows
            for name in (row["source_id"], row["target_id"])
            if name
        }
        return {self.run.image_path(*key).stem: key for key in sorted(keys)}

    def of_pair(self, row: Row) -> PairPictures:
        found, steps = self.run.found(row["pair_id"]), len(row["path_step"] or ())
        frames = [] if self.run.straight else self.run.frames(row["pair_id"], steps)
        exact = None if found is None else exact_found(self.run, row["pair_id"])
        return PairPictures(
            found=self._uri(found),
            strip=self._strip(frames),
            to_target=self._gap(row, "target", exact),
            to_source=self._gap(row, "source", exact),
        )

    def _gap(self, row: Row, which: str, found: np.ndarray | None) -> str | None:
        end = self.run.image(row[f"{which}_id"], row["model"]) if row[f"{which}_id"] else None
        if found is None or end is None or found.shape != end.shape:
            return None
        return self._uri(eight_bits(GAINS[which] * np.abs(found - end)))

    def _uri(self, pixels: Pixels | None) -> str | None:
        if pixels is None:
            return None
        quality = None if max(pixels.shape[:2]) <= _SMALL else self.sizes.quality
        return data_uri(scaled(pixels, self.sizes.picture), quality)

    def _strip(self, frames: Sequence[Pixels]) -> str | None:
        if not frames:
            return None
        strip = np.concatenate([scaled(frame, self.sizes.frame) for frame in frames], 1)
        return data_uri(strip, self.sizes.quality)


def exact_found(run: Run, pair_id: str) -> np.ndarray | None:
    """The found image in levels of 0 to 255, (height, width, 3); rounded where no exact one is."""
    exact = run.exact(pair_id)
    if exact is None:
        rounded = run.found(pair_id)
        return None if rounded is None else rounded.astype(np.float32)
    return 255 * exact.transpose(1, 2, 0)


def eight_bits(levels: np.ndarray) -> Pixels:
    return levels.round().clip(0, 255).astype(np.uint8)


def signed(change: np.ndarray, gain: float) -> str:
    return data_uri(scaled(eight_bits(gain * change + _GREY), LARGEST))


def exact_pictures(run: Run, row: Row) -> dict[str, str]:
    images = {which: run.image(row[f"{which}_id"], row["model"]) for which in ("source", "target")}
    kept = {**images, "found": run.found(row["pair_id"])}
    return {which: data_uri(scaled(one, LARGEST)) for which, one in kept.items() if one is not None}


def fitting(run: Run, rows: Sequence[Row]) -> Pictures:
    """The pictures at the largest size at which all of them stay within `BUDGET` characters."""
    return fitting_together([(run, rows)])[0]


def fitting_together(shown: Sequence[tuple[Run, Sequence[Row]]]) -> list[Pictures]:
    sizes = ([Pictures(*both, size) for both in shown] for size in SIZES[:-1])
    fits = (one for one in sizes if sum(map(expected_length, one)) <= BUDGET)
    return next(fits, [Pictures(*both, SIZES[-1]) for both in shown])


def expected_length(pictures: Pictures) -> float:
    rows = pictures.rows[:: max(1, len(pictures.rows) // _PROBES)]
    few = replace(pictures, rows=rows)
    own = [pictures.of_pair(row) for row in rows]
    singles = [len(uri or "") for one in own for uri in vars(one).values()]
    shared = [len(uri) for uri in few.images().values()]
    apiece = sum(shared) / len(shared) if shared else 0
    return sum(singles) / max(len(rows), 1) * len(pictures.rows) + apiece * len(pictures.files())


def data_uri(pixels: Pixels, quality: int | None = None) -> str:
    """A WebP data URI of this quality of 100; without one nothing is lost."""
    lossless, out = quality is None, io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=lossless, quality=quality or 80, method=2)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def scaled(pixels: Pixels, edge: int) -> Pixels:
    height, width = pixels.shape[:2]
    ratio = edge / max(height, width)
    if ratio >= 1:
        return pixels
    size = (round(width * ratio), round(height * ratio))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def rmse(a: Pixels, b: Pixels) -> float | None:
    if a.shape != b.shape:
        return None
    gap = a.astype(np.float32) - b
    return float(np.sqrt(np.square(gap).mean()) / 255)
