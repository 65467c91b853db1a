"""`sample:shapes`: an endless, seeded supply of small pictures of ten everyday objects.

An image is 64 x 64 RGB: one cartoon object of `CLASS_NAMES`, 50-85 % of the frame wide, over a
textured background. All classes draw their colours from one palette, so shape alone tells them
apart. Image `index` of a split depends on (seed, split, index) and on nothing else, and its label
is `index % 10`.

Objects (`shape_objects`) are painted at four times the size and averaged down; light, shadow and
background are added at 64 pixels.
"""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float
from numpy.random import Generator, SeedSequence, default_rng
from PIL import Image, ImageDraw, ImageFilter

from blindspots.errors import UsageError
from blindspots.images.shape_objects import OBJECTS, Part, Points
from blindspots.specs import nearest_names

Colour = Float[np.ndarray, "3"]
Picture = Float[np.ndarray, "64 64 3"]
Mask = Float[np.ndarray, "64 64"]

CLASS_NAMES: tuple[str, ...] = tuple(OBJECTS)
SIZE = 64
SPLITS: tuple[str, ...] = ("train", "val", "test")
_SUPERSAMPLING = 4
_OUTLINE = 6
_BRIGHTNESS = np.array([0.299, 0.587, 0.114])
_LEAST_CONTRAST = 0.3
_ROWS, _COLUMNS = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]


def shape_image(split: str, index: int, seed: int = 0) -> tuple[Image.Image, int]:
    """Image `index` (from 0, no upper end) of a split, and its label in 0-9.

    `split`: train, val or test. `seed`: any integer from 0; another seed is another data set.
    """
    rng = _generator(split, index, seed)
    label = index % len(CLASS_NAMES)
    pixels = _picture(OBJECTS[CLASS_NAMES[label]], rng)
    return Image.fromarray((pixels * 255).round().astype(np.uint8)), label


def shape_images(split: str, n: int, seed: int = 0) -> Iterator[tuple[Image.Image, int]]:
    """The first `n` images of a split with their labels, made one at a time."""
    return (shape_image(split, index, seed) for index in range(n))


def _generator(split: str, index: int, seed: int) -> Generator:
    if split not in SPLITS:
        raise UsageError(
            f"{split!r} is no split of sample:shapes; expected train, val or test; "
            f"{nearest_names(split, SPLITS) or 'try split=test'}"
        )
    if index < 0 or seed < 0:
        raise UsageError(f"index {index} and seed {seed} must not be negative; try seed=0")
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


# Colour ------------------------------------------------------------------------------------------


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


# Light and background ----------------------------------------------------------------------------


def _ramp(rng: Generator) -> Mask:
    """A plane that rises from -1 to 1 in a random direction."""
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
    """Two neighbouring colours mixed by one of the textures."""
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


# Painting ----------------------------------------------------------------------------------------


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
