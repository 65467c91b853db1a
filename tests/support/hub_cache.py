"""The hub's cache as its library lays it: blobs, snapshots that link to them, and refs."""

import hashlib
import os

REVISION = "0123456789abcdef0123456789abcdef01234567"


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
