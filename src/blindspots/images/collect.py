"""From what a source holds to a listing: every image's bytes are read once, and not kept.

The content's hash makes the id, so the bytes must be read; decoding them can wait. Here an image's
header and end are checked, which names nearly all damaged files for a tenth of the time. What only
decoding finds is found when an image is taken, and `ImageSet` leaves that image out then.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from PIL import Image

from blindspots.errors import BlindspotsError, UsageError, WorkFailed, first_line
from blindspots.images.decode import Examined, Unreadable, decode, examine
from blindspots.images.listing import (
    Issue,
    Item,
    Listing,
    class_of,
    image_id,
    long_image_id,
)
from blindspots.progress import Reporter, silent

LEAST_SHOWN = 2000
_THREADS, _CHUNK = 4, 256
_SHOWN = 3
# Longer numbers are names, such as those of a bar code; and so is what begins with a zero.
_WHOLE = re.compile(r"(-1|0|[1-9][0-9]{0,5})(\.0*)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """An image that a source holds, before anything is known of it.

    `name`: where it lies in the source. `label`: its class as the source calls it; None: no class.
    `read`: its bytes; raises `Unreadable`, or OSError. `data`: these bytes, where whoever lists
    them has them anyway. `unnamed`: the name is a mere position, so it does not enter the id.
    """

    name: str
    label: str | None
    read: Callable[[], bytes]
    data: bytes | None = None
    unnamed: bool = False


class _Checked(NamedTuple):
    name: str
    item: Item | None
    reason: str
    converted: tuple[str, ...] = ()


def collect(
    spec: str,
    entries: Iterable[Entry],
    total: int,
    reporter: Reporter,
    *,
    skipped: Sequence[Issue] = (),
    expected: str = "expected images",
) -> Listing:
    """The listing of `entries`, in their order; `total` of them, which shows progress if many.

    A file that is missing, damaged, no image, or of the same content as an earlier one is in
    `skipped`, behind those already known. Refused where no readable image is left; `expected` says
    what to give where there is no entry at all.
    """
    checked = list(_checked(spec, entries, total, reporter))
    items, repeats = _without_repeats([check.item for check in checked if check.item])
    failed = [Issue(check.name, check.reason) for check in checked if not check.item]
    if not items:
        raise UsageError(_nothing(spec, [*skipped, *failed], expected))
    kept = {item.name for item in items}
    return Listing(
        spec,
        _with_distinct_ids(items),
        skipped=sorted([*skipped, *failed, *repeats]),
        converted=[
            Issue(check.name, "; ".join(check.converted))
            for check in checked
            if check.converted and check.name in kept
        ],
    )


def classed(listing: Listing) -> Listing:
    """The listing with the classes that its items' labels name: whole numbers, or texts, sorted.

    Where all are whole numbers, however they are written ("2.0"), -1 is no class.
    """
    labels = {item.label for item in listing.items if item.label is not None}
    if not labels or not all(map(_WHOLE.fullmatch, labels)):
        return replace(listing, classes=tuple(sorted(labels)), kind="texts")
    plain = {label: class_of(float(label), listing.spec) for label in labels}
    numbers = [int(label) for label in plain.values() if label is not None]
    items = listing.items
    if any(label != number for label, number in plain.items()):
        items = [replace(item, label=plain.get(item.label or "")) for item in items]
    classes = tuple(map(str, range(max(numbers, default=-1) + 1)))
    return replace(listing, items=items, classes=classes, kind="numbers")


def is_number(label: str) -> bool:
    """Whether a label is a whole number as Python writes it, so that it can be a class index."""
    return label.isascii() and label.isdecimal() and (label == "0" or label[0] != "0")


def read_image(read: Callable[[], bytes], what: str, digest: str) -> Image.Image:
    """The image of a listed entry; `Unreadable` where it is not any more what it was.

    Where its file cannot be read at all, others cannot either, as a rule: the work fails.
    """
    try:
        data = read()
    except (Unreadable, BlindspotsError):
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise WorkFailed(
            f"{what} was listed but cannot be read now: {reason}; run again"
        ) from error
    if sha256(data).hexdigest() != digest:
        raise Unreadable("it has changed since it was listed")
    return decode(data).image


def _checked(
    spec: str, entries: Iterable[Entry], total: int, reporter: Reporter
) -> Iterator[_Checked]:
    watching = reporter if total >= LEAST_SHOWN else silent()
    queue = iter(entries)
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(_THREADS) as pool,
        watching.work(f"listing {spec}", total, "images") as tick,
    ):
        # Pillow warns of large images that are fine here, and of oddities in EXIF data.
        warnings.simplefilter("ignore")
        while chunk := _next_entries(spec, queue):
            yield from pool.map(partial(_check, spec), chunk)
            tick(len(chunk))


def _next_entries(spec: str, queue: Iterator[Entry]) -> list[Entry]:
    """The next few; refused where a source stumbles over what it lists, in whatever way."""
    try:
        return list(islice(queue, _CHUNK))
    except BlindspotsError:
        raise
    except Exception as error:
        raise UsageError(
            f"{spec} cannot be listed ({type(error).__name__}: {first_line(error)}); copy or write "
            "it again"
        ) from error


def _check(spec: str, entry: Entry) -> _Checked:
    try:
        data = entry.read() if entry.data is None else entry.data
        found = examine(data)
    except Unreadable as error:
        return _Checked(entry.name, None, str(error))
    except FileNotFoundError:
        return _Checked(entry.name, None, "it is missing (a link that leads nowhere)")
    except BlindspotsError:
        raise
    except Exception as error:
        why = getattr(error, "strerror", None) or first_line(error)
        return _Checked(entry.name, None, f"it cannot be read ({why})")
    return _Checked(entry.name, _item(spec, entry, data, found), "", found.converted)


def _item(spec: str, entry: Entry, data: bytes, found: Examined) -> Item:
    digest = sha256(data).hexdigest()
    name = long_image_id("", digest) if entry.unnamed else image_id(entry.name, digest)
    opened = partial(read_image, entry.read, f"{entry.name} of {spec}", digest)
    return Item(name, entry.name, entry.label, found.size, digest, opened)


def _without_repeats(items: Sequence[Item]) -> tuple[list[Item], list[Issue]]:
    """The first item of every content, knowing its repetitions' names, and a remark on each."""
    first: dict[str, Item] = {}
    remarks = []
    for item in items:
        kept = first.setdefault(item.content, item)
        if kept is not item:
            first[item.content] = replace(kept, aliases=(*kept.aliases, item.name))
            remarks.append(Issue(item.name, f"it has the same content as {kept.name}"))
    return list(first.values()), remarks


def _with_distinct_ids(items: Sequence[Item]) -> list[Item]:
    """The items; those whose ids are equal by the hash's shortness get ids with more of it."""
    counts = Counter(item.id for item in items)
    return [
        item if counts[item.id] == 1 else replace(item, id=long_image_id(item.name, item.content))
        for item in items
    ]


def _nothing(spec: str, failed: Sequence[Issue], expected: str) -> str:
    if not failed:
        return f"{spec} holds no image; {expected}"
    listed = "; ".join(f"{remark.name}: {remark.reason}" for remark in failed[:_SHOWN])
    more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    return f"{spec} holds no readable image ({listed}{more}); give one that has images"
