"""Preflight: looks at a model before anyone trusts a result of it."""

from blindspots.doctor.admit import admit
from blindspots.doctor.diagnose import diagnose
from blindspots.doctor.finding import Finding, Level, wrong_names
from blindspots.doctor.preflight import check_differentiable, preflight

__all__ = [
    "Finding",
    "Level",
    "admit",
    "check_differentiable",
    "diagnose",
    "preflight",
    "wrong_names",
]
