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
from pathlib import Path

from blindspots.errors import UsageError
from blindspots.models.catalog import EXAMPLE, ZOO
from blindspots.models.classifier import Classifier
from blindspots.models.schemes import (
    clip,
    embedded,
    exported,
    hf,
    madrylab,
    python_factory,
    robustbench,
    timm,
    torchvision,
)
from blindspots.settings import Trust
from blindspots.specs import Spec, parse_spec

SCHEMES: Mapping[str, Callable[[Spec, Trust], Classifier]] = {
    "zoo": embedded.load,
    "timm": timm.load,
    "torchvision": torchvision.load,
    "hf": hf.load,
    "clip": clip.load,
    "robustbench": robustbench.load,
    "madrylab": madrylab.load,
    "exported": exported.load,
    "python": python_factory.load_from_module,
    "file": python_factory.load_from_file,
}
# Their specs name code that is run without a question, which only whoever types one may do.
CODE_SCHEMES = frozenset({"python", "file"})

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
    scheme = text.partition(":")[0]
    if scheme in _UNOFFERED:
        raise UsageError(f"{text} was given; {_UNOFFERED[scheme]}; {_EXPORT}")
    if ":" not in text and (meant := _meant(text.partition("?")[0])):
        raise UsageError(f"{text!r} names no known scheme; did you mean {' or '.join(meant)}?")
    return parse_spec(text, SCHEMES, EXAMPLE)


def _meant(name: str) -> list[str]:
    import timm as timm_library
    from torchvision import models

    holders = {
        "zoo": name in ZOO,
        "timm": timm_library.is_model(name),
        "torchvision": name in models.list_models(module=models),
        "robustbench": name in robustbench.CARDS,
        "madrylab": name in madrylab.NAMES,
        "hf": Path(name).is_dir(),
        "exported": name.endswith(".pt2"),
    }
    return [f"{scheme}:{name}" for scheme, holds in holders.items() if holds and name]
