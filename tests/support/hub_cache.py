"""The hub's cache as its library lays it: blobs, snapshots that link to them, and refs."""

import hashlib
import os
import sys
from pathlib import Path

REVISION = "0123456789abcdef0123456789abcdef01234567"
_PROGRAM = """
from blindspots.cli import main
from blindspots.reporting import publish

publish.write_figures = lambda *_: []
main()
"""
_PLACES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_DATASETS_CACHE", "HF_MODULES_CACHE")


def lay(cache, repository, directory, kind="models"):
    """Put the files of a directory into the cache as the repository ORG/NAME; its snapshot."""
    root = cache / f"{kind}--{repository.replace('/', '--')}"
    snapshot = root / "snapshots" / REVISION
    for folder in (root / "blobs", root / "refs", snapshot):
        folder.mkdir(parents=True)
    (root / "refs" / "main").write_text(REVISION)
    for file in sorted(path for path in directory.rglob("*") if path.is_file()):
        content = file.read_bytes()
        blob = root / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        link = snapshot / file.relative_to(directory)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def offline(home):
    """The environment of a program whose home of the hub is `home`, with the hub switched off."""
    environment = {key: value for key, value in os.environ.items() if key not in _PLACES}
    return {**environment, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def blindspots(*words):
    """The command line in a program of its own, without figures, which take longest."""
    root = Path(__file__).parents[2]
    return [sys.executable, "-c", _PROGRAM, *map(str, words)], root
