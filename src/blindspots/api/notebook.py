"""HTML for notebooks: small pictures inside the page, and words that are escaped."""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor

from blindspots.engine.batch import to_8bit

if TYPE_CHECKING:
    from blindspots.api.traversals import Traversal

_SIDE = 96


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


def _picture(image: Tensor | None, alt: str, caption: str) -> str:
    if image is None:
        return f"–<br>{escape(caption)}"
    data = base64.b64encode(_png(image)).decode()
    style = f"height:{_SIDE}px;image-rendering:pixelated"
    picture = f'<img alt="{escape(alt)}" style="{style}" src="data:image/png;base64,{data}">'
    return f"{picture}<br>{escape(caption)}"


def _png(image: Tensor) -> bytes:
    picture = Image.fromarray(to_8bit(image).permute(1, 2, 0).numpy())
    picture.thumbnail((2 * _SIDE, 2 * _SIDE))
    with io.BytesIO() as file:
        picture.save(file, "PNG")
        return file.getvalue()
