"""Preflight: looks at a model before anyone trusts a result of it."""

from blindspots.doctor.diagnose import diagnose
from blindspots.doctor.sample import Finding, Level, admit, wrong_names

__all__ = [
    "Finding",
    "Level",
    "admit",
    "diagnose",
    "wrong_names",
]
