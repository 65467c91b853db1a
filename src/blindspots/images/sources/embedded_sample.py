"""`sample:shapes?split=test&n=100&seed=0`: the embedded generator's images; and `sample:photos`.

The photographs come with scikit-image: free of rights (CC0, or of NASA), so their classes are what
a model says of them.
"""

from functools import lru_cache, partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from blindspots.errors import UsageError
from blindspots.images.collect import Entry, collect
from blindspots.images.listing import Item, Listing, image_id
from blindspots.images.shapes import CLASS_NAMES, shape_image
from blindspots.images.sources.files import read_file, said_options, whole_number
from blindspots.progress import Reporter
from blindspots.specs import Spec

# Coffee: Rachel Michetti; cat: Stefan van der Walt; both CC0. Rocket: SpaceX, CC0.
PHOTOS = {"cat.png": "chelsea.png", "coffee.png": "coffee.png", "rocket.jpg": "rocket.jpg"}
# An image is drawn to be listed, then to be looked at; a thousand take 12 MB.
_drawn = lru_cache(maxsize=1000)(shape_image)


def list_sample(spec: Spec, reporter: Reporter) -> Listing:
    """The first `n` images of a split; refused where there is no such sample, split or number."""
    if spec.name == "photos":
        return _list_photos(spec, reporter)
    if spec.name != "shapes":
        raise UsageError(f"there is no sample:{spec.name}; type sample:shapes or sample:photos")
    said = said_options(spec, {"split": "test", "n": "100", "seed": "0"})
    count = whole_number(spec, "n", said["n"], 1)
    seed = whole_number(spec, "seed", said["seed"], 0)
    items = [_shape(said["split"], index, seed) for index in range(count)]
    return Listing(str(spec), items, tuple(CLASS_NAMES), kind="generated")


def _list_photos(spec: Spec, reporter: Reporter) -> Listing:
    said_options(spec, {})
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise UsageError(
            f"{spec} needs skimage, which is not installed; type pip install 'blindspots[photos]'"
        )
    folder = Path(package.origin).parent / "data"
    entries = [
        Entry(name, None, partial(read_file, folder / file)) for name, file in PHOTOS.items()
    ]
    return collect(str(spec), entries, len(entries), reporter)


def _shape(split: str, index: int, seed: int) -> Item:
    image, label = _drawn(split, index, seed)
    content = sha256(image.tobytes()).hexdigest()
    name = f"{split}/{CLASS_NAMES[label]}-{index:05d}.png"
    drawn = partial(_draw, split, index, seed)
    return Item(image_id(name, content), name, CLASS_NAMES[label], image.size, content, drawn)


def _draw(split: str, index: int, seed: int) -> Image.Image:
    return _drawn(split, index, seed)[0].copy()
