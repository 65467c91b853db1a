"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from blindspots.errors import visible

SECONDS_BETWEEN_LINES = 10.0


@runtime_checkable
class Ticker(Protocol):
    """Hears how much work was done."""

    def __call__(self, amount: float, /) -> None:
        """Add `amount` to what is done."""
        ...


class Reporter:
    """Says on standard error what is going on; standard output stays for results."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def watched(self) -> bool:
        """Whether somebody looks on: at a terminal or in a notebook."""
        return self.console.is_terminal or self.console.is_jupyter

    def say(self, text: str) -> None:
        """A line of its own."""
        if not self.quiet:
            self.console.print(visible(text), markup=False)

    def warn(self, text: str) -> None:
        """A line that is said even when quiet was asked for."""
        self.console.print(f"warning: {visible(text)}", markup=False, style="yellow")

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Say what goes on while nothing can be counted: with a clock on a terminal."""
        if self.quiet:
            yield
        elif self.console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            with Progress(*columns, console=self.console, transient=True) as shown:
                shown.add_task(visible(what), total=None)
                yield
        else:
            self.say(f"{what} …")
            yield

    @contextmanager
    def work(self, what: str, total: float, unit: str) -> Iterator[Ticker]:
        """Count up to `total` units; what it yields is told each amount done."""
        if self.quiet or total <= 0:
            yield lambda _amount: None
        elif self.console.is_terminal or _notebook(self.console):
            with _bar(self.console, unit) as bar:
                task = bar.add_task(visible(what), total=total)
                yield lambda amount: bar.advance(task, amount)
        else:
            lines = _Lines(self, what, total, unit)
            yield lines.advance
            lines.end()


def _notebook(console: Console) -> bool:
    # Rich moves a bar in a notebook with ipywidgets; without them it would print a warning.
    return console.is_jupyter and find_spec("ipywidgets") is not None


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} {self.unit}/s" if task.speed else f"– {self.unit}/s")


class _Lines:
    def __init__(self, reporter: Reporter, what: str, total: float, unit: str) -> None:
        self.reporter, self.what, self.total, self.unit = reporter, what, total, unit
        self.done, self.started = 0.0, time.monotonic()
        self.said = self.started

    def advance(self, amount: float) -> None:
        self.done += amount
        now = time.monotonic()
        if now - self.said >= SECONDS_BETWEEN_LINES:
            self.said = now
            rate = self.done / (now - self.started)
            left = (self.total - self.done) / rate if rate else 0
            self.reporter.say(
                f"{self.what}: {self.done:,.0f} of {self.total:,.0f} {self.unit}, "
                f"{rate:,.0f}/s, {left:,.0f} s left"
            )

    def end(self) -> None:
        seconds = time.monotonic() - self.started
        self.reporter.say(f"{self.what}: {self.done:,.0f} {self.unit} in {seconds:.1f} s")


def _bar(console: Console, unit: str) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
    )


def silent() -> Reporter:
    """A reporter that says nothing but warnings."""
    return Reporter(quiet=True)
