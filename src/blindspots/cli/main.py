"""`blindspots …`: dispatch, and the exit statuses."""

import atexit
import os
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from cyclopts import CycloptsError
from rich.console import Console

from blindspots.cli.commands import app as app
from blindspots.errors import BlindspotsError, computing, shortage, visible

USAGE, INTERRUPTED = 2, 130
_GOES_ON = "mend that, then the same command goes on"


def main(arguments: Sequence[str] | None = None) -> None:
    """The program, which ends the process; `call` returns the status instead."""
    status: list[int] = []
    atexit.register(_leave, status)
    # Closed by whoever started this, and asked by many whether they are terminals.
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115  (open until the process ends)
    sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Names of files and classes may hold what this terminal cannot show.
            stream.reconfigure(errors="backslashreplace")
    status.append(call(list(sys.argv[1:] if arguments is None else arguments)))
    sys.exit(status[0])


def _leave(status: Sequence[int]) -> None:
    """After all that was registered later: memory is left to the system.

    Python would take torch apart object by object, which takes seconds.
    """
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (OSError, ValueError):
        return
    if status:
        os._exit(status[0])


def call(arguments: list[str]) -> int:
    try:
        with warnings.catch_warnings(), computing():
            warnings.showwarning = _show_warning
            app(arguments, exit_on_error=False, print_error=False, help_on_error=False)
    except CycloptsError as error:
        return _say(f"{_one_line(str(error))}; see blindspots {_command(arguments)}--help", USAGE)
    except BlindspotsError as error:
        return _say(str(error), error.exit_status)
    except KeyboardInterrupt:
        return _say("interrupted; finished pairs are kept, the same command resumes", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        from blindspots.store.atomic import storage_failure

        return _say(f"{storage_failure(error)}; {_GOES_ON}", 1)
    except (MemoryError, RuntimeError) as error:
        if short := shortage(error):
            return _say(f"{short}; {_GOES_ON}", 1)
        raise
    return 0


def _say(text: str, status: int) -> int:
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"blindspots: {visible(text)}", markup=False
    )
    return status


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    _say(f"warning: {_one_line(str(message))}", 0)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith("...") else line.rstrip(".")


def _command(arguments: Sequence[str]) -> str:
    known = [name for name in arguments[:1] if name in app]
    return f"{known[0]} " if known else ""
