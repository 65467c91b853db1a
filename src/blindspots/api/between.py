"""`segment`, `triangle`, `simplex`: the confidence between images, without files."""

import io
from dataclasses import dataclass
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from blindspots.api.arguments import (
    ImagesLike,
    LabelsLike,
    as_image,
    as_images,
    as_label,
    as_model,
    as_score,
    check_classes,
    check_sizes,
)
from blindspots.api.run_table import picture
from blindspots.engine.device import batch_size
from blindspots.engine.evaluator import Evaluator
from blindspots.errors import UsageError
from blindspots.measure.hulls import Corners, Hull, Segment, Simplex, segments, simplices, triangles
from blindspots.measure.metrics import rmse
from blindspots.scores import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False, eq=False)
class Triangle(Hull):
    """The confidence over a triangle; a notebook shows it as a picture.

    As `Hull`; `corners`: the images of source, found 1 and found 2.
    """

    corners: Corners | None = None

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """The triangle with its corners at their true distances.

        Raises `UsageError` for the authors' grid, which lacks two corners.
        """
        from blindspots.reporting.figures import triangle as draw

        if self.strict or self.corners is None:
            raise UsageError(
                "the authors' grid was given, which lacks two corners; expected the full grid; "
                "type blindspots.triangle(…, grid='full').plot()"
            )
        images = [image.permute(1, 2, 0).numpy() for image in self.corners.images]
        pairs = combinations(self.corners.images, 2)
        a, b, c = (float(rmse(one[None], other[None])) for one, other in pairs)
        return draw(images, self.confidence.numpy(), sides=(a, b, c), ax=ax)

    def __repr__(self) -> str:
        return (
            f"<triangle of {len(self.confidence)} points: source {self.p_source:.4f}, "
            f"mean {self.mean:.4f}, minimum {self.minimum:.4f}>"
        )

    def _repr_html_(self) -> str:
        from blindspots.reporting.figures.style import figure_of

        words = repr(self)
        if self.strict:
            return f"<p>{escape(words)}</p>"
        with io.BytesIO() as file:
            figure_of(self.plot()).savefig(file, format="png")
            return f"<p>{escape(words)}</p>{picture(file.getvalue(), words, 'width:24em')}"


def segment(
    model: nn.Module,
    source: ImagesLike,
    found: ImagesLike,
    label: LabelsLike,
    points: int = 101,
    *,
    score: Score | None = None,
    evaluator: Evaluator | None = None,
) -> Segment:
    """The confidence along the straight line source → found at `points` equally spaced points.

    Its `minimum` is refined by 21 further points around the worst. `model`: a `Classifier`, or a
    `torch.nn.Module` that takes [0, 1]. Images: float `(3, height, width)` in [0, 1], tensor or
    array; a batch axis of one is accepted. `label`: the class that is held, a whole number.
    `score`: what is held; None: the confidence in `label`.

    Raises `UsageError` for images of another type, shape, size or range, for a label that is no
    class, and for fewer than 2 points.
    """
    if points < 2:
        raise UsageError(f"points={points} was given; a segment needs at least 2, as in points=101")
    asker, ends = _ready(model, label, score, evaluator, source=source, found=found)
    return segments(asker, [ends], points)[0]


def triangle(
    model: nn.Module,
    source: ImagesLike,
    found_1: ImagesLike,
    found_2: ImagesLike,
    label: LabelsLike,
    steps: int = 10,
    *,
    grid: Literal["full", "reference"] = "full",
    score: Score | None = None,
    evaluator: Evaluator | None = None,
) -> Triangle:
    """The confidence over the triangle source, found 1, found 2 on the grid of step 1/steps.

    `grid="full"`: all (steps+1)(steps+2)/2 points, inside means at least p_source − d.
    `grid="reference"`: as the authors' script has it, 64 of 66 points and strictly above. Model,
    images, label and score as `segment` takes them.

    Raises `UsageError` as `segment` does, and for fewer than 1 step.
    """
    if steps < 1:
        raise UsageError(f"steps={steps} was given; a triangle needs at least 1, as in steps=10")
    images = {"source": source, "found_1": found_1, "found_2": found_2}
    asker, corners = _ready(model, label, score, evaluator, **images)
    (hull,) = triangles(asker, [corners], steps, grid=grid)
    return Triangle(hull.weights, hull.confidence, hull.height, hull.strict, corners)


def simplex(
    model: nn.Module,
    source: ImagesLike,
    found: ImagesLike,
    label: LabelsLike,
    samples: int = 2000,
    seed: int = 0,
    *,
    score: Score | None = None,
    evaluator: Evaluator | None = None,
) -> Simplex:
    """The confidence at `samples` uniform points of the hull of the source and all found images.

    Weights are Dirichlet(1, …, 1), drawn on the CPU from `seed`; the source itself stands first
    and counts in no fraction. `found`: one or more images, `(found, 3, height, width)` or a list.
    Model, images, label and score as `segment` takes them.

    Raises `UsageError` as `segment` does, and for fewer than one sample or no found image.
    """
    if samples < 1 or len(found) < 1:
        raise UsageError(
            f"samples={samples} and {len(found)} found images were given; a simplex needs at "
            "least 1 of each, as in samples=2000"
        )
    corners = {f"found[{i}]": image for i, image in enumerate(as_images("found", found))}
    asker, ready = _ready(model, label, score, evaluator, source=source, **corners)
    (cloud,) = simplices(asker, [(ready, seed)], samples)
    return cloud


def _ready(
    model: Any, label: Any, score: Any, evaluator: Evaluator | None, **images: Any
) -> tuple[Evaluator, Corners]:
    """Who is asked, and about which corners; the first of the images is the source."""
    checked = {what: as_image(what, given) for what, given in images.items()}
    if evaluator is None:
        wrapped = as_model(model, tuple(checked["source"].shape[-2:]), depth=4)
        usual = batch_size(wrapped.size, wrapped.device)
        evaluator = Evaluator(wrapped, as_score(score, wrapped), chunk=usual)
    check_sizes(evaluator.model, **{what: image[None] for what, image in checked.items()})
    number = as_label(label)
    check_classes([number], evaluator.model)
    return evaluator, Corners(tuple(checked.values()), number)
