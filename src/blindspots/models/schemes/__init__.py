"""Where models come from: one small module per scheme, all named in one table.

| spec | what is loaded |
|---|---|
| `zoo:NAME` | a model that comes with this package |
| `timm:NAME[.TAG]` | timm's architecture, with published weights or those of `weights=FILE` |
| `timm:local-dir:DIR`, `timm:hf_hub:ORG/NAME` | what timm saved |
| `torchvision:NAME[:WEIGHTS]` | torchvision's, likewise |
| `hf:ORG/NAME`, `hf:DIRECTORY` | an image classifier or a vision backbone of transformers |
| `clip:MODEL[:WEIGHTS]` | CLIP as a zero-shot classifier, or its image embedding |
| `robustbench:NAME` | a RobustBench checkpoint |
| `madrylab:NAME` | a checkpoint of the Madry lab's robust ImageNet models |
| `exported:FILE` | a program that `torch.export` saved; runs code from it |
| `python:PACKAGE.MODULE:FACTORY` | what a function of an importable module returns; runs it |
| `file:FILE.py:FACTORY` | what a function of a Python file returns; runs it |

A scheme is a function `(Spec, Trust) → Classifier`. It imports its library inside. Weights are read
from safetensors, or as state dicts with `weights_only=True`; nothing else.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from blindspots.errors import UsageError
from blindspots.models.catalog import EXAMPLE, PACKAGED, ZOO, check_name
from blindspots.settings import Trust
from blindspots.specs import Spec, parse_spec, user_path

if TYPE_CHECKING:
    from blindspots.models.classifier import Classifier

_WEIGHTS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")

Scheme = Callable[[Spec, Trust], "Classifier"]


def _lazy(module: str, function: str = "load") -> Scheme:
    """A scheme whose module, and so torch, is imported when a model is loaded."""

    def load(spec: Spec, trust: Trust) -> "Classifier":
        return getattr(import_module(f"{__name__}.{module}"), function)(spec, trust)

    return load


SCHEMES: Mapping[str, Scheme] = {
    "zoo": _lazy("embedded"),
    "timm": _lazy("timm"),
    "torchvision": _lazy("torchvision"),
    "hf": _lazy("hf"),
    "clip": _lazy("clip"),
    "robustbench": _lazy("robustbench"),
    "madrylab": _lazy("madrylab"),
    "exported": _lazy("exported"),
    "python": _lazy("python_factory", "load_from_module"),
    "file": _lazy("python_factory", "load_from_file"),
}
# Their specs name code that is run without a question, which only whoever types one may do.
CODE_SCHEMES = frozenset({"python", "file"})
# What their models want to be shown is published nowhere: the user says it, or it is assumed.
UNPUBLISHED = CODE_SCHEMES | {"exported"}

_EXPORT = (
    "export the model as a .pt2 instead, with "
    "batch = {0: torch.export.Dim('batch')}; torch.export.save(torch.export.export("
    "model.eval(), (torch.rand(2, 3, 224, 224),), dynamic_shapes=(batch,)), 'model.pt2') "
    "and type exported:model.pt2 --trust-file"
)
_UNOFFERED = {
    "onnx": "no library that reads ONNX gives the gradient with respect to the image",
    "torchscript": "TorchScript is deprecated in torch",
}


def parse_model_spec(text: str) -> Spec:
    """The parts of a model spec; refused where it is malformed or its scheme is not offered."""
    scheme, colon, _ = text.partition(":")
    if scheme in _UNOFFERED:
        raise UsageError(f"{text} was given; {_UNOFFERED[scheme]}; {_EXPORT}")
    name = text.partition("?")[0]
    if not colon and (meant := _meant_file(name) or _meant_name(name)):
        raise UsageError(f"{text!r} names no known scheme; did you mean {' or '.join(meant)}?")
    return parse_spec(text, SCHEMES, EXAMPLE)


def check_files(spec: Spec) -> None:
    """Refuse a spec that names a file or a zoo model which is not there; no library is loaded."""
    if spec.scheme == "zoo" and spec.name != PACKAGED:
        check_name(spec.name)
    if spec.scheme == "file":
        python_file(spec)
    if spec.scheme == "exported":
        exported_file(spec)
    if "weights" in spec.options:
        check_weights(user_path(spec.options["weights"]))


def python_file(spec: Spec) -> tuple[Path, str]:
    """The file and the function of `file:FILE.py:FUNCTION`; refused where there is no such file."""
    file, function = function_of(spec, "file:model.py:factory")
    path = user_path(file)
    if path.suffix != ".py" or not path.is_file():
        raise UsageError(
            f"{spec} names no Python file ({path}); type file:model.py:factory?size=224"
        )
    return path, function


def function_of(spec: Spec, example: str) -> tuple[str, str]:
    """Where a function is, and its name; refused where the spec names none."""
    where, _, function = spec.name.rpartition(":")
    if not where or not all(part.isidentifier() for part in function.split(".")):
        raise UsageError(f"{spec} does not name a function; write it as in {example}?size=224")
    return where, function


def exported_file(spec: Spec) -> Path:
    path = user_path(spec.name)
    if not path.is_file():
        raise UsageError(f"{spec} names no file ({path}); type exported:model.pt2 --trust-file")
    return path


def check_weights(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"there is no weights file {path}; give a .safetensors or .pth file")


def _meant_file(name: str) -> list[str]:
    """What a path without a scheme may have meant."""
    path = Path(name)
    kinds = {
        f"timm:ARCHITECTURE?weights={name}": path.suffix in _WEIGHTS,
        f"file:{name}:FUNCTION?size=224": path.suffix == ".py",
        f"exported:{name}": path.suffix == ".pt2",
        f"hf:{name}": path.is_dir(),
    }
    return [meant for meant, holds in kinds.items() if holds]


def _meant_name(name: str) -> list[str]:
    if name in ZOO:
        return [f"zoo:{name}"]
    if "/" in name:
        return []
    return [f"{scheme}:{name}" for scheme, holds in _holders(name).items() if holds and name]


def _holders(name: str) -> dict[str, bool]:
    import timm as timm_library
    from torchvision import models

    from blindspots.models.schemes import madrylab, robustbench

    return {
        "timm": timm_library.is_model(name),
        "torchvision": name in models.list_models(module=models),
        "robustbench": name in robustbench.CARDS,
        "madrylab": name in madrylab.NAMES,
    }
