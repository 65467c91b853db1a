"""`files:a.jpg,b.png`: image files named one by one; they have no classes.

A comma inside a name is written `%2C`, a question mark `%3F`, and `%` itself `%25`.
"""

from functools import partial
from pathlib import Path
from urllib.parse import unquote

from blindspots.errors import UsageError
from blindspots.images.collect import Entry, collect
from blindspots.images.listing import Listing
from blindspots.images.sources.folder import read_file
from blindspots.images.sources.source_options import missing_file, said_options
from blindspots.progress import Reporter
from blindspots.specs import Spec

_EXAMPLE = "type files:a.jpg,b.png, or files:@LIST with a path a line"


def list_files(spec: Spec, reporter: Reporter) -> Listing:
    """The named files, in the order given; `files:@LIST` reads the names from a file, one per line.

    Refused: a name without a file (a damaged file is skipped as everywhere), and no name at all.
    """
    said_options(spec, {})
    names = _names(spec)
    entries = [_entry(spec, name) for name in names]
    return collect(str(spec), entries, len(entries), reporter, expected=_EXAMPLE)


def _names(spec: Spec) -> list[str]:
    if not spec.name.startswith("@"):
        return [unquote(name) for name in spec.name.split(",") if name]
    path = Path(spec.name[1:]).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{spec}: the list {path} cannot be read ({error}); {_EXAMPLE}") from error
    return [line.strip() for line in lines if line.strip()]


def _entry(spec: Spec, name: str) -> Entry:
    path = Path(name).expanduser()
    if path.is_dir() or not path.exists():
        raise missing_file(spec, path)
    return Entry(path.as_posix(), None, partial(read_file, path.absolute()))
