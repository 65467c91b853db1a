"""A table of a run, ready for a paper, a page or a notebook."""

import base64
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from blindspots.errors import UsageError
from blindspots.reporting.tables import Cell, Table, render
from blindspots.reporting.tables.render import shown

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from torch import Tensor

    from blindspots.api.traversals import Traversal

_SIDE = 96


def to_frame(columns: Mapping[str, Sequence[Any] | np.ndarray]) -> "pd.DataFrame":
    """The columns as a DataFrame; raises `UsageError` where pandas is not installed."""
    return _pandas().DataFrame(dict(columns))


def arrow_frame(table: "pa.Table") -> "pd.DataFrame":
    """A stored table as a DataFrame; raises `UsageError` where pandas is not installed."""
    _pandas()
    return table.to_pandas()


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise UsageError(
            "a DataFrame was asked for and pandas is not installed; expected pandas beside "
            "blindspots; type pip install pandas"
        ) from error
    return pandas


def gallery(entries: "Sequence[Traversal]", heading: str, note: str = "") -> str:
    """A table of traversals: source, found and target as pictures, with confidence and distance."""
    head = "".join(
        f"<th>{title}</th>" for title in ("source", "found", "target", "distance", "ending")
    )
    rows = "".join(f"<tr>{_cells(one)}</tr>" for one in entries)
    below = f"<p>{escape(note)}</p>" if note else ""
    return f"<p>{escape(heading)}</p><table><tr>{head}</tr>{rows}</table>{below}"


def _cells(one: "Traversal") -> str:
    distance = f"RMSE {one.rmse:.4f}" if one.rmse == one.rmse else "–"
    cells = (
        _picture(one.source, f"{one.id}: source", f"confidence {one.p_source:.4f}"),
        _picture(one.found, f"{one.id}: found", f"confidence {one.confidence:.4f}"),
        _picture(one.target, f"{one.id}: target", ""),
        escape(distance),
        escape(one.ending.sentence),
    )
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _picture(image: "Tensor | None", alt: str, caption: str) -> str:
    if image is None:
        return f"–<br>{escape(caption)}"
    style = f"height:{_SIDE}px;image-rendering:pixelated"
    return f"{picture(_png(image), alt, style)}<br>{escape(caption)}"


def picture(png: bytes, alt: str, style: str = "") -> str:
    """A picture inside a page, with the words that stand for it."""
    data = base64.b64encode(png).decode()
    return f'<img alt="{escape(alt)}" style="{style}" src="data:image/png;base64,{data}">'


def _png(image: "Tensor") -> bytes:
    pixels = (255 * image.numpy()).round().clip(0, 255).astype(np.uint8)
    small = Image.fromarray(pixels.transpose(1, 2, 0))
    small.thumbnail((2 * _SIDE, 2 * _SIDE))
    with io.BytesIO() as file:
        small.save(file, "PNG")
        return file.getvalue()


_PARTS = ("mean", "std", "n")


class Rendered(ABC):
    """What `blindspots` prints in one of five styles; `str` and `repr` give it as text."""

    @abstractmethod
    def render(self, style: str = "text", width: int | None = None) -> str: ...

    def to_text(self, width: int | None = None) -> str:
        """As the command prints it, at most `width` columns wide; None: any."""
        return self.render("text", width)

    def to_latex(self) -> str:
        """As LaTeX, which needs booktabs."""
        return self.render("latex")

    def to_markdown(self) -> str:
        """As Markdown."""
        return self.render("markdown")

    def to_csv(self) -> str:
        """As CSV, with every digit."""
        return self.render("csv")

    def to_json(self) -> str:
        """As JSON, with every digit and every definition."""
        return self.render("json")

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()


@dataclass(frozen=True, repr=False)
class RunTable(Rendered):
    """A table of a run: models in rows, numbers in columns; `str` gives it as text.

    `table`: the same as data, every cell with mean, standard deviation (ddof 0) and count.
    """

    table: Table

    def render(self, style: str = "text", width: int | None = None) -> str:
        """The table as text, csv, latex, markdown or json; `width`: of text, in columns."""
        return render(self.table, style, width)

    def to_frame(self) -> "pd.DataFrame":
        """One row per row of the table, as a pandas DataFrame with every digit.

        Columns: model, row (its heading), origin, then KEY_mean, KEY_std and KEY_n per column; NaN
        where not known. Raises `UsageError` where pandas is not installed.
        """
        rows = self.table.rows
        frame: dict[str, list] = {
            "model": [row.label for row in rows],
            "row": [row.heading for row in rows],
            "origin": [row.origin for row in rows],
        }
        for column in self.table.columns:
            cells = [row.cells.get(column.key, Cell()) for row in rows]
            for part in _PARTS:
                values = [getattr(cell, part) for cell in cells]
                frame[f"{column.key}_{part}"] = [float("nan") if v is None else v for v in values]
        return to_frame(frame)

    def _repr_html_(self) -> str:
        columns = self.table.columns
        head = "".join(
            f'<th title="{escape(column.definition)}">{escape(column.title)}</th>'
            for column in columns
        )
        rows = "".join(
            f"<tr><th>{escape(row.heading)}</th>"
            + "".join(
                f"<td>{escape(shown(row.cells.get(column.key, Cell()), column))}</td>"
                for column in columns
            )
            + "</tr>"
            for row in self.table.rows
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.table.notes)
        caption = f"<caption>{escape(self.table.title)}</caption>"
        return f"<table>{caption}<tr><th>model</th>{head}</tr>{rows}</table>{notes}"
