"""`exported:FILE`: a program that `torch.export` saved, with bit-equal logits and gradients."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from blindspots.errors import UsageError, first_line
from blindspots.models.classifier import Classifier
from blindspots.models.schemes import exported_file
from blindspots.models.spec_options import SourceInfo, assemble, model_options, refuse_others
from blindspots.settings import Trust
from blindspots.specs import Spec

_DIMS = 4


class Exported(nn.Module):
    """An exported program as a module whose mode can be set; the program itself has only one."""

    def __init__(self, program: Any) -> None:
        super().__init__()
        code = program.graph_module.code.encode()
        self.digest = hashlib.sha256(code).hexdigest()[:16]
        self.program = program.module()

    def train(self, mode: bool = True) -> "Exported":
        self.training = mode
        return self

    def extra_repr(self) -> str:
        return f"graph={self.digest}"

    def get_extra_state(self) -> Tensor:
        """The hash of the graph, which tells programs of equal weights apart."""
        return torch.tensor(list(bytes.fromhex(self.digest)), dtype=torch.uint8)

    def forward(self, images: Tensor) -> Any:
        return self.program(images)


def load(spec: Spec, trust: Trust) -> Classifier:
    """The program in the file; its input size is that of the example it was exported with.

    Refused without `trust.file`, because reading one unpickles.
    """
    options = model_options(spec)
    refuse_others(spec, options)
    path = exported_file(spec)
    if options.weights is not None:
        raise UsageError(
            f"{spec} was given; an exported program has its weights inside; leave it away"
        )
    if not trust.file:
        raise UsageError(
            f"{spec} is unpickled when it is read, which can run code from it; where you trust "
            "the file, add --trust-file (in Python trust_file=True)"
        )
    program = _read(path)
    _check_mode(spec, program)
    shape = _input_shape(spec, program)
    size = options.size or _fixed(shape[-2:]) or _example_size(program)
    if size is None:
        raise UsageError(
            f"{spec} does not say its input size; add size=224, or what it was built for"
        )
    return assemble(spec, options, Exported(program), SourceInfo(size=size))


def _read(path: Path) -> Any:
    try:
        return torch.export.load(path)
    except Exception as error:
        raise UsageError(
            f"{path} cannot be read as an exported program ({type(error).__name__}: "
            f"{first_line(error)}); save it with torch.export.save"
        ) from error


def _input_shape(spec: Spec, program: Any) -> tuple[Any, ...]:
    names = program.graph_signature.user_inputs
    inputs = [node for node in program.graph.nodes if node.op == "placeholder"]
    shapes = [tuple(node.meta["val"].shape) for node in inputs if node.name in names]
    if len(shapes) != 1 or len(shapes[0]) != _DIMS:
        raise UsageError(
            f"{spec} takes {len(shapes)} inputs of the shapes {shapes}; expected one, of the shape "
            "(batch, 3, height, width); export the model with such an example"
        )
    if isinstance(shapes[0][0], int):
        raise UsageError(
            f"{spec} was exported for a batch of exactly {shapes[0][0]}; expected any batch; "
            "export it with dynamic_shapes=({0: torch.export.Dim('batch')},) and two images"
        )
    return shapes[0]


def _fixed(sides: tuple[Any, ...]) -> tuple[int, int] | None:
    height, width = sides
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _example_size(program: Any) -> tuple[int, int] | None:
    if not program.example_inputs:
        return None
    positional, named = program.example_inputs
    (example,) = (*positional, *named.values())
    return tuple(example.shape[-2:])


def _check_mode(spec: Spec, program: Any) -> None:
    """Refuse a graph in which dropout or the statistics of a batch are switched on."""
    for node in program.graph.nodes:
        flag = _TRAINING_ARGUMENT.get(str(node.target).partition(".default")[0])
        if flag is not None and len(node.args) > flag and node.args[flag] is True:
            raise UsageError(
                f"{spec} was exported in training mode ({node.target}); its answers would depend "
                "on chance or on the batch; export model.eval()"
            )


_TRAINING_ARGUMENT = {"aten.dropout": 2, "aten.batch_norm": 5}
