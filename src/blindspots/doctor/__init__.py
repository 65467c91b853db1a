"""Preflight: looks at a model before anyone trusts a result of it."""

from blindspots.doctor.admit import admit
from blindspots.doctor.diagnose import diagnose
from blindspots.doctor.finding import Finding, Level, wrong_names

__all__ = [
    "Finding",
    "Level",
    "admit",
    "diagnose",
    "wrong_names",
]
