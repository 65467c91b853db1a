"""What a command does first: cheap refusals before torch is loaded, then a word while it loads.

Every file that was typed is looked for here, by the functions that refuse it later in the same
words: a typing error is answered within a second.
"""

import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from blindspots.cli.options import Output
from blindspots.errors import UsageError, can_compute, plain_text
from blindspots.images.classes import read_class_table
from blindspots.images.sources import check_spec
from blindspots.models.schemes import check_files, check_weights, parse_model_spec
from blindspots.progress import Reporter
from blindspots.schema import LPIPS_DOWNLOAD
from blindspots.specs import read_text


def check_typed(
    models: Sequence[str] = (),
    images: str | None = None,
    *,
    classes: Path | None = None,
    pairs: Path | None = None,
    weights: Path | None = None,
) -> None:
    """Refuse what can be refused of specs and files without a model, and without torch.

    `pairs`: the CSV file of `--pairs`; `weights`: the file of `--lpips-weights`.
    """
    for spec in models:
        check_files(parse_model_spec(spec))
    if images is not None:
        check_spec(images)
    if classes is not None:
        read_class_table(classes)
    if pairs is not None:
        read_text(pairs, f"--pairs {pairs}")
    if weights is not None and str(weights) != LPIPS_DOWNLOAD:
        check_weights(weights)


def check_image_files(*files: Path) -> None:
    for path in files:
        try:
            path.open("rb").close()
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(f"{path} cannot be read ({reason}); expected an image file") from error


def start(output: Output) -> Reporter:
    reporter = Reporter(output.quiet)
    # Where torch is not installed, the refusal is all there is to say.
    with reporter.busy("loading torch") if can_compute() else nullcontext():
        from blindspots.engine.device import keep_freed_memory
    keep_freed_memory()
    return reporter


def typed_command() -> str:
    """The command as it was typed, for what keeps it; what is no text in it is written out."""
    return plain_text(shlex.join(["blindspots", *sys.argv[1:]]))
