"""`sample:shapes`: an endless, seeded supply of small pictures of ten everyday objects.

An image is 64 x 64 RGB: one cartoon object of `CLASS_NAMES`, 50-85 % of the frame wide, over a
textured background. All classes draw their colours from one palette, so shape alone tells them
apart. Image `index` of a split depends on (seed, split, index) and on nothing else, and its label
is `index % 10`.

An object is a list of filled parts in a frame where x runs right and y down, both in about [-1, 1];
parts are painted in order, later over earlier. Every object draws its own proportions from the
generator, so no two are the same. They are painted at four times the size and averaged down;
light, shadow and background are added at 64 pixels.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.random import Generator, SeedSequence, default_rng
from PIL import Image, ImageDraw, ImageFilter

from blindspots.errors import UsageError
from blindspots.specs import nearest_names

Points = Float[np.ndarray, "n 2"]
Colour = Float[np.ndarray, "3"]
Picture = Float[np.ndarray, "64 64 3"]
Mask = Float[np.ndarray, "64 64"]

SIZE = 64
SPLITS: tuple[str, ...] = ("train", "val", "test")
_SUPERSAMPLING = 4
_OUTLINE = 6
_BRIGHTNESS = np.array([0.299, 0.587, 0.114])
_LEAST_CONTRAST = 0.3
_ROWS, _COLUMNS = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]


class Part(NamedTuple):
    """A closed outline and the palette's name for what fills it; `inked`: with a dark contour.

    `fill`: body or second (any vivid colour), pale (nearly white) or ink (nearly black).
    """

    points: Points
    fill: str
    inked: bool = True


def _oval(x: float, y: float, wide: float, high: float, turn: float = 0.0) -> Points:
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    right, down = wide * np.cos(angles), high * np.sin(angles)
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.stack([x + cosine * right - sine * down, y + sine * right + cosine * down], 1)


def _sharp(*corners: tuple[float, float]) -> Points:
    return np.array(corners, dtype=float)


def _smooth(*knots: tuple[float, float]) -> Points:
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
CLASS_NAMES: tuple[str, ...] = tuple(OBJECTS)


def shape_image(split: str, index: int, seed: int = 0) -> tuple[Image.Image, int]:
    """Image `index` (from 0, no upper end) of a split, and its label in 0-9.

    `split`: train, val or test. `seed`: any integer from 0; another seed is another data set.
    """
    rng = _generator(split, index, seed)
    label = index % len(CLASS_NAMES)
    pixels = _picture(OBJECTS[CLASS_NAMES[label]], rng)
    return Image.fromarray((pixels * 255).round().astype(np.uint8)), label


def shape_images(split: str, n: int, seed: int = 0) -> Iterator[tuple[Image.Image, int]]:
    return (shape_image(split, index, seed) for index in range(n))


def _generator(split: str, index: int, seed: int) -> Generator:
    if split not in SPLITS:
        raise UsageError(
            f"{split!r} is no split of sample:shapes; expected train, val or test; "
            f"{nearest_names(split, SPLITS) or 'try split=test'}"
        )
    if index < 0 or seed < 0:
        raise UsageError(f"index {index} and seed {seed} must not be negative; try index=0, seed=0")
    return default_rng(SeedSequence(seed, spawn_key=(SPLITS.index(split), index)))


def _picture(parts: Callable[[Generator], list[Part]], rng: Generator) -> Picture:
    palette, ground = _palette(rng)
    colours, mask = _painted(parts(rng), _placement(rng), palette)
    colours = colours * _light(rng, 0.28)[..., None]
    scene = _background(ground, rng) * _light(rng, 0.12)[..., None]
    scene = scene * (1 - _shadow(mask, rng)[..., None])
    scene = colours + (1 - mask[..., None]) * scene
    scene = scene * rng.uniform(0.85, 1.05) * rng.uniform(0.94, 1.06, 3)
    return np.clip(scene + rng.normal(0, 0.012, scene.shape), 0, 1)


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    wheel = np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    return value * (1 - saturation + saturation * np.clip(wheel, 0, 1))


def _vivid(rng: Generator, hue: float) -> Colour:
    return _hsv(hue, rng.uniform(0.45, 0.95), rng.uniform(0.5, 1.0))


def _palette(rng: Generator) -> tuple[dict[str, Colour], Colour]:
    """The fills of one object, and a background colour of clearly another brightness."""
    hue = rng.uniform()
    body = _vivid(rng, hue)
    second = _vivid(rng, hue + rng.uniform(0.2, 0.8))
    pale = _hsv(rng.uniform(), rng.uniform(0.02, 0.2), rng.uniform(0.9, 1.0))
    ink = _hsv(rng.uniform(), rng.uniform(0.2, 0.7), rng.uniform(0.08, 0.22))
    fills = {"body": body, "second": second, "pale": pale, "ink": ink}
    return fills, _ground(body, rng)


def _ground(body: Colour, rng: Generator) -> Colour:
    while True:
        ground = _hsv(rng.uniform(), rng.uniform(0.1, 0.75), rng.uniform(0.2, 1.0))
        if abs((ground - body) @ _BRIGHTNESS) > _LEAST_CONTRAST:
            return ground


def _ramp(rng: Generator) -> Mask:
    angle = rng.uniform(0, 2 * np.pi)
    return np.cos(angle) * _COLUMNS + np.sin(angle) * _ROWS


def _light(rng: Generator, strength: float) -> Mask:
    return 1 + rng.uniform(0.2, 1) * strength * _ramp(rng)


def _shadow(mask: Mask, rng: Generator) -> Mask:
    """How much of the light the object takes from the ground behind it, in [0, 0.5]."""
    down, right = rng.integers(1, 5), rng.integers(-3, 4)
    cast = np.zeros_like(mask)
    cast[down:] = mask[:-down]
    blurred = Image.fromarray((np.roll(cast, right, 1) * 255).astype(np.uint8))
    blurred = blurred.filter(ImageFilter.BoxBlur(2))
    return np.asarray(blurred) / 255 * rng.uniform(0.15, 0.5)


def _background(ground: Colour, rng: Generator) -> Picture:
    other = np.clip(ground * rng.uniform(0.72, 1.3) + rng.uniform(-0.08, 0.08, 3), 0, 1)
    texture = _TEXTURES[rng.integers(len(_TEXTURES))]
    blend = texture(rng)[..., None]
    return ground + blend * (other - ground)


def _gradient(rng: Generator) -> Mask:
    return (_ramp(rng) + 1.42) / 2.84


def _halo(rng: Generator) -> Mask:
    row, column = rng.uniform(-0.6, 0.6, 2)
    return np.clip(np.hypot(_ROWS - row, _COLUMNS - column) / 1.4, 0, 1)


def _stripes(rng: Generator) -> Mask:
    return _soft_step(np.sin(_ramp(rng) * rng.uniform(6, 22) + rng.uniform(0, 6)))


def _checks(rng: Generator) -> Mask:
    wave, angle = rng.uniform(5, 16), rng.uniform(0, np.pi)
    along = np.cos(angle) * _COLUMNS + np.sin(angle) * _ROWS
    across = np.cos(angle) * _ROWS - np.sin(angle) * _COLUMNS
    return _soft_step(np.sin(along * wave) * np.sin(across * wave))


def _clouds(rng: Generator) -> Mask:
    cells = int(rng.integers(3, 14))
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) / 255


def _blobs(rng: Generator) -> Mask:
    rows, columns = rng.uniform(-1.1, 1.1, (2, int(rng.integers(6, 18)), 1, 1))
    nearest = np.hypot(_ROWS - rows, _COLUMNS - columns).min(axis=0)
    return _soft_step(4 * (rng.uniform(0.12, 0.3) - nearest))


def _soft_step(field: Mask) -> Mask:
    return np.clip(0.5 + 2.5 * field, 0, 1)


_TEXTURES = (_gradient, _halo, _stripes, _checks, _clouds, _blobs)


def _placement(rng: Generator) -> Callable[[Points], Points]:
    """From the object's frame to supersampled pixels: mirror, stretch, turn, scale, shift."""
    angle, fraction = rng.uniform(-0.4, 0.4), rng.uniform(0.68, 0.92)
    stretch = rng.uniform(0.92, 1.08, 2) * [rng.choice([-1, 1]), 1]
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    half = SIZE * _SUPERSAMPLING / 2
    shift = half * (1 + rng.uniform(-1, 1, 2) * 0.7 * (1 - fraction))
    matrix = stretch[:, None] * turn * half * fraction
    return lambda points: points @ matrix + shift


def _painted(
    parts: list[Part], place: Callable[[Points], Points], palette: dict[str, Colour]
) -> tuple[Picture, Mask]:
    """The object's colours, already weighted by how much of each pixel it covers, and that."""
    side = SIZE * _SUPERSAMPLING
    canvas = Image.new("RGBA", (side, side))
    brush = ImageDraw.Draw(canvas)
    ink = _opaque(palette["ink"])
    for part in parts:
        corners = place(part.points).ravel().tolist()
        brush.polygon(corners, fill=_opaque(palette[part.fill]))
        if part.inked:
            # Corners of smooth curves are too flat to need a joint, and joints are what costs.
            joint = "curve" if len(part.points) < 16 else None
            brush.line(corners + corners[:4], fill=ink, width=_OUTLINE, joint=joint)
    small = np.asarray(canvas.convert("RGBa").reduce(_SUPERSAMPLING)) / 255
    return small[..., :3], small[..., 3]


def _opaque(colour: Colour) -> tuple[int, ...]:
    return (*(int(value * 255) for value in colour), 255)
