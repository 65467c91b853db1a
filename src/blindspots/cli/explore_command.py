"""`blindspots explore`: the live application in the browser."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from blindspots.cli.options import (
    REPEATED,
    SWITCH,
    ModelFlags,
    Output,
    RunPlace,
    model_specs,
)
from blindspots.cli.startup import check_typed, start
from blindspots.errors import UsageError
from blindspots.store.paths import Place
from blindspots.store.reader import Run

DEFAULT_OUTPUT, DEFAULT_MODEL = Output(), ModelFlags()
DEFAULT_IMAGES = "sample:shapes"
NEEDED = ("fastapi", "python_multipart", "uvicorn")


def explore(
    *,
    model: Annotated[tuple[str, ...], REPEATED] = (),
    images: str | None = None,
    run: RunPlace | None = None,
    out: Path | None = None,
    port: int = 8327,
    origin: Annotated[tuple[str, ...], REPEATED] = (),
    no_open: Annotated[bool, SWITCH] = False,
    device: str = "auto",
    model_flags: ModelFlags = DEFAULT_MODEL,
    trust_run_code: Annotated[bool, SWITCH] = False,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Watch traversals live in the browser: pick two images, see one become the other.

    Parameters
    ----------
    model
        Model spec; may be repeated. Without one the embedded models, or those of the run.
    images
        Image spec; sample:shapes unless given.
    run
        Run directory whose images and pairs to show, instead of --images.
    out
        Directory in which saved cases are made, each a small run directory; explorer-cases unless
        given.
    port
        Port on 127.0.0.1; 0 takes any free one.
    origin
        Address under which a tunnel or proxy shows the page, as http://localhost:9000; may be
        repeated.
    no_open
        Do not open a browser.
    device
        auto, cpu, cuda, cuda:1 ...
    trust_run_code
        Run the Python code that file: and python: models of the run name.
    """
    _check(images, run)
    specs = model_specs(model, model_flags)
    check_typed(specs, images, classes=model_flags.classes)
    if run is not None:
        Run(run)
    reporter = start(output)
    from blindspots.explorer.app_state import ExplorerConfig, load
    from blindspots.explorer.serve import check_origin, listen, serve
    from blindspots.models.catalog import ZOO
    from blindspots.store.paths import check_writable

    # Whoever only looks needs no place to save: it is asked for when a case is.
    if out is not None:
        check_writable(out)
    origins = [check_origin(one) for one in origin]
    connection = listen(port)
    zoo = () if run else tuple(f"zoo:{name}" for name in ZOO)
    wanted = ExplorerConfig(
        models=specs or zoo,
        images=images or DEFAULT_IMAGES,
        out=out or Path("explorer-cases"),
        run=run,
        classes=model_flags.classes,
        device=device,
        trust=replace(model_flags.trust(), run_code=trust_run_code),
    )
    show = not no_open
    with reporter.busy("loading models and images"):
        state = load(wanted)
    serve(state, connection, lambda url: _say(url, output), show=show, origins=origins)


def _check(images: str | None, run: Place | None) -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"blindspots explore needs {' and '.join(missing)}, which is not installed; "
            "type pip install 'blindspots[explore]'"
        )
    if images and run:
        raise UsageError(f"--images {images} was given beside --run {run}; give one of them")


def _say(url: str, output: Output) -> None:
    output.show(lambda: {"url": url}, lambda: f"{url}{'' if output.quiet else ' (Ctrl-C ends it)'}")
