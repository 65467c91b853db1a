"""Pictures as data URIs, small enough that the report of 200 pairs stays under 15 MB."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from PIL import Image

from blindspots.reporting.score_labels import words_of
from blindspots.reporting.selection import most_representative
from blindspots.reporting.tables.table import PAIR_NUMBERS
from blindspots.store.reader import Pixels, Row, Run, codes, finite, lowest

BUDGET = 11_500_000
RESIDUAL_GAIN = 4
_SMALL = 96
_GREY = 128
_PROBES = 6
MOST_PAIRS = 200
EXTREMES = 2
SEED = 0
_LOOKED_AT = 200


@dataclass(frozen=True)
class Sizes:
    """The longest side of a single picture and of a path's snapshot in the file, in pixels.

    `quality`: of what is compressed, of 100. Single pictures that are small are kept exactly.
    """

    picture: int
    frame: int
    quality: int


SIZES = (
    Sizes(224, 160, 92),
    Sizes(160, 112, 86),
    Sizes(128, 88, 82),
    Sizes(104, 72, 78),
    Sizes(80, 56, 72),
)


@dataclass(frozen=True)
class PairPictures:
    """A pair's own pictures as data URIs, and what was measured on its exact snapshots.

    `strip`: the snapshots side by side. `residual`: found − target, `RESIDUAL_GAIN` times, about
    grey. `path_source_rmse`, `path_target_rmse`: of each snapshot. None or empty: not kept.
    """

    found: str | None = None
    strip: str | None = None
    residual: str | None = None
    path_source_rmse: list[float] = field(default_factory=list)
    path_target_rmse: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Pictures:
    """The pictures of the pairs that are shown, at one size."""

    run: Run
    rows: Sequence[Row]
    sizes: Sizes

    def images(self) -> dict[str, str]:
        """Sources and targets: the name of the stored file to data URI.

        Models that saw the very same file share its entry.
        """
        uris = {stem: self._uri(self.run.image(*key)) for stem, key in self.files().items()}
        return {stem: uri for stem, uri in uris.items() if uri is not None}

    def files(self) -> dict[str, tuple[str, str]]:
        """The name of each stored source and target to its (image id, model)."""
        keys = {
            (name, row["model"])
            for row in self.rows
            for name in (row["source_id"], row["target_id"])
            if name
        }
        return {self.run.image_path(*key).stem: key for key in sorted(keys)}

    def of_pair(self, row: Row) -> PairPictures:
        """The pictures of one pair; empty where nothing was traversed or kept."""
        found = self.run.found(row["pair_id"])
        frames = self.run.frames(row["pair_id"], len(row["path_step"] or ()))
        source, target = (self._image(row, which) for which in ("source_id", "target_id"))
        return PairPictures(
            found=self._uri(found),
            strip=self._strip(frames),
            residual=self._residual(found, target),
            path_source_rmse=_distances(frames, source),
            path_target_rmse=_distances(frames, target),
        )

    def _image(self, row: Row, which: str) -> Pixels | None:
        return self.run.image(row[which], row["model"]) if row[which] else None

    def _uri(self, pixels: Pixels | None) -> str | None:
        if pixels is None:
            return None
        return data_uri(
            scaled(pixels, self.sizes.picture), None if _small(pixels) else self.sizes.quality
        )

    def _strip(self, frames: Sequence[Pixels]) -> str | None:
        if not frames:
            return None
        strip = np.concatenate([scaled(frame, self.sizes.frame) for frame in frames], 1)
        return data_uri(strip, self.sizes.quality)

    def _residual(self, found: Pixels | None, target: Pixels | None) -> str | None:
        if found is None or target is None or found.shape != target.shape:
            return None
        signed = RESIDUAL_GAIN * (found.astype(np.int16) - target) + _GREY
        return self._uri(signed.clip(0, 255).astype(np.uint8))


def fitting(run: Run, rows: Sequence[Row]) -> Pictures:
    """The pictures at the largest size at which all of them stay within `BUDGET` characters."""
    return fitting_together([(run, rows)])[0]


def fitting_together(shown: Sequence[tuple[Run, Sequence[Row]]]) -> list[Pictures]:
    """The pictures of several runs on one page, all at the same size."""
    sizes = ([Pictures(*both, size) for both in shown] for size in SIZES[:-1])
    fits = (one for one in sizes if sum(map(expected_length, one)) <= BUDGET)
    return next(fits, [Pictures(*both, SIZES[-1]) for both in shown])


def expected_length(pictures: Pictures) -> float:
    """Characters of all pictures, from those of a few pairs."""
    rows = pictures.rows[:: max(1, len(pictures.rows) // _PROBES)]
    few = replace(pictures, rows=rows)
    own = [pictures.of_pair(row) for row in rows]
    singles = [len(uri or "") for one in own for uri in (one.found, one.strip, one.residual)]
    shared = [len(uri) for uri in few.images().values()]
    apiece = sum(shared) / len(shared) if shared else 0
    return sum(singles) / max(len(rows), 1) * len(pictures.rows) + apiece * len(pictures.files())


def data_uri(pixels: Pixels, quality: int | None = None) -> str:
    """A WebP data URI of this quality of 100; without one nothing is lost."""
    lossless, out = quality is None, io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=lossless, quality=quality or 80, method=2)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def scaled(pixels: Pixels, edge: int) -> Pixels:
    """The picture shrunk so that no side is longer than `edge`; smaller ones stay as they are."""
    height, width = pixels.shape[:2]
    ratio = edge / max(height, width)
    if ratio >= 1:
        return pixels
    size = (round(width * ratio), round(height * ratio))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _small(pixels: Pixels) -> bool:
    return max(pixels.shape[:2]) <= _SMALL


def rmse(a: Pixels, b: Pixels) -> float | None:
    """Root mean square difference of two 8-bit pictures, in [0, 1]; None where sizes differ."""
    if a.shape != b.shape:
        return None
    gap = a.astype(np.float32) - b
    return float(np.sqrt(np.square(gap).mean()) / 255)


def _distances(frames: Sequence[Pixels], other: Pixels | None) -> list[float]:
    known = [] if other is None else [rmse(frame, other) for frame in frames]
    return [] if None in known else [round(value, 5) for value in known if value is not None]


@dataclass(frozen=True)
class Sample:
    """The ids of the pairs shown, out of `total`; `case`: the one of the first screen, if any.

    `extremes`: how many of each number's lowest and highest pairs are among them for certain; 0
    where every pair is shown.
    """

    ids: list[str]
    total: int
    case: str | None
    extremes: int = 0


def sample(run: Run) -> Sample:
    """Every pair of at most `MOST_PAIRS`; else extremes of every number, then sources by seed.

    A sampled source brings all its pairs, of all models, so that its star and triangles are whole.
    """
    pairs = run.columns.pairs
    case = striking_case(run)
    if len(pairs) <= MOST_PAIRS:
        return Sample(pairs["pair_id"].to_pylist(), len(pairs), case)
    picked = dict.fromkeys(_extremes(pairs))
    if case is not None:
        picked[pairs["pair_id"].index(case).as_py()] = None
    for rows in _sources(pairs):
        picked |= dict.fromkeys(rows)
        if len(picked) >= MOST_PAIRS:
            break
    rows = sorted(list(picked)[:MOST_PAIRS])
    return Sample(pairs["pair_id"].take(rows).to_pylist(), len(pairs), case, EXTREMES)


def striking_case(run: Run) -> str | None:
    """The id of the run's most telling pair, first among those whose image was kept.

    Nearest to its target among those believed surely; None where no pair was traversed.
    """
    pairs = run.columns.pairs_of(started=True, names=["pair_id", "rmse", "p_found"])
    order = most_representative(pairs, words_of(run).sure, _LOOKED_AT)
    ids = [pairs["pair_id"][row].as_py() for row in order]
    return next(filter(run.kept, ids), ids[0] if ids else None)


def _extremes(pairs: pa.Table) -> list[int]:
    columns = [finite(pairs[column.key]) for column in PAIR_NUMBERS]
    sides = (side for values in columns for side in (values, -values))
    return [row for side in sides for row in lowest(side, EXTREMES).tolist()]


def _sources(pairs: pa.Table) -> Iterator[list[int]]:
    """The rows of each source, sources in an order drawn by the seed."""
    owners, names = codes(pairs["source_id"])
    for source in np.random.default_rng(SEED).permutation(len(names)):
        yield np.flatnonzero(owners == source).tolist()
