"""Whether a run's pictures are those of its pairs, and nothing but their pixels. No torch here.

A PNG may hold more than what is compared: transparency, a gamma, further frames or an orientation
change what a browser shows, while the pixels that are read stay the same.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from blindspots.store.archives import PICTURES, Archives, Damaged
from blindspots.store.reader import Row, Run, read_rows

_SIGNATURE, _PLAIN = b"\x89PNG\r\n\x1a\n", (b"IHDR", b"IDAT", b"IEND")
# Eight bits each of red, green and blue, where a header tells depth and kind.
_RGB, _PLACE = b"\x08\x02", slice(24, 26)
# What the copies of an image end with for a model that sees it otherwise.
_SUFFIX = re.compile(r"-[0-9]+$")


@dataclass(frozen=True)
class PictureAudit:
    run: Run

    @cached_property
    def _folders(self) -> dict[str, Archives]:
        return {folder: Archives(self.run.path / folder) for folder in PICTURES}

    def foreign(self) -> Iterator[str]:
        """Pictures that belong to no pair of the run."""
        names = ("pair_id", "source_id", "target_id")
        rows = read_rows(self.run.path, "pairs", names)
        pairs, *ends = (set(rows[name].to_pylist()) for name in names)
        images = set().union(*ends)
        for folder, archives in self._folders.items():
            for stem in sorted(archives.stems(".png") | archives.stems(".safetensors")):
                own = stem in pairs if folder != "images" else self._is_image(stem, images)
                if not own:
                    yield f"{folder}/ has a file of {stem}, which no pair names"

    @staticmethod
    def _is_image(stem: str, images: set[str]) -> bool:
        return stem in images or _SUFFIX.sub("", stem) in images

    def hidden(self, row: Row, model: str) -> Iterator[str]:
        """What the pictures of a pair hold besides the pixels that are compared."""
        ends = (self.run.image_path(row[f"{end}_id"], model).name for end in ("source", "target"))
        own = f"{row['pair_id']}.png"
        for folder, name in (("found", own), ("path", own), *(("images", name) for name in ends)):
            try:
                content = self._folders[folder].read(name)
            except Damaged:  # said where it is compared
                continue
            if content is not None and (more := beside_pixels(content)):
                yield f"pair {row['pair_id']}: {folder}/{name} holds more than pixels ({more})"


def beside_pixels(content: bytes) -> str:
    """What a PNG holds that a run does not write, by name; empty where there is nothing."""
    if not content.startswith(_SIGNATURE):
        return "it is no PNG"
    found, place, name = [], len(_SIGNATURE), b""
    while place < len(content) and name != b"IEND":
        size, name = int.from_bytes(content[place : place + 4]), content[place + 4 : place + 8]
        found += [] if name in _PLAIN else [name.decode("latin-1")]
        place += 12 + size
    if content[_PLACE] != _RGB:
        found.append("another kind than 8-bit RGB")
    if place != len(content):
        found.append("bytes behind its end")
    return ", ".join(dict.fromkeys(found))
