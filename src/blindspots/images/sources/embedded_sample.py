"""`sample:shapes?split=test&n=100&seed=0`: the embedded generator's images."""

from functools import partial
from hashlib import sha256

from PIL import Image

from blindspots.errors import UsageError
from blindspots.images.listing import Item, Listing, image_id
from blindspots.images.sources.files import said_options, whole_number
from blindspots.progress import Reporter
from blindspots.specs import Spec


def list_sample(spec: Spec, reporter: Reporter) -> Listing:
    """The first `n` images of a split; refused where there is no such sample, split or number."""
    del reporter
    from blindspots.images.shapes import CLASS_NAMES

    if spec.name != "shapes":
        raise UsageError(f"there is no sample:{spec.name}; type sample:shapes")
    said = said_options(spec, {"split": "test", "n": "100", "seed": "0"})
    count = whole_number(spec, "n", said["n"], 1)
    seed = whole_number(spec, "seed", said["seed"], 0)
    items = [_shape(said["split"], index, seed) for index in range(count)]
    return Listing(str(spec), items, tuple(CLASS_NAMES), kind="generated")


def _shape(split: str, index: int, seed: int) -> Item:
    from blindspots.images.shapes import CLASS_NAMES, shape_image

    image, label = shape_image(split, index, seed)
    content = sha256(image.tobytes()).hexdigest()
    name = f"{split}/{CLASS_NAMES[label]}-{index:05d}.png"
    drawn = partial(_draw, split, index, seed)
    return Item(image_id(name, content), name, CLASS_NAMES[label], image.size, content, drawn)


def _draw(split: str, index: int, seed: int) -> Image.Image:
    from blindspots.images.shapes import shape_image

    return shape_image(split, index, seed)[0]
