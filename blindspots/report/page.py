"""The page itself: the template filled in from the data, scripts and styles inlined, one file."""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from blindspots.files import write_text
from blindspots.places import Place
from blindspots.report.build import report_data
from blindspots.report.data import ReportData
from blindspots.report.scripts import bundle
from blindspots.run_reader import Run
from blindspots.tables import Kind, Table
from blindspots.web import page_files


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
    script = bundle("start", lambda name: _text(f"{name}.js"))
    return _template().render(
        data=data,
        block=_json_block(data.as_json()),
        style=Markup("".join(_text(f"{name}.css") for name in ("base", "report", "views"))),
        script=Markup(script),
        script_hash=_hash(script),
    )


def _text(name: str) -> str:
    return _files()[name].read_text("utf-8")


@cache
def _files() -> dict[str, Traversable]:
    return page_files(files("blindspots.report"))


def _hash(script: str) -> str:
    # The page allows this one script and no other, so a hostile class name can never run.
    digest = hashlib.sha256(f"\n{script}\n".encode()).digest()
    return base64.b64encode(digest).decode("ascii")


def _json_block(data: dict[str, Any]) -> Markup:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    unsafe = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028"}
    return Markup(text.translate(str.maketrans(unsafe)))


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.lstrip_blocks = True
    return environment.from_string(_text("report.html"))
