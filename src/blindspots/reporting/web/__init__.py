"""The modules and styles of more than one page, and how a page's files are found by name."""

from importlib.resources import files
from importlib.resources.abc import Traversable

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page_files(*own: Traversable) -> dict[str, Traversable]:
    """Every file that a page may be made of, by name: those of its own folders, and the shared."""
    folders = (files("blindspots.reporting.web"), *own)
    found = (file for folder in folders for file in folder.iterdir())
    return {file.name: file for file in found if file_type(file.name)}


def file_type(name: str) -> str | None:
    """The media type of a page's file with this name; None where it is no such file."""
    return TYPES.get(name[name.rfind(".") :])
