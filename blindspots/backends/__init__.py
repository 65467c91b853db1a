"""Where a run is worked on: in this process, in several, or on a cluster; rows are the same."""

from blindspots.backends.base import Backend, Job
from blindspots.backends.serial import Serial

__all__ = ["Backend", "Job", "Serial"]
