"""What `benchmarks.torture` did, kept piece by piece, and the table that is made of it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.hardware import hardware
from benchmarks.results import Rows, known
from blindspots.engine.device import find_device


@dataclass
class Row:
    """What was done, how often, and what came of it; `counts` are added up over pieces."""

    what: str
    asked: str = "nothing wrong"
    count: int = 0
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    reached: str = ""

    def check(self, label: str, holds: Callable[[], object]) -> None:
        """Note what does not hold."""
        try:
            holds()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            # The page has no folder of the machine.
            said = re.sub(r"/(\S+/)+", "", " ".join(str(error).split()))
            self.wrong.append(f"{label}: {type(error).__name__} {said[:200]}")

    def __str__(self) -> str:
        summed: Counter[str] = Counter()
        for name, count in self.counts.items():
            # Of what each command did the sum; the results hold every one.
            summed[name.rpartition(": ")[2]] += count
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(summed.items()))
        wrong = "; ".join(self.wrong[:3]) or "nothing wrong"
        reached = "; ".join(part for part in (counts, self.reached, wrong) if part)
        return f"| {self.what} | {self.count} | {self.asked} | {reached} |"


def keep(path: Path, first: int, row: Row) -> None:
    """Add a piece to the file; one that begins at the same place takes the earlier one's place."""
    rows = known(path)
    piece = {**vars(row), "counts": dict(row.counts), "on": hardware(find_device("cpu"))}
    rows.setdefault(row.what, {})[str(first)] = piece
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n")


def table(rows: dict[str, Rows]) -> str:
    """Everything that is kept, a line for each kind."""
    pieces = [piece for kind in rows.values() for piece in kind.values()]
    machines = sorted({piece["on"].partition(", load")[0] for piece in pieces})
    head = ["; ".join(machines), "", "| what | how often | asked | reached |", "|---|---|---|---|"]
    return "\n".join([*head, *map(str, joined(rows))])


def joined(rows: dict[str, Rows]) -> Iterator[Row]:
    """The pieces of each kind as one row; what was measured is that of the last piece."""
    for what, kind in rows.items():
        pieces = [kind[first] for first in sorted(kind, key=int)]
        row = Row(what, pieces[-1]["asked"], reached=pieces[-1]["reached"])
        for piece in pieces:
            row.count += piece["count"]
            row.wrong += piece["wrong"]
            # A sum of counters would lose what was counted 0 times.
            row.counts.update(piece["counts"])
        yield row
