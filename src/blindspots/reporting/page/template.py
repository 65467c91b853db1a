"""Pages filled in from templates: data, scripts and styles inlined, one file each."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from blindspots.reporting.page.bundle import bundle
from blindspots.reporting.page.entry_types import ReportData
from blindspots.reporting.web import page_files

_STYLES = ("base", "report", "views")


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
