"""Time and memory of one command line, as it is typed: `python -m benchmarks.command report DIR`.

Prints what the command prints, then a line of JSON: seconds, seconds of the processor, MiB at the
peak; all with what the command imports, which is what it takes to be typed.
"""

import json
import sys
import time
from pathlib import Path

import blindspots.cli.main as app


def peak_memory() -> float:
    """The most memory this program has had, in MiB, as Linux tells it."""
    # getrusage would count what the process that started this one had.
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("expected a line VmHWM in /proc/self/status; it is there on Linux alone")


def main() -> None:
    """Run the command and tell what it took."""
    began = time.perf_counter()
    status = app.call(sys.argv[1:])
    row = {
        "seconds": time.perf_counter() - began,
        "worked": time.process_time(),
        "peak": peak_memory(),
    }
    print(json.dumps(row))
    sys.exit(status)


if __name__ == "__main__":
    main()
