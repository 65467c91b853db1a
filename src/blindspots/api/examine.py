"""`doctor`: is this model fit for a run? What is wrong, why it matters, what to type."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, overload

from blindspots.diagnosis import Finding, admit, diagnose, wrong_names
from blindspots.engine.device import keep_freed_memory
from blindspots.errors import UsageError, WorkFailed
from blindspots.images import ImageSet, load_images
from blindspots.models.classifier import Classifier
from blindspots.models.load import load_model
from blindspots.progress import Reporter
from blindspots.settings import LEAST_IMAGES, Trust

_NOT_ASKED = {"images": 0, "labelled": 0, "accuracy": None, "mean_confidence": None}


@dataclass(frozen=True, repr=False)
class Diagnosis(Sequence[Finding]):
    """Every finding about a model on clean images, a sequence; `str` gives them as text.

    A finding has a `level` (ok, note, wrong), a `name`, what was `found`, `why` it matters and a
    `remedy` to type.
    """

    model: Classifier
    images: ImageSet
    findings: Sequence[Finding]

    @property
    def wrong(self) -> list[str]:
        """The checks whose findings would make results wrong, by name."""
        return wrong_names(self.findings)

    @property
    def notes(self) -> list[str]:
        """What was noted of how the model was loaded, and of the images."""
        return [*self.model.notes, *self.images.notes]

    def as_json(self) -> dict[str, Any]:
        """What a run calls its preflight, what was noted of the images, and every finding."""
        values = {one.name: dict(one.values) for one in self.findings}
        accuracy = {key: values.get("accuracy", {}).get(key, _NOT_ASKED[key]) for key in _NOT_ASKED}
        return {
            "model": self.model.name,
            "classes": 0 if self.model.embeds else self.model.count_outputs(),
            **accuracy,
            "labelled": bool(accuracy["labelled"]),
            "notes": self.notes,
            "skipped": self.images.skipped,
            "converted": self.images.converted,
            "findings": [one.as_json() for one in self.findings],
        }

    def raise_if_wrong(self) -> None:
        """Raise `WorkFailed` where a run's results would be wrong."""
        if self.wrong:
            raise WorkFailed(
                f"{self.model.name} is not fit for a run: {', '.join(self.wrong)} would make "
                "results wrong"
            )

    @property
    def heading(self) -> str:
        """The model, what it answers with, and what it was shown."""
        model, (height, width) = self.model, self.model.size
        outputs = f"{model.count_outputs()} {'features' if model.embeds else 'classes'}"
        return (
            f"{model.name}: {outputs}, {height} × {width} px, on {model.device}, shown "
            f"{self.images.spec}"
        )

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Finding]: ...
    def __getitem__(self, index: int | slice) -> Finding | Sequence[Finding]:
        return self.findings[index]

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __repr__(self) -> str:
        notes = (f"note: {note}" for note in self.notes)
        return "\n".join([self.heading, *notes, *("  ".join(cells) for cells in self._rows())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
            for cells in self._rows()
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<p>{escape(self.heading)}</p>{notes}<table>{rows}</table>"

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        for one in self.findings:
            yield one.level.value, one.name, one.found
            if one.level != "ok":
                yield from (("", "why", one.why), ("", "type", one.remedy))


def doctor(
    model: Any,
    images: Any = "sample:shapes",
    *,
    classes: str | Path | None = None,
    device: str = "auto",
    batch: int | None = None,
    trust_file: bool = False,
    trust_remote_code: bool = False,
    progress: bool = False,
) -> Diagnosis:
    """Every finding about a model on clean images, as `blindspots doctor` prints them.

    `model`: a spec or a `Classifier`. `images`: a spec, an `ImageSet` or what `load_images` takes,
    with classes where possible. `device`: for a model by spec. `batch`: images at once; None: what
    fills the device. `trust_file`, `trust_remote_code`: as the command's flags.

    Raises `UsageError` where either cannot be read, or the model takes no image of its size.
    """
    keep_freed_memory()
    reporter = Reporter(quiet=not progress)
    table = None if classes is None else Path(classes)
    if isinstance(model, str) and isinstance(images, str):
        trust = Trust(file=trust_file, remote_code=trust_remote_code)
        with reporter.busy(f"loading {model}"):
            judged, held = admit(model, images, table, device, trust)
    else:
        judged = load_model(model) if isinstance(model, str) else _classifier(model)
        given = images.for_model(judged) if isinstance(images, ImageSet) else None
        held = given or load_images(images, judged, classes=table)
    seen = min(len(held), LEAST_IMAGES)
    with reporter.work("looking at clean images", seen, "images") as tick:
        return Diagnosis(judged, held, diagnose(judged, held, batch=batch, tick=tick))


def _classifier(model: Any) -> Classifier:
    if not isinstance(model, Classifier):
        raise UsageError(
            f"a {type(model).__name__} was given as the model; expected a spec or a "
            "blindspots.Classifier; type blindspots.Classifier(module, size=224)"
        )
    return model
