"""What a check found, why it matters and what to type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad a finding is: `wrong` would make results wrong, `note` is worth knowing."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One answer of the doctor.

    `name`: the check. `found`, `why`, `remedy`: what was found, why it matters, what to type (empty
    where nothing is to be done). `values`: the figures behind `found`.
    """

    name: str
    level: Level
    found: str
    why: str
    remedy: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The finding as plain data."""
        return {**asdict(self), "level": self.level.value, "values": dict(self.values)}


def findings_of(name: str, why: str) -> Callable[..., Finding]:
    """What makes the findings of one check, from level, found, remedy and values."""

    def made(
        level: Level, found: str, remedy: str = "", values: Mapping[str, Any] | None = None
    ) -> Finding:
        return Finding(
            name=name, level=level, found=found, why=why, remedy=remedy, values=values or {}
        )

    return made


def wrong_names(findings: Sequence[Finding]) -> list[str]:
    """The checks whose findings would make results wrong, in order, each once."""
    return list(dict.fromkeys(one.name for one in findings if one.level is Level.WRONG))
