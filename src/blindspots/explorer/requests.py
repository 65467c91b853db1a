"""What the page may ask, field by field; anything else is refused."""

from dataclasses import fields
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from blindspots.errors import UsageError
from blindspots.methods import METHODS
from blindspots.methods.method import Method
from blindspots.scores import Confidence

MOST_MODELS, MOST_TARGETS, MOST_STEPS = 2, 4, 5000

Name = Annotated[str, Field(min_length=1, max_length=300)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Settings(Body):
    delta: Finite | None = None
    clearance: Finite | None = None
    max_steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] | None = None


class TraversalRequest(Body):
    models: Annotated[list[Name], Field(min_length=1, max_length=MOST_MODELS)]
    source: Name
    targets: Annotated[list[Name], Field(min_length=1, max_length=MOST_TARGETS)]
    method: Name
    settings: Settings = Settings()


class LookRequest(Body):
    model: Name
    image: Name


class KnownRequest(Body):
    images: Annotated[list[Name], Field(max_length=MOST_TARGETS + 1)]


class ContrastRequest(Body):
    """PGD on the source towards the class of the target, for one or two models."""

    models: Annotated[list[Name], Field(min_length=1, max_length=MOST_MODELS)]
    source: Name
    target: Name


class TriangleRequest(Body):
    """The confidence over source, first and second, one triangle a model; results by id."""

    triangles: Annotated[
        list[Annotated[list[Name], Field(min_length=2, max_length=2)]],
        Field(min_length=1, max_length=MOST_MODELS),
    ]


class PointRequest(Body):
    """The confidence at a point of a hull: weights of the source and of each found image."""

    found: Annotated[list[Name], Field(min_length=1, max_length=MOST_TARGETS)]
    weights: Annotated[list[Finite], Field(min_length=2, max_length=MOST_TARGETS + 1)]


class CaseRequest(Body):
    found: Annotated[list[Name], Field(min_length=1, max_length=32)]


def method_of(name: str, settings: Settings) -> Method:
    """The method that is asked for; refused where it does not exist or cannot work like that.

    Settings that it does not have are left out: the page has one form for all methods.
    """
    if name not in METHODS:
        raise UsageError(f"there is no such method; expected one of {', '.join(sorted(METHODS))}")
    kind = METHODS[name]
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    given = {k: v for k, v in settings.model_dump(exclude_none=True).items() if k in known}
    if "delta" in given:
        Confidence().check_delta(given["delta"])
    return kind(**given)
