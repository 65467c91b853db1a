"""What a page holds inside itself: its scripts and styles, its data, its pictures."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
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
            block=json_block(data.as_json()),
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


def json_block(data: dict[str, Any]) -> Markup:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    unsafe = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028"}
    return Markup(text.translate(str.maketrans(unsafe)))


BUDGET = 11_500_000
RESIDUAL_GAIN = 4
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
    """A pair's own pictures as data URIs, and what was measured on its exact snapshots.

    `strip`: the snapshots side by side. `residual`: found − target, `RESIDUAL_GAIN` times, about
    grey. `path_source_rmse`, `path_target_rmse`: of each snapshot. None or empty: not kept.
    """

    found: str | None = None
    strip: str | None = None
    residual: str | None = None
    path_source_rmse: list[float] = field(default_factory=list)
    path_target_rmse: list[float] = field(default_factory=list)


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
        found = self.run.found(row["pair_id"])
        frames = self.run.frames(row["pair_id"], len(row["path_step"] or ()))
        source, target = (self._image(row, which) for which in ("source_id", "target_id"))
        return PairPictures(
            found=self._uri(found),
            strip=self._strip(frames),
            residual=self._residual(found, target),
            path_source_rmse=_distances(frames, source),
            path_target_rmse=_distances(frames, target),
        )

    def _image(self, row: Row, which: str) -> Pixels | None:
        return self.run.image(row[which], row["model"]) if row[which] else None

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

    def _residual(self, found: Pixels | None, target: Pixels | None) -> str | None:
        if found is None or target is None or found.shape != target.shape:
            return None
        signed = RESIDUAL_GAIN * (found.astype(np.int16) - target) + _GREY
        return self._uri(signed.clip(0, 255).astype(np.uint8))


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
    singles = [len(uri or "") for one in own for uri in (one.found, one.strip, one.residual)]
    shared = [len(uri) for uri in few.images().values()]
    apiece = sum(shared) / len(shared) if shared else 0
    return sum(singles) / max(len(rows), 1) * len(pictures.rows) + apiece * len(pictures.files())


def data_uri(pixels: Pixels, quality: int | None = None) -> str:
    """A WebP data URI of this quality of 100; without one nothing is lost."""
    lossless, out = quality is None, io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=lossless, quality=quality or 80, method=2)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def scaled(pixels: Pixels, edge: int) -> Pixels:
    """The picture shrunk so that no side is longer than `edge`; smaller ones stay as they are."""
    height, width = pixels.shape[:2]
    ratio = edge / max(height, width)
    if ratio >= 1:
        return pixels
    size = (round(width * ratio), round(height * ratio))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def rmse(a: Pixels, b: Pixels) -> float | None:
    """Root mean square difference of two 8-bit pictures, in [0, 1]; None where sizes differ."""
    if a.shape != b.shape:
        return None
    gap = a.astype(np.float32) - b
    return float(np.sqrt(np.square(gap).mean()) / 255)


def _distances(frames: Sequence[Pixels], other: Pixels | None) -> list[float]:
    known = [] if other is None else [rmse(frame, other) for frame in frames]
    return [] if None in known else [round(value, 5) for value in known if value is not None]
