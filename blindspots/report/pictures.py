"""Pictures as data URIs, small enough that the report of 200 pairs stays under 15 MB."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from blindspots.run_reader import Pixels, Row, Run

MOST_PAIRS = 200
_FEW_PAIRS = 40
_EXTREMES = 10
_TELLING = ("rmse", "p_found", "segment_min")


@dataclass(frozen=True)
class Pictures:
    """The pictures of a run that are embedded, at a size that follows from their number.

    Up to 200 pairs keep theirs; of more, the extremes of distance and confidence and an even
    choice of the others.
    """

    run: Run
    rows: Sequence[Row]

    @cached_property
    def chosen(self) -> list[Row]:
        """The started pairs whose pictures are embedded, in the run's order."""
        started = [row for row in self.rows if row["rmse"] is not None]
        return started if len(started) <= MOST_PAIRS else _spread_choice(started)

    def images(self) -> dict[str, str]:
        """Sources and targets of the chosen pairs: "model index/image id" to data URI.

        Models that saw the very same file share one entry's text, so it is listed once a file.
        """
        keys = {
            (name, row["model"])
            for row in self.chosen
            for name in (row["source_id"], row["target_id"])
            if name
        }
        paths = {self.run.image_path(*key).stem: key for key in sorted(keys)}
        return _known({stem: self._uri(self.run.image(*key)) for stem, key in paths.items()})

    def found(self) -> dict[str, str]:
        """Pair id to the found image."""
        ids = (row["pair_id"] for row in self.chosen)
        return _known({pair_id: self._uri(self.run.found(pair_id)) for pair_id in ids})

    def paths(self) -> dict[str, str]:
        """Pair id to the path's snapshots, side by side in one picture."""
        return _known({row["pair_id"]: self._strip(row) for row in self.chosen})

    @property
    def few(self) -> bool:
        """Whether there are so few pairs that pictures may be large."""
        return len(self.chosen) <= _FEW_PAIRS

    def _uri(self, pixels: Pixels | None) -> str | None:
        return pixels if pixels is None else data_uri(pixels, 224 if self.few else 120)

    def _strip(self, row: Row) -> str | None:
        frames = self.run.frames(row["pair_id"], len(row["path_step"] or ()))
        edge = 160 if self.few else 88
        return data_uri(np.concatenate([scaled(f, edge) for f in frames], 1), 0) if frames else None


def data_uri(pixels: Pixels, edge: int) -> str:
    """A WebP data URI, no side longer than `edge` (0: as it is); lossless where that is small."""
    image = Image.fromarray(scaled(pixels, edge) if edge else pixels)
    small = image.height <= 96
    lossless = small and bool(edge)
    out = io.BytesIO()
    image.save(out, "WEBP", lossless=lossless, quality=92 if small else 82, method=2)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def scaled(pixels: Pixels, edge: int) -> Pixels:
    """The picture shrunk so that no side is longer than `edge`; smaller ones stay as they are."""
    height, width = pixels.shape[:2]
    ratio = edge / max(height, width)
    if ratio >= 1:
        return pixels
    size = (round(width * ratio), round(height * ratio))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _spread_choice(rows: Sequence[Row]) -> list[Row]:
    picked: dict[int, None] = {}
    for key in _TELLING:
        order = sorted(range(len(rows)), key=lambda i: (rows[i][key] is None, rows[i][key] or 0))
        picked |= dict.fromkeys([*order[:_EXTREMES], *order[-_EXTREMES:]])
    for index in np.linspace(0, len(rows) - 1, MOST_PAIRS).astype(int).tolist():
        if len(picked) < MOST_PAIRS:
            picked[index] = None
    return [rows[index] for index in sorted(picked)]


def _known(pictures: dict[str, str | None]) -> dict[str, str]:
    return {key: uri for key, uri in pictures.items() if uri is not None}
