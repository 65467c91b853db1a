"""`blindspots …`: dispatch, and the exit statuses."""

import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper

from cyclopts import App, CycloptsError
from rich.console import Console

from blindspots.errors import BlindspotsError
from blindspots.store.atomic import storage_failure

USAGE, INTERRUPTED = 2, 130

app = App(
    name="blindspots",
    help="Find, measure and show the blind spots of vision models.",
    version=lambda: version("blindspots"),
    help_epilogue=(
        "Exit status: 0 done; 1 the work failed on the way, finished pairs are kept; "
        "2 refused, nothing written; 3 a checked limit is broken; "
        "130 interrupted, finished pairs are kept."
    ),
    suppress_keyboard_interrupt=False,
    result_action="return_none",
)
zoo = App(name="zoo", help="Train or check the embedded models.")
app.command("blindspots.cli.run_command:demo", name="demo")
app.command("blindspots.cli.run_command:run", name="run")
app.command("blindspots.cli.scale_commands:merge", name="merge")
app.command("blindspots.cli.scale_commands:estimate", name="estimate")
app.command("blindspots.cli.pair_commands:traverse", name="traverse")
app.command("blindspots.cli.pair_commands:sensitivity", name="sensitivity")
app.command("blindspots.cli.show_commands:table", name="table")
app.command("blindspots.cli.show_commands:report", name="report")
app.command("blindspots.cli.show_commands:verify", name="verify")
app.command("blindspots.cli.transfer_command:transfer", name="transfer")
app.command("blindspots.cli.figure_commands:plot", name="plot")
app.command("blindspots.cli.figure_commands:widths", name="widths")
app.command("blindspots.cli.check_commands:compare", name="compare")
app.command("blindspots.cli.check_commands:check", name="check")
app.command("blindspots.cli.explore_command:explore", name="explore")
app.command("blindspots.cli.model_commands:models", name="models")
app.command("blindspots.cli.doctor_command:doctor", name="doctor")
zoo.command("blindspots.cli.model_commands:train", name="train")
zoo.command("blindspots.cli.model_commands:evaluate", name="evaluate")
app.command(zoo)
leaderboard = App(name="leaderboard", help="Claims on fixed pairs that carry their proof.")
for _name in ("protocols", "draw", "run", "submit", "verify", "merge", "build"):
    leaderboard.command(f"blindspots.cli.leaderboard_commands:{_name}", name=_name)
app.command(leaderboard)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Names of files and classes may hold what this terminal cannot show.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(call(list(sys.argv[1:] if arguments is None else arguments)))


def call(arguments: list[str]) -> int:
    """The exit status of a command; what goes wrong is one sentence on standard error."""
    try:
        with warnings.catch_warnings():
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
        return _say(f"{storage_failure(error)}; mend that, then the same command goes on", 1)
    return 0


def _say(text: str, status: int) -> int:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"blindspots: {text}", markup=False)
    return status


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    _say(f"warning: {_one_line(str(message))}", 0)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith("...") else line.rstrip(".")


def _command(arguments: Sequence[str]) -> str:
    known = [name for name in arguments[:1] if name in app]
    return f"{known[0]} " if known else ""
