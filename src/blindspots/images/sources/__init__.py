"""From a spec to an `ImageSet`: one module per scheme, all named in one table.

| spec | what is listed |
|---|---|
| `folder:DIR` | image files: one sub-folder a class, or flat and without labels |
| `files:a.jpg,b.png` | the named image files, without labels |
| `parquet:FILE` | the rows of Parquet files as Hugging Face writes them |
| `hf:ORG/NAME:SPLIT`, `hf:DIR:SPLIT` | a data set of the Hugging Face hub, or one on the disk |
| `torchvision:CIFAR10?root=DIR` | a data set as torchvision keeps it on the disk |
| `webdataset:SHARD-{000..003}.tar` | the samples of WebDataset shards |
| `sample:shapes?split=test&n=100&seed=0` | the embedded generator's images (these defaults) |
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindspots.images.classes import ClassTable, read_class_table, read_mapping
from blindspots.images.listing import Listing
from blindspots.images.sources.embedded_sample import list_sample
from blindspots.images.sources.files import (
    MAP,
    check_files,
    check_folder,
    list_files,
    list_folder,
    named_files,
)
from blindspots.images.sources.huggingface import list_huggingface
from blindspots.images.sources.parquet_files import list_parquet
from blindspots.images.sources.torchvision_sets import list_torchvision
from blindspots.images.sources.webdataset import list_webdataset
from blindspots.progress import Reporter, silent
from blindspots.specs import Spec, parse_spec, user_path

if TYPE_CHECKING:
    from blindspots.images.imageset import ImageSet
    from blindspots.images.labels import Viewer

_EXAMPLE = "folder:photos"

_SCHEMES: Mapping[str, Callable[[Spec, Reporter], Listing]] = {
    "files": list_files,
    "folder": list_folder,
    "hf": list_huggingface,
    "parquet": list_parquet,
    "sample": list_sample,
    "torchvision": list_torchvision,
    "webdataset": list_webdataset,
}
# What can be refused before anything is read.
_CHECKS: Mapping[str, Callable[[Spec], object]] = {
    "files": check_files,
    "folder": check_folder,
    "parquet": lambda spec: named_files(spec, spec.name),
}


def check_spec(text: str) -> None:
    spec = parse_spec(text, _SCHEMES, _EXAMPLE)
    if spec.scheme in _CHECKS:
        _CHECKS[spec.scheme](spec)


def local_folders(text: str) -> list[Path]:
    """The folders of this machine below which a spec's images may lie."""
    scheme, _, rest = text.partition(":")
    spec = parse_spec(text, _SCHEMES, _EXAMPLE) if scheme in _SCHEMES else Spec(scheme, rest)
    named = {
        "folder": (spec.name,),
        "hf": (spec.name, spec.name.rpartition(":")[0]),
        "torchvision": (spec.options.get("root", ""),),
    }
    return [user_path(name).resolve() for name in named.get(scheme, ()) if name]


def load_images(
    spec: Any,
    model: "Viewer | None" = None,
    *,
    classes: ClassTable | str | Path | None = None,
    reporter: Reporter | None = None,
) -> "ImageSet":
    """The images that a spec names, or that are in memory already, as `model` sees them.

    `spec`: a spec such as "folder:photos"; or a list of PIL images; or a data set, whose items are
    images or (image, class) pairs; or a float tensor `(images, 3, height, width)` in [0, 1]; or
    that tensor with its classes, (images, classes). Classes in memory are the model's own indices,
    or names where the data set has `classes`; images in memory are rounded to 8 bits.
    `model`: a `Classifier`, which gives the geometry and the classes; None: images keep their size,
    and the source's classes in its own order are the classes. `classes`: a table or a file that
    says which class each folder is (see `read_class_table`); None: the model's own classes, as
    `label_images` says. Every scheme takes `map=`, which says which class of the model each class
    of the source is (see `read_mapping`). `reporter`: shows the progress of a long listing.

    Every image's bytes are read once now: its hash makes the id, and its header and end are
    checked, so that unreadable ones are known (`skipped`). They are read again and decoded whenever
    its pixels are asked for. Refused: an unknown scheme or option, a source without a readable
    image, and classes whose mapping would be a guess.
    """
    from blindspots.images.imageset import ImageSet
    from blindspots.images.sources.in_memory import list_in_memory

    table = read_class_table(classes) if isinstance(classes, str | Path) else classes
    if not isinstance(spec, str):
        held, own = list_in_memory(spec, reporter or silent())
        return ImageSet(held, model, table, mapping=None if table else own)
    parsed = parse_spec(spec, _SCHEMES, _EXAMPLE)
    options = dict(parsed.options)
    said = options.pop(MAP, None)
    mapping = None if said is None else read_mapping(said)
    plain = Spec(parsed.scheme, parsed.name, options)
    return ImageSet(
        _SCHEMES[parsed.scheme](plain, reporter or silent()), model, table, mapping=mapping
    )
