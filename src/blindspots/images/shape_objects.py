"""The ten objects of `sample:shapes`, each a list of filled parts.

The frame of an object: x runs right, y runs down, both in about [-1, 1]; parts are painted in
order, later over earlier. Every function draws its own proportions from the generator, so no two
objects are the same; colours are names that the painter's palette fills in.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

Points = Float[np.ndarray, "n 2"]


class Part(NamedTuple):
    """A closed outline and the palette's name for what fills it; `inked`: with a dark contour.

    `fill`: body or second (any vivid colour), pale (nearly white) or ink (nearly black).
    """

    points: Points
    fill: str
    inked: bool = True


def _oval(x: float, y: float, wide: float, high: float, turn: float = 0.0) -> Points:
    """An ellipse around (x, y) with half axes `wide` and `high`, turned by `turn` radians."""
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    right, down = wide * np.cos(angles), high * np.sin(angles)
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.stack([x + cosine * right - sine * down, y + sine * right + cosine * down], 1)


def _sharp(*corners: tuple[float, float]) -> Points:
    return np.array(corners, dtype=float)


def _smooth(*knots: tuple[float, float]) -> Points:
    """A closed Catmull-Rom curve through the knots."""
    here = np.array(knots, dtype=float)
    before, after, later = np.roll(here, 1, 0), np.roll(here, -1, 0), np.roll(here, -2, 0)
    t = np.linspace(0, 1, 6, endpoint=False)[:, None, None]
    curve = 2 * here + t * (after - before)
    curve = curve + t**2 * (2 * before - 5 * here + 4 * after - later)
    curve = curve + t**3 * (3 * here - before - 3 * after + later)
    return (curve / 2).transpose(1, 0, 2).reshape(-1, 2)


def _apple(rng: Generator) -> list[Part]:
    wide, high = rng.uniform(0.85, 1.0), rng.uniform(0.8, 0.92)
    half = [(0.3, -0.55), (0.75, -0.45), (0.97, 0.08), (0.75, 0.7), (0.3, 0.98)]
    right = [(x * wide, y * high + 0.1) for x, y in half]
    left = [(-x, y) for x, y in reversed(right)]
    flesh = _smooth((0, -0.34 * high + 0.1), *right, (0, 0.88 * high + 0.1), *left)
    leaf = _smooth((0.06, -0.5), (0.25, -0.88), (0.74, -0.96), (0.5, -0.56))
    stem = _sharp((-0.07, -0.15), (-0.16, -0.84), (0.02, -0.9), (0.08, -0.15))
    shine = _oval(-0.45 * wide, -0.06, 0.14, 0.24, 0.5)
    return [
        Part(flesh, "body"), Part(stem, "ink"), Part(leaf, "second"), Part(shine, "pale", False),
    ]  # fmt: skip


def _butterfly(rng: Generator) -> list[Part]:
    top, low = rng.uniform(0.85, 1.05), rng.uniform(0.8, 1.0)
    upper = _smooth((0.05, 0.1), (0.3, -0.55 * top), (0.8, -0.9 * top), (1.05, -0.5), (0.7, 0.08))
    lower = _smooth((0.05, 0.0), (0.6, 0.05), (0.82, 0.4), (0.6, 0.9 * low), (0.22, 0.6 * low))
    feeler = _sharp((0.0, -0.5), (0.22, -0.98), (0.34, -0.94), (0.1, -0.44))
    wing = [Part(lower, "second"), Part(upper, "body"), Part(feeler, "ink", False)]
    wing += [Part(_oval(0.7, -0.42, 0.18, 0.2), "pale", False)]
    wing += [Part(_oval(0.5, 0.42, 0.14, 0.16), "pale", False)]
    other = [part._replace(points=part.points * [-1, 1]) for part in wing]
    trunk = [Part(_oval(0, 0.08, 0.11, 0.6), "ink"), Part(_oval(0, -0.52, 0.14, 0.14), "ink")]
    return [*wing, *other, *trunk]


def _car(rng: Generator) -> list[Part]:
    roof, nose, wheel = rng.uniform(-0.68, -0.55), rng.uniform(-0.08, 0.06), rng.uniform(0.26, 0.31)
    body = _sharp(
        (-1, 0.42), (-1, -0.02), (-0.9, -0.12), (-0.68, -0.16), (-0.42, roof), (0.24, roof),
        (0.56, -0.14), (0.92, nose), (1.02, 0.14), (1.02, 0.42),
    )  # fmt: skip
    sill = _sharp((-1, 0.22), (1.02, 0.22), (1.02, 0.42), (-1, 0.42))
    rear = _sharp((-0.5, -0.12), (-0.34, roof + 0.13), (-0.12, roof + 0.13), (-0.12, -0.12))
    front = _sharp((0.02, -0.12), (0.02, roof + 0.13), (0.18, roof + 0.13), (0.4, -0.12))
    parts = [Part(body, "body"), Part(sill, "second"), Part(rear, "pale"), Part(front, "pale")]
    for x in (-0.55, 0.56):
        tyre, cap = _oval(x, 0.44, wheel, wheel), _oval(x, 0.44, 0.12, 0.12)
        parts += [Part(tyre, "ink"), Part(cap, "pale", False)]
    return [*parts, Part(_oval(0.92, 0.1, 0.08, 0.08), "pale", False)]


def _cup(rng: Generator) -> list[Part]:
    foot, top, tall = rng.uniform(0.4, 0.62), rng.uniform(-0.6, -0.42), rng.uniform(0.75, 0.9)
    bowl = _sharp(
        (-0.9, top), (0.5, top), (foot - 0.12, tall - 0.2), (foot - 0.3, tall),
        (-foot - 0.1, tall), (-foot - 0.28, tall - 0.2),
    )  # fmt: skip
    turn = np.linspace(-1.75, 1.75, 16)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)
    loop = np.concatenate([ring * [0.52, 0.46], ring[::-1] * [0.28, 0.24]])
    handle = np.add(loop, [0.46, 0.02])
    band = _sharp((-0.84, 0.02), (0.45, 0.02), (0.38, 0.34), (-0.76, 0.34))
    rim, drink = _oval(-0.2, top, 0.7, 0.2), _oval(-0.2, top + 0.02, 0.54, 0.12)
    return [
        Part(handle, "body"), Part(bowl, "body"), Part(band, "second", False), Part(rim, "pale"),
        Part(drink, "ink", False),
    ]  # fmt: skip


def _fish(rng: Generator) -> list[Part]:
    fat, fork = rng.uniform(0.5, 0.66), rng.uniform(0.45, 0.6)
    tail = _smooth((0.42, 0), (0.98, -fork), (1.02, -0.3), (0.82, 0), (1.02, 0.3), (0.98, fork))
    back = _smooth((-0.35, -0.3), (-0.15, -fat - 0.3), (0.3, -fat - 0.14), (0.4, -0.2))
    belly = _smooth((-0.1, 0.3), (0.02, fat + 0.22), (0.3, fat + 0.14), (0.3, 0.2))
    body = _smooth(
        (-1, 0.06), (-0.66, -0.66 * fat), (-0.1, -fat), (0.42, -0.5 * fat), (0.7, 0),
        (0.42, 0.5 * fat), (-0.1, fat), (-0.66, 0.72 * fat),
    )  # fmt: skip
    fin = _smooth((-0.2, 0.02), (0.2, -0.12), (0.26, 0.16), (0.14, 0.3))
    return [
        Part(tail, "second"), Part(back, "second"), Part(belly, "second"), Part(body, "body"),
        Part(fin, "second"), Part(_oval(-0.58, -0.1, 0.16, 0.16), "pale"),
        Part(_oval(-0.6, -0.1, 0.075, 0.075), "ink", False),
    ]  # fmt: skip


def _flower(rng: Generator) -> list[Part]:
    petals, start = int(rng.integers(5, 8)), rng.uniform(0, 2 * np.pi)
    stem = _sharp((-0.07, 0), (0.07, 0), (0.09, 1.02), (-0.05, 1.02))
    right = _smooth((0.03, 0.9), (0.2, 0.55), (0.66, 0.42), (0.5, 0.8))
    left = _smooth((0.0, 0.98), (-0.18, 0.66), (-0.62, 0.56), (-0.48, 0.92))
    parts = [Part(stem, "ink"), Part(right, "second"), Part(left, "second")]
    for angle in start + np.arange(petals) * 2 * np.pi / petals:
        x, y = 0.42 * np.cos(angle), 0.42 * np.sin(angle)
        parts.append(Part(_oval(x, y - 0.3, 0.34, 1.45 / petals, angle), "body"))
    return [*parts, Part(_oval(0, -0.3, 0.24, 0.24), "pale")]


def _house(rng: Generator) -> list[Part]:
    wall, eaves, peak = rng.uniform(0.66, 0.78), rng.uniform(-0.2, -0.05), rng.uniform(-0.98, -0.85)
    door = rng.choice([-0.34, 0.0, 0.34])
    chimney = _sharp((0.34, -0.3), (0.34, -0.88), (0.58, -0.88), (0.58, -0.3))
    front = _sharp((-wall, eaves), (wall, eaves), (wall, 0.9), (-wall, 0.9))
    roof = _sharp((-wall - 0.24, eaves), (0, peak), (wall + 0.24, eaves))
    way = _sharp((door - 0.16, 0.9), (door - 0.16, 0.32), (door + 0.16, 0.32), (door + 0.16, 0.9))
    parts = [Part(chimney, "ink"), Part(front, "body"), Part(roof, "second"), Part(way, "ink")]
    for x in {-0.4, 0.4} if door == 0 else {-np.sign(door) * 0.3}:
        parts.append(Part(_sharp(*_corners(x, 0.36, 0.15 if door == 0 else 0.2)), "pale"))
    return [*parts, Part(_oval(0, (eaves + peak) / 2 + 0.08, 0.13, 0.13), "pale")]


def _mushroom(rng: Generator) -> list[Part]:
    wide, dome = rng.uniform(0.88, 1.0), rng.uniform(0.85, 1.0)
    foot, brim = rng.uniform(0.26, 0.38), rng.uniform(0.05, 0.18)
    stalk = _smooth((-0.22, 0), (0.22, 0), (0.24, 0.5), (foot, 0.92), (-foot, 0.92), (-0.24, 0.5))
    cap = _smooth(
        (-wide, brim), (-0.86 * wide, -0.4 * dome), (-0.4, -0.86 * dome), (0.4, -0.86 * dome),
        (0.86 * wide, -0.4 * dome), (wide, brim), (0.5, brim + 0.14), (-0.5, brim + 0.14),
    )  # fmt: skip
    dots = [(-0.5, -0.2, 0.18), (0.06, -0.54, 0.2), (0.58, -0.16, 0.16), (0.06, -0.06, 0.13)]
    spots = [Part(_oval(x, y, size, size * 0.9), "pale", False) for x, y, size in dots]
    return [Part(stalk, "pale"), Part(cap, "body"), *spots]


def _sailboat(rng: Generator) -> list[Part]:
    deck, top = rng.uniform(0.4, 0.5), rng.uniform(-1.02, -0.9)
    hull = _sharp((-0.98, deck), (0.98, deck), (0.6, 0.92), (-0.66, 0.92))
    mast = _sharp((-0.05, top), (0.05, top), (0.05, deck), (-0.05, deck))
    main = _sharp((0.1, top + 0.08), (0.42, -0.4), (0.86, deck - 0.13), (0.1, deck - 0.13))
    jib = _sharp((-0.1, top + 0.3), (-0.1, deck - 0.13), (-0.78, deck - 0.13))
    low, high = deck + 0.12, deck + 0.28
    stripe = _sharp((-0.88, low), (0.88, low), (0.74, high), (-0.78, high))
    return [
        Part(mast, "ink"), Part(main, "pale"), Part(jib, "second"), Part(hull, "body"),
        Part(stripe, "pale", False),
    ]  # fmt: skip


def _tree(rng: Generator) -> list[Part]:
    tiers, wide = int(rng.integers(2, 4)), rng.uniform(0.74, 0.92)
    trunk = _sharp((-0.17, 0.4), (0.17, 0.4), (0.19, 1), (-0.19, 1))
    parts = [Part(trunk, "ink")]
    for tier in reversed(range(tiers)):
        share = (tier + 1) / tiers
        low, half = -0.98 + 1.66 * share, wide * (0.35 + 0.65 * share)
        high = low - 1.66 / tiers - 0.3 * (tier > 0)
        parts.append(Part(_sharp((-half, low), (0, high), (half, low)), "body"))
    return parts


def _corners(x: float, y: float, half: float) -> list[tuple[float, float]]:
    return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]


OBJECTS: dict[str, Callable[[Generator], list[Part]]] = {
    "apple": _apple,
    "butterfly": _butterfly,
    "car": _car,
    "cup": _cup,
    "fish": _fish,
    "flower": _flower,
    "house": _house,
    "mushroom": _mushroom,
    "sailboat": _sailboat,
    "tree": _tree,
}
