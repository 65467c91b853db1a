"""What `traverse` returns: one entry per pair, to save, load, tabulate and show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from blindspots.api.run_table import gallery, to_frame
from blindspots.engine.batch import TraversalResult
from blindspots.errors import UsageError
from blindspots.measure import metrics
from blindspots.schema import Ending
from blindspots.store.atomic import write_bytes
from blindspots.store.paths import find_place

if TYPE_CHECKING:
    import pandas as pd

_TENSORS = (
    "found",
    "confidence",
    "p_source",
    "label",
    "steps",
    "evaluations",
    "check_evaluations",
)
_IMAGES = ("source", "target")
_COLUMNS = ("rmse", "linf", "ssim", "source_rmse")
_SHOWN = 20

Images = Float[Tensor, "pairs channel height width"]
Image = Float[Tensor, "channel height width"]
PerPair = Float[Tensor, "pairs"]
Snapshots = UInt8[np.ndarray, "snapshots channel height width"]


@dataclass(frozen=True, repr=False, eq=False)
class Traversal:
    """What one pair came to: `found`, how near it is to the target, and how sure the model is.

    Images are float32 `(3, height, width)` in [0, 1]; `source` and `target` are None where the
    result was saved without them. `path`: 8-bit snapshots `(snapshots, 3, height, width)` from the
    source on, where they were asked for and the pair started, else None.
    """

    id: str
    found: Image
    confidence: float
    p_source: float
    label: int
    ending: Ending
    steps: int
    evaluations: float
    check_evaluations: float
    rmse: float
    linf: float
    ssim: float
    source_rmse: float
    source: Image | None
    target: Image | None
    path: Snapshots | None

    def __repr__(self) -> str:
        return (
            f"Traversal({self.id}: {self.ending}, confidence {self.p_source:.4f} → "
            f"{self.confidence:.4f}, rmse {self.rmse:.4f})"
        )

    def _repr_html_(self) -> str:
        return gallery([self], repr(self))


@dataclass(frozen=True, repr=False, eq=False)
class Traversals:
    """What `traverse` found: one entry per pair, in the order given, everything on the CPU.

    `len`, an index, a slice and iteration give entries: `for one in result: one.rmse`.
    `found` is the source where the pair could not start; `ending` says why. `confidence` is the
    score of `found`, `p_source` that of the clean source, `label` the class that was kept.
    `check_evaluations` is what the look at its segment before the end has cost beside
    `evaluations`; 0 for methods without one. `source` and `target` are the images that were given;
    None where the result was saved without them. `paths`: see `path`.
    """

    ids: list[str]
    found: Images
    confidence: PerPair
    p_source: PerPair
    label: Int[Tensor, "pairs"]
    ending: list[Ending]
    steps: Int[Tensor, "pairs"]
    evaluations: PerPair
    check_evaluations: PerPair
    source: Images | None = None
    target: Images | None = None
    paths: Sequence[np.ndarray | None] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Traversal]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Traversal: ...

    @overload
    def __getitem__(self, index: slice) -> "Traversals": ...

    def __getitem__(self, index: int | slice) -> "Traversal | Traversals":
        if isinstance(index, slice):
            return Traversals(*(_part(getattr(self, f.name), index) for f in fields(self)))
        at = range(len(self))[index]
        numbers: dict[str, Any] = {
            name: getattr(self, name)[at].item() for name in _TENSORS if name != "found"
        }
        numbers |= {name: values[at].item() for name, values in self._distances.items()}
        return Traversal(
            id=self.ids[at],
            found=self.found[at],
            ending=self.ending[at],
            source=None if self.source is None else self.source[at],
            target=None if self.target is None else self.target[at],
            path=None if self.paths is None else self.paths[at],
            **numbers,
        )

    @property
    def rmse(self) -> PerPair:
        """Root mean square difference of found and target, in [0, 1]; NaN where not started."""
        return self._known("rmse")

    @property
    def linf(self) -> PerPair:
        """Largest difference of found and target, in [0, 1]; NaN where not started."""
        return self._known("linf")

    @property
    def ssim(self) -> PerPair:
        """Structural similarity of found and target; NaN where not started, or below 11 pixels."""
        return self._known("ssim")

    @property
    def source_rmse(self) -> PerPair:
        """Root mean square difference of found and source, in [0, 1]; NaN where not started."""
        return self._known("source_rmse")

    @property
    def path(self) -> Sequence[np.ndarray | None]:
        """Per pair, 8-bit snapshots `(snapshots, 3, height, width)` of the way; None: not started.

        Raises `UsageError` where they were not asked for.
        """
        if self.paths is None:
            raise UsageError(
                "the paths of these traversals were not kept; expected a result that was asked "
                "for them; type blindspots.traverse(…, snapshots=12)"
            )
        return self.paths

    def to_frame(self) -> "pd.DataFrame":
        """One row per pair as a pandas DataFrame, all numbers, no pixels.

        Raises `UsageError` where pandas is not installed.
        """
        numbers = {name: getattr(self, name).numpy() for name in _TENSORS if name != "found"}
        distances = {name: values.numpy() for name, values in self._distances.items()}
        ending = [str(ending) for ending in self.ending]
        return to_frame({"id": self.ids, "ending": ending, **numbers, **distances})

    def save(self, path: str | Path) -> Path:
        """Write everything to one safetensors file, which `load` reads; the file's path.

        Ids and endings go to its metadata. Raises `UsageError` for an id of several lines.
        """
        if broken := [name for name in self.ids if "\n" in name]:
            raise UsageError(
                f"the id {broken[0]!r} has several lines, which cannot be saved; expected ids of "
                "one line; give such ids to blindspots.traverse"
            )
        present = [name for name in _IMAGES if getattr(self, name) is not None]
        tensors = {name: getattr(self, name).contiguous() for name in (*_TENSORS, *present)}
        kept = {i: path for i, path in enumerate(self.paths or ()) if path is not None}
        paths = {f"path.{i}": torch.from_numpy(one.copy()) for i, one in kept.items()}
        metadata = {"ids": "\n".join(self.ids), "endings": "\n".join(self.ending)}
        if self.paths is not None:
            metadata["paths"] = "kept"
        write_bytes(find_place(path), serialise(tensors | paths, metadata))
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> "Traversals":
        """What `save` wrote; files of earlier versions have no source and target, so no distances.

        Raises `UsageError` where the file is missing, or is not one that `save` wrote.
        """
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return _restored(tensors, metadata)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise UsageError(
                f"{path} cannot be read as saved traversals ({error}); expected a file that "
                "Traversals.save wrote; type result.save('result.safetensors') to make one"
            ) from error

    def __repr__(self) -> str:
        height, width = self.found.shape[-2:]
        endings = ", ".join(f"{self.ending.count(one)} {one}" for one in dict.fromkeys(self.ending))
        parts = [f"{len(self)} pairs of {height} × {width} px", endings or "none"]
        if len(self):
            parts.append(
                f"mean confidence {self.p_source.mean():.4f} → {self.confidence.mean():.4f}"
            )
        return f"Traversals({'; '.join(parts)})"

    def _repr_html_(self) -> str:
        more = len(self) - _SHOWN
        note = f"{more} further pairs are not shown" if more > 0 else ""
        return gallery(list(self[:_SHOWN]), repr(self), note)

    def _known(self, name: str) -> PerPair:
        if self.source is None or self.target is None:
            raise UsageError(
                f"{name} is not known, because this result was saved without its images; expected "
                "a result with source and target; traverse again and save that"
            )
        return self._distances[name]

    @cached_property
    def _distances(self) -> dict[str, Tensor]:
        unknown = torch.full((len(self),), torch.nan)
        if self.source is None or self.target is None:
            return dict.fromkeys(_COLUMNS, unknown)
        started = torch.tensor([ending.started for ending in self.ending], dtype=torch.bool)
        small = min(self.found.shape[-2:]) < metrics.SSIM_WINDOW
        values = {
            "rmse": metrics.rmse(self.found, self.target),
            "linf": metrics.linf(self.found, self.target),
            "ssim": unknown if small else metrics.ssim(self.found, self.target),
            "source_rmse": metrics.rmse(self.found, self.source),
        }
        return {
            name: torch.where(started, value.float(), unknown) for name, value in values.items()
        }


def collect(outcomes: Sequence[TraversalResult], paths: bool = False) -> Traversals:
    """The engine's results as what a user gets, in their order; `paths`: whether with snapshots."""
    return Traversals(
        ids=[out.pair.id for out in outcomes],
        found=torch.stack([out.found for out in outcomes]),
        confidence=torch.tensor([out.p_found for out in outcomes]),
        p_source=torch.tensor([out.p_source for out in outcomes]),
        label=torch.tensor([out.label for out in outcomes]),
        ending=[out.ending for out in outcomes],
        steps=torch.tensor([out.steps for out in outcomes]),
        evaluations=torch.tensor([float(out.evaluations) for out in outcomes]),
        check_evaluations=torch.tensor([float(out.check_evaluations) for out in outcomes]),
        source=torch.stack([out.pair.source for out in outcomes]),
        target=torch.stack([out.pair.target for out in outcomes]),
        paths=[out.path for out in outcomes] if paths else None,
    )


def _restored(tensors: dict[str, Tensor], metadata: dict[str, str]) -> Traversals:
    ids = metadata["ids"].split("\n")
    named: dict[str, Any] = {name: tensors[name] for name in _TENSORS}
    if any(len(tensor) != len(ids) for tensor in named.values()):
        raise ValueError("its ids and its tensors are of different numbers")
    kept = [tensors.get(f"path.{i}") for i in range(len(ids))]
    paths = [None if path is None else path.numpy() for path in kept]
    return Traversals(
        ids=ids,
        ending=[Ending(text) for text in metadata["endings"].split("\n")],
        **named,
        source=tensors.get("source"),
        target=tensors.get("target"),
        paths=paths if "paths" in metadata else None,
    )


def _part(value: Any, index: slice) -> Any:
    return None if value is None else value[index]
