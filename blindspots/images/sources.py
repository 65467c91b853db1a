"""From a spec to an `ImageSet`: one small function a scheme, all named in one table.

| spec | what is listed |
|---|---|
| `folder:DIR` | image files: one sub-folder a class, or flat and without labels |
| `sample:shapes?split=test&n=100&seed=0` | the embedded generator's images (these defaults) |
"""

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path

from PIL import Image

from blindspots.errors import Refused
from blindspots.images.classes import ClassTable, read_class_table
from blindspots.images.folder import list_folder
from blindspots.images.imageset import ImageSet
from blindspots.images.labels import Viewer
from blindspots.images.listing import Item, Listing, image_id
from blindspots.specs import Spec, nearest_names, parse_spec

_EXAMPLE = "folder:photos"


def load_images(
    spec: str,
    model: Viewer | None = None,
    *,
    classes: ClassTable | str | Path | None = None,
) -> ImageSet:
    """The images that a spec names, as `model` sees them.

    `model`: a `Classifier`, which gives the geometry and the classes; None: images keep their size,
    and folders in sorted order are the classes. `classes`: a table or a file that says which class
    each folder is (see `read_class_table`); None: the model's own classes, as `label_folders` says.
    Every image is read and decoded once now, so that unreadable ones are known (`skipped`), and
    again whenever its pixels are asked for. Refused: an unknown scheme or option, a source without
    a readable image, and folders whose classes would be a guess.
    """
    parsed = parse_spec(spec, _SCHEMES, _EXAMPLE)
    table = read_class_table(classes) if isinstance(classes, str | Path) else classes
    return ImageSet(_SCHEMES[parsed.scheme](parsed), model, table)


def _folder(spec: Spec) -> Listing:
    _options(spec, {})
    return list_folder(str(spec), Path(spec.name).expanduser())


def _sample(spec: Spec) -> Listing:
    from blindspots.images.shapes import CLASS_NAMES

    if spec.name != "shapes":
        raise Refused(f"there is no sample:{spec.name}; type sample:shapes")
    said = _options(spec, {"split": "test", "n": "100", "seed": "0"})
    count, seed = _number(spec, "n", said["n"], 1), _number(spec, "seed", said["seed"], 0)
    items = [_shape(said["split"], index, seed) for index in range(count)]
    return Listing(str(spec), items, tuple(CLASS_NAMES), generated=True)


_SCHEMES: Mapping[str, Callable[[Spec], Listing]] = {"folder": _folder, "sample": _sample}


def _shape(split: str, index: int, seed: int) -> Item:
    from blindspots.images.shapes import CLASS_NAMES, shape_image

    image, label = shape_image(split, index, seed)
    content = sha256(image.tobytes()).hexdigest()
    name = f"{split}/{CLASS_NAMES[label]}-{index:05d}.png"
    return Item(
        image_id(name, content),
        name,
        CLASS_NAMES[label],
        image.size,
        content,
        partial(_draw, split, index, seed),
    )


def _draw(split: str, index: int, seed: int) -> Image.Image:
    from blindspots.images.shapes import shape_image

    return shape_image(split, index, seed)[0]


def _options(spec: Spec, defaults: Mapping[str, str]) -> dict[str, str]:
    unknown = [key for key in spec.options if key not in defaults]
    if unknown:
        known = ", ".join(defaults) or "none"
        raise Refused(
            f"{spec.scheme}:{spec.name} has no option {unknown[0]!r}; expected {known}; "
            f"{nearest_names(unknown[0], defaults) or f'type {spec.scheme}:{spec.name}'}"
        )
    return {**defaults, **spec.options}


def _number(spec: Spec, key: str, text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise Refused(f"{key}={text} in {spec} is not a whole number from {least}; type {key}=100")
    return int(text)
