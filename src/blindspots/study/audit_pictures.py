"""Whether a run's pictures are those of its pairs, and nothing but their pixels. No torch here.

A PNG may hold more than what is compared: transparency, a gamma, further frames or an orientation
change what a browser shows, while the pixels that are read stay the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from blindspots.errors import UsageError
from blindspots.images.decode import beside_pixels
from blindspots.store.archives import PICTURES, Archives, Damaged, named_stems, naming_columns
from blindspots.store.reader import Pixels, Row, Run, read_rows


@dataclass(frozen=True)
class PictureAudit:
    run: Run

    @cached_property
    def _folders(self) -> dict[str, Archives]:
        return {folder: Archives(self.run.path / folder) for folder in PICTURES}

    def foreign(self) -> Iterator[str]:
        """Pictures that belong to no pair of the run."""
        for folder, archives in self._folders.items():
            stems = archives.stems(".png") | archives.stems(".safetensors")
            named = named_stems(stems, read_rows(self.run.path, "pairs", naming_columns(folder)))
            for stem in sorted(stems - named):
                yield f"{folder}/ has a file of {stem}, which no pair names"

    def different(self, row: Row, found: Pixels) -> Iterator[str]:
        """Where the pictures that people are shown are not of the exact found image, in 8 bits."""
        name = row["pair_id"]
        try:
            shown, path = self.run.found(name), self.path(row)
        except (UsageError, OSError) as error:
            yield f"pair {name}: {' '.join(str(error).split())}"
            return
        if shown is None or not np.array_equal(shown, found):
            yield f"pair {name}: found/{name}.png is not the exact found image in 8 bits"
        if path is not None and not (path and np.array_equal(path[-1], found)):
            yield f"pair {name}: path/{name}.png does not end with the found image"

    def path(self, row: Row) -> list[Any] | None:
        """The stored snapshots of a pair; None where there were none, empty where they are lost."""
        if row["path_step"] is None:
            return None
        return self.run.frames(row["pair_id"], len(row["path_step"]))

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
