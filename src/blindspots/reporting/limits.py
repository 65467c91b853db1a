"""A gate for continuous integration: a run's numbers against limits. No torch here."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isclose, isfinite
from typing import Any, Literal
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

from blindspots.errors import LimitExceeded, UsageError
from blindspots.reporting.selection import named_models
from blindspots.reporting.tables import build_table
from blindspots.schema import PAIRS
from blindspots.specs import nearest_names
from blindspots.store.reader import Run, finite, of_model

_ROUNDING = 1e-9
TABLES = ("summary", "confidence", "distance")


@dataclass(frozen=True)
class Limit:
    """A bound of a column; `kind` max: at most `bound`, min: at least."""

    kind: Literal["max", "min"]
    column: str
    bound: float

    def holds(self, value: float) -> bool:
        if isclose(value, self.bound, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
            return True
        return value <= self.bound if self.kind == "max" else value >= self.bound


@dataclass(frozen=True)
class LimitResult:
    """A limit and what a model has: `value` is None, and `reason` says why, where not known."""

    model: str
    column: str
    kind: str
    bound: float
    value: float | None
    broken: bool
    reason: str = ""

    def text(self) -> str:
        sign = "≤" if self.kind == "max" else "≥"
        value = self.reason if self.value is None else _plain(self.value)
        verdict = "broken" if self.broken else "holds"
        return f"{verdict:<7} {self.model}  {self.column} {value}  ({sign} {_plain(self.bound)})"


@dataclass(frozen=True)
class Check:
    run: str
    findings: tuple[LimitResult, ...]

    @property
    def broken(self) -> tuple[LimitResult, ...]:
        return tuple(finding for finding in self.findings if finding.broken)

    def as_json(self) -> dict[str, Any]:
        findings = [asdict(finding) for finding in self.findings]
        return {"run": self.run, "holds": not self.broken, "findings": findings}

    def as_junit(self) -> str:
        """The findings as JUnit's XML, a test case per model and limit, for what shows tests."""
        count, broken = str(len(self.findings)), str(len(self.broken))
        suite = Element("testsuite", name="blindspots check", tests=count, failures=broken)
        for one in self.findings:
            name = f"{one.column} {one.kind} {_plain(one.bound)}"
            case = SubElement(suite, "testcase", classname=one.model, name=name)
            if one.broken:
                SubElement(case, "failure", message=_sentence(one)).text = one.text()
        return tostring(suite, encoding="unicode") + "\n"

    def raise_if_broken(self, *, named: bool = True) -> None:
        """Raise `LimitExceeded` where a limit is broken; `named`: its text says which."""
        if self.broken:
            words = "; ".join(_sentence(finding) for finding in self.broken)
            said = f"{len(self.broken)} of {len(self.findings)} limits broken"
            raise LimitExceeded(f"{said}: {words}" if named else said)


def check_run(run: Run, limits: Sequence[Limit], models: Sequence[str] = ()) -> Check:
    """Each model's numbers against each limit, aggregated as in the tables.

    A value that is not known breaks its limit, and so does one of which a pair's part is missing
    or NaN. Refused where a column is unknown, no limit is given, or the run is not finished.
    """
    if not limits:
        raise UsageError(
            "no limit was given; expected at least one, as in --max reach=0.99, or "
            "run.check(max={'reach': 0.99})"
        )
    if not run.finished:
        raise UsageError(
            f"{run.path} is not finished, so more rows will come; finish it with the command that "
            "began it, then check it"
        )
    values = _values(run)
    chosen = named_models(run, models)
    if not chosen:
        raise UsageError(f"{run.path} holds no model; expected a run with pairs")
    for limit in limits:
        _check_column(limit, values)
    findings = (_finding(run, model, limit, values) for model in chosen for limit in limits)
    return Check(str(run.path), tuple(findings))


def _values(run: Run) -> dict[str, dict[str, float | None]]:
    """Model → column → mean; where two tables have a column, the summary's."""
    values: dict[str, dict[str, float | None]] = {facts.name: {} for facts in run.models}
    for kind in reversed(TABLES):
        for row in build_table(run, kind).rows:
            if row.origin == "run":
                values[row.label] |= {key: cell.mean for key, cell in row.cells.items()}
    return values


def _check_column(limit: Limit, values: Mapping[str, Mapping[str, float | None]]) -> None:
    known = {column for row in values.values() for column in row}
    if limit.column not in known:
        hint = nearest_names(limit.column, sorted(known)) or "expected a column of the summary"
        raise UsageError(
            f"--{limit.kind} {limit.column}={limit.bound:g} was given, which names no column of "
            f"the summary; {hint}; type it as in --max reach=0.99"
        )


def _finding(
    run: Run, model: str, limit: Limit, values: Mapping[str, Mapping[str, float | None]]
) -> LimitResult:
    value = values[model].get(limit.column)
    reason = _unknown(run, model, limit.column, value)
    known = None if reason else value
    broken = known is None or not limit.holds(known)
    return LimitResult(model, limit.column, limit.kind, limit.bound, known, broken, reason)


def _unknown(run: Run, model: str, column: str, value: float | None) -> str:
    """Why a value cannot be relied on; empty where it can."""
    values = _stored(run, model, column)
    if missing := int(np.isnan(values).sum()):
        return f"is not known for {missing} of {len(values)} rows"
    if value is None or not isfinite(value):
        return "is not known"
    return ""


def _stored(run: Run, model: str, column: str) -> np.ndarray:
    """What a column's mean is over, NaN where it is not known; nothing where it is a count."""
    stored = "source_linf" if column == "source_linf_epsilons" else column
    if stored in PAIRS.names:
        return finite(run.columns.pairs_of(model, started=True, names=[stored])[stored])
    if column == "mean" or column.startswith("fraction"):
        return finite(of_model(run.columns.triangles, model)[column])
    return np.zeros(0)


def _sentence(finding: LimitResult) -> str:
    name = f"{finding.column} of {finding.model}"
    if finding.value is None:
        return f"{name} {finding.reason}"
    side = "above" if finding.kind == "max" else "below"
    return f"{name} is {_plain(finding.value)}, {side} {_plain(finding.bound)}"


def _plain(value: float) -> str:
    return f"{value:.6g}"
