"""The exception tree.

BlindspotsError        anything this package raises on purpose        exit status 1
├── UsageError         wrong input or usage, before any work          exit status 2
├── WorkFailed         the work broke on the way; finished is kept    exit status 1
└── LimitExceeded      a run is beyond a limit it was checked for     exit status 3
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

# What the extra torch brings; everything that computes needs it, what reads a run does not.
COMPUTING = ("torch", "torchvision", "timm")
# What steers a terminal, ends a line there, or turns the order of what stands there: names that
# come from files may have any of it.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class BlindspotsError(Exception):
    """The base of every error raised on purpose; its text is one line, meant for the user."""

    exit_status = 1

    def __str__(self) -> str:
        return visible(super().__str__()).replace("\n", r"\n").replace("\t", r"\t")


class UsageError(BlindspotsError, ValueError):
    """Input or usage that cannot be worked with, found before anything was written.

    The text is one sentence: what was given, what was expected, what to type.
    """

    exit_status = 2


def without_pairs(run: object, so: str) -> UsageError:
    """The refusal of what needs a pair that was traversed; `so`: what cannot be done."""
    return UsageError(
        f"{run} has no pair that was traversed, so {so}; expected a run with some: look at "
        "blindspots table --table summary"
    )


class WorkFailed(BlindspotsError, RuntimeError):
    """Work that broke on the way (disk full, out of memory); what is finished is kept."""


class ModelFailed(WorkFailed):
    """A model that raised while it was asked, whatever it raised."""


class LimitExceeded(BlindspotsError):
    """A number of a run that is beyond a limit it was checked for, or is not known."""

    exit_status = 3


Refused = UsageError


def can_compute() -> bool:
    """Whether torch is installed."""
    return find_spec(COMPUTING[0]) is not None


@contextmanager
def computing() -> Iterator[None]:
    """Around an import: where it needs torch, and that is not installed, what to type is said."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in COMPUTING:
            raise
        raise UsageError(
            f"this needs {missing}, which is not installed; without it runs can be read alone, by "
            "table, report, compare, check, plot and the first half of verify; type "
            "pip install 'blindspots[torch]'"
        ) from error


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__


def plain_text(text: str) -> str:
    """The text as UTF-8 can hold it; a file's name may have other bytes, written as \\xe9."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()


def visible(text: str) -> str:
    """The text with control characters written out, as \\x1b; line feeds and tabs stay."""
    return _STEERING.sub(lambda found: repr(found[0])[1:-1], text)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no memory for something, which torch says of the CPU's in words alone."""
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)


def shortage(error: BaseException) -> str | None:
    """What this machine was short of, as a sentence; None where that is not why it was raised."""
    if is_out_of_memory(error):
        return "there is not enough memory"
    if "can't start new thread" in str(error):
        return "the system lets this user start no more threads"
    return None
