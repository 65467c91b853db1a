"""What results look like elsewhere: DataFrames, and HTML for notebooks. No torch here."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from blindspots.errors import UsageError

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
    data = base64.b64encode(_png(image)).decode()
    style = f"height:{_SIDE}px;image-rendering:pixelated"
    picture = f'<img alt="{escape(alt)}" style="{style}" src="data:image/png;base64,{data}">'
    return f"{picture}<br>{escape(caption)}"


def _png(image: "Tensor") -> bytes:
    pixels = (255 * image.numpy()).round().clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(pixels.transpose(1, 2, 0))
    picture.thumbnail((2 * _SIDE, 2 * _SIDE))
    with io.BytesIO() as file:
        picture.save(file, "PNG")
        return file.getvalue()
