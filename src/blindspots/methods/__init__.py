"""The traversal methods by name; a method is added by its file and an import below."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from inspect import isabstract
from math import isfinite
from typing import Any

from blindspots.errors import UsageError
from blindspots.methods.adaptive import Adaptive as Adaptive
from blindspots.methods.fan import Fan as Fan
from blindspots.methods.method import Method
from blindspots.methods.paper import Paper as Paper
from blindspots.methods.reference import Reference as Reference
from blindspots.methods.star import Star as Star
from blindspots.settings import shortened
from blindspots.specs import nearest_names

# Every method that is imported above.
METHODS: dict[str, type[Method]] = {
    kind.name: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Method) and not isabstract(kind)
}
DEFAULT_METHOD = Star.name


def make_method(
    name: str = DEFAULT_METHOD,
    settings: Mapping[str, str] | None = None,
    *,
    delta: float | None = None,
) -> Method:
    """The method of that name, its fields set from text such as {"max_steps": "50"}.

    `delta`: where the settings do not say it; None: the method's own. Unknown names and fields,
    and texts that are no number, are refused.
    """
    if name not in METHODS:
        hint = nearest_names(name, METHODS) or f"type --method {DEFAULT_METHOD}"
        raise UsageError(
            f"--method {name} is unknown; expected one of {', '.join(sorted(METHODS))}; {hint}"
        )
    kind = METHODS[name]
    texts = settings or {}
    said = {field: _number(kind, field, text) for field, text in texts.items()}
    return kind(**({} if delta is None else {"delta": delta}) | said)


def describe_method(method: Method) -> dict[str, Any]:
    """The method's name and settings, as a plan holds them."""
    return {"name": method.name, **asdict(method)}  # type: ignore[call-overload]


def _number(kind: type[Method], field: str, text: str) -> float | int:
    defaults = {f.name: f.default for f in fields(kind)}  # type: ignore[arg-type]
    if field not in defaults:
        hint = nearest_names(field, defaults)
        raise UsageError(
            f"--set {field}={text}: {kind.name} has no setting {field}; "
            f"expected one of {', '.join(defaults)}" + (f"; {hint}" if hint else "")
        )
    as_type = int if isinstance(defaults[field], int) else float
    try:
        number = as_type(text)
        if not isfinite(number):
            raise ValueError(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--set {field}={shortened(text)} was given to {kind.name}; expected "
            f"{_words(as_type)}, as in --set {field}={defaults[field]}"
        ) from error
    return number


def _words(kind: type) -> str:
    return "a whole number" if kind is int else "a finite number"
