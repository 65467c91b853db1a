"""What each constant of `star`, `fan` and `adaptive` does: halved and doubled, on the same pairs.

    python -m benchmarks.sensitivity [shapes-resnet-at …] [--sources 6] [--page docs/benchmark.md]

Shown are the mean RMSE and the evaluations beside those with the constant as it is, and for `fan`
the change of the triangles' fraction. Without models `--page` computes nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import blindspots as bs
from benchmarks.judge import metered, triangle_fractions
from benchmarks.methods import BATCH, DELTA
from benchmarks.results import Rows, arguments, fill, keep, known, models
from benchmarks.subjects import subject
from blindspots.engine.batch import Pair
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.methods import adaptive, fan, hull, method, planes, repairs
from blindspots.methods.method import Method, rms

ROOMS: dict[ModuleType, tuple[Method, ...]] = {
    hull: (bs.Star(), bs.Fan()),
    planes: (bs.Star(), bs.Fan()),
    repairs: (bs.Star(), bs.Fan()),
    fan: (bs.Fan(),),
    adaptive: (bs.Adaptive(),),
}
SHARED = ("SOURCE_SHARE", "LEAST_CLEARANCE", "SPARE")
# What is no choice: a ratio, an ending, how many points and rounds a search has.
FIXED = ("GOLDEN", "LOOK", "BUDGET", "ROUNDS")
FACTORS = (0.5, 2.0)
SAME, UNKNOWN = "+0%, +0%", "–"


def main() -> None:
    given = arguments("sensitivity", __doc__, sources=6)
    for name in given.models:
        path = given.results / f"{name}.json"
        about, there = subject(name), known(path)
        pairs = about.pairs(given.sources, 2)
        keep(path, (row for row in _rows(about.model, pairs) if row[0] not in there))
    if given.page:
        fill(given.page, table(models(given.results)), "sensitivity")


def _rows(model: bs.Classifier, pairs: Sequence[Pair]) -> Iterator[tuple[str, Rows]]:
    usual: dict[str, Rows] = {}
    for one in (bs.Star(), bs.Fan(), bs.Adaptive()):
        usual[one.name] = _measured(model, pairs, one)
        yield one.name, usual[one.name]
    for modules, constant, methods in _constants():
        for one in methods:
            for factor in FACTORS:
                with _scaled(modules, constant, factor):
                    row = _measured(model, pairs, one)
                yield f"{constant} {one.name} {factor:g}", row


def _constants() -> Iterator[tuple[list[ModuleType], str, Sequence[Method]]]:
    """Every number that a module defines itself, with all modules that know it by name."""
    everything = (bs.Star(), bs.Fan(), bs.Adaptive())
    for name in SHARED:
        yield [method], name, everything
    for room, methods in ROOMS.items():
        elsewhere = [other for other in (method, *ROOMS) if other is not room]
        for name, value in vars(room).items():
            number = name.isupper() and isinstance(value, int | float)
            if number and name not in FIXED and _defined(room, name):
                users = [other for other in elsewhere if _imports(other, room, name)]
                yield [room, *users], name, methods


def _defined(room: ModuleType, name: str) -> bool:
    """Whether the module assigns the name itself."""
    text = Path(str(room.__file__)).read_text()
    return any(name in line.partition("=")[0] for line in text.splitlines() if line[:1].isupper())


def _imports(module: ModuleType, room: ModuleType, name: str) -> bool:
    same = getattr(module, name, None) is getattr(room, name)
    return same and not _defined(module, name)


@contextmanager
def _scaled(modules: Sequence[ModuleType], name: str, factor: float) -> Iterator[None]:
    before = [(m, getattr(m, name)) for m in modules if hasattr(m, name)]
    for module, value in before:
        scaled = max(1, round(value * factor)) if isinstance(value, int) else value * factor
        scaled = min(scaled, 1.0) if 0.5 < value < 1 else scaled  # shares stay shares
        setattr(module, name, scaled)
    try:
        yield
    finally:
        for module, value in before:
            setattr(module, name, value)


def _measured(model: bs.Classifier, pairs: Sequence[Pair], one: Method) -> dict[str, Any]:
    with metered(model) as meter:
        ended = Engine(Evaluator(model, chunk=BATCH), one, slots=BATCH).run(pairs)
        found = {out.pair.id: out.found for outcomes in ended for out in outcomes}
    images = torch.stack([found[pair.id] for pair in pairs])
    target = torch.stack([pair.target for pair in pairs])
    faces = triangle_fractions(model, pairs, images, DELTA)
    return {
        "rmse": float(rms(images - target).mean()),
        "evaluations": meter.total / len(pairs),
        "triangle_fraction": sum(faces) / len(faces),
    }


def table(measured: dict[str, Rows]) -> str:
    """A row per constant and method that changes anything, and the names of all others."""
    heads = [f"{name}: {factor:g} ×" for name in measured for factor in FACTORS]
    lines = [
        f"| constant | method | {' | '.join(heads)} |",
        f"|{'---|' * (len(heads) + 2)}",
    ]
    same: dict[str, list[str]] = {}
    for key in dict.fromkeys(key.rsplit(" ", 1)[0] for rows in measured.values() for key in rows):
        constant, _, name = key.partition(" ")
        if not name:
            continue
        cells = [_cell(rows, key, name, f) for rows in measured.values() for f in FACTORS]
        if set(cells) <= {SAME, UNKNOWN}:
            same.setdefault(name, []).append(f"`{constant}`")
        else:
            lines.append(f"| `{constant}` | `{name}` | {' | '.join(cells)} |")
    told = [f"`{name}`: {', '.join(names)}" for name, names in same.items()]
    return "\n".join([*lines, "", f"No change for {'; '.join(told)}."]) + "\n"


def _cell(rows: Rows, key: str, name: str, factor: float) -> str:
    """The change of the RMSE, and of the evaluations."""
    row, usual = rows.get(f"{key} {factor:g}"), rows[name]
    if row is None:
        return UNKNOWN
    changes = [f"{row[n] / usual[n] - 1:+.0%}" for n in ("rmse", "evaluations")]
    darker = row["triangle_fraction"] - usual["triangle_fraction"]
    if name == "fan" and f"{darker:+.3f}" not in ("+0.000", "-0.000"):
        changes.append(f"triangle {darker:+.3f}")
    return ", ".join(changes).replace("-0%", "+0%")


if __name__ == "__main__":
    main()
