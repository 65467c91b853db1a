"""What workers say to whoever leads them. No torch here."""

from typing import Literal, NamedTuple


class Ready(NamedTuple):
    """The worker is there and waits for units."""


class Started(NamedTuple):
    """A unit is begun, so another one is wanted, or the word that there is none for now."""

    number: int


class Done(NamedTuple):
    """A unit is finished: its rows and files are stored."""

    number: int


class Progress(NamedTuple):
    """So many evaluations were done, or saved, since the last such word; perhaps none yet."""

    evaluations: float


class Warned(NamedTuple):
    """Something the user should know of, in a sentence; the work goes on."""

    text: str


class Failed(NamedTuple):
    """The worker cannot go on. `error`: nobody foresaw it, so another worker may try."""

    kind: Literal["refused", "failed", "error"]
    why: str


class Died(NamedTuple):
    """A worker is no more, nor is what it had not reported; said by what stands between."""

    why: str


Word = Ready | Started | Done | Progress | Warned | Failed
