"""What a command says of the images that it was given: left out, converted, noted."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blindspots.images import ImageSet
    from blindspots.progress import Reporter

MOST_WARNINGS, MOST_ALIKE = 40, 5


def warn_of_images(images: "ImageSet", reporter: "Reporter", place: str) -> None:
    """A line for what was left out or converted; `place`: which names each, where there is more."""
    for what, entries in (("skipped", images.skipped), ("converted", images.converted)):
        lines = list(_by_reason(what, entries, place))
        for line in lines[:MOST_WARNINGS]:
            reporter.warn(line)
        if len(lines) > MOST_WARNINGS:
            reporter.warn(f"{len(lines) - MOST_WARNINGS} more such lines; {place} has all of them")


def say_notes(notes: Sequence[str], reporter: "Reporter") -> None:
    """A line a note, such as how the classes of the images were mapped to the model's."""
    for note in notes:
        reporter.say(f"note: {note}")


def _by_reason(what: str, entries: Sequence[Mapping[str, str]], place: str) -> Iterator[str]:
    """A line per image; one line for many of the same reason, which names the first of them."""
    names: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        names[entry["reason"]].append(entry["name"])
    for reason, alike in names.items():
        if len(alike) > MOST_ALIKE:
            shown = ", ".join(alike[:MOST_ALIKE])
            yield f"{what} {len(alike):,} images: {reason} ({shown}, ...; {place} names each)"
        else:
            yield from (f"{what} {name}: {reason}" for name in alike)
