"""Preflight: looks at a model before anyone trusts a result of it."""

from blindspots.diagnosis.diagnose import diagnose
from blindspots.diagnosis.sample import Finding, Level, admit, wrong_names

__all__ = [
    "Finding",
    "Level",
    "admit",
    "diagnose",
    "wrong_names",
]
