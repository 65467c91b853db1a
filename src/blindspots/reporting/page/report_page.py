"""The report of a run as a file of its directory."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from blindspots.reporting.page.report_data import report_data
from blindspots.reporting.page.views import ReportData
from blindspots.reporting.tables import Kind, Table
from blindspots.store.atomic import write_text
from blindspots.store.paths import Place
from blindspots.store.reader import Run

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
    """The media type of a page's file with this name; None where it is no such file."""
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
    for imported in _imported(read(name)):
        _visit(imported, read, order, (*above, name))
    order.append(name)


def _imported(text: str) -> Iterator[str]:
    return (found[2] for found in _IMPORT.finditer(text))


def _scope(name: str, text: str) -> str:
    exported = ", ".join(next(filter(None, found.groups())) for found in _EXPORT.finditer(text))
    body = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = {_variable(found[2])};\n", text)
    body = _EXPORT.sub("", body).strip()
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();"


def _variable(module: str) -> str:
    return f"module_{module.replace('-', '_')}"


def fill(
    name: str,
    data: ReportData,
    folders: Sequence[Traversable] = (),
    styles: Sequence[str] = (),
    **context: Any,
) -> str:
    """The page of a template with the views of this data.

    `folders`: where the template, its parts and `styles` lie beside the report's own; `context`:
    what else the template shows.
    """
    own = _own(tuple(folders))
    script = bundle("start", lambda module: own(f"{module}.js"))
    return (
        _environment(own)
        .get_template(name)
        .render(
            data=data,
            block=_json_block(data.as_json()),
            style=Markup("".join(own(f"{style}.css") for style in (*_STYLES, *styles))),
            script=Markup(script),
            script_hash=_hash(script),
            **context,
        )
    )


@cache
def _own(folders: tuple[Traversable, ...]) -> Callable[[str], str]:
    found = page_files(files("blindspots.reporting.page"), *folders)
    return lambda name: found[name].read_text("utf-8")


@cache
def _environment(read: Callable[[str], str]) -> Environment:
    return Environment(
        loader=FunctionLoader(read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _hash(script: str) -> str:
    # The page allows this one script and no other, so a hostile class name can never run.
    digest = hashlib.sha256(f"\n{script}\n".encode()).digest()
    return base64.b64encode(digest).decode("ascii")


def _json_block(data: dict[str, Any]) -> Markup:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    unsafe = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028"}
    return Markup(text.translate(str.maketrans(unsafe)))


def write_report(run: Run, tables: Mapping[Kind, Table] | None = None) -> Place:
    """`report.html` in the run's directory: self-contained, opens from disk; returns its path.

    `tables`: the run's, where they are built already.
    """
    return write_text(run.path / "report.html", page_html(report_data(run, tables)))


def report_html(run: Run) -> str:
    """The report of a run as one HTML text; no address in it leads out of the run directory."""
    return page_html(report_data(run))


def page_html(data: ReportData) -> str:
    """The page of this data; it reads nothing else."""
    return fill("report.html", data)
