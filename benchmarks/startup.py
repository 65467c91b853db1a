"""CPU seconds of what is typed most often, medians: an import, `--help`, and a table of a run.

    python -m benchmarks.startup [--run demo] [--times 7]

Each is a process of its own, from its start to its end. Asked for, on a quiet machine: 0.1, 0.4 and
1.2 s. Exit status 1 where one takes longer.
"""

import argparse
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ASKED = {"import blindspots": 0.1, "blindspots --help": 0.4, "blindspots table RUN": 1.2}


def seconds(command: list[str]) -> float:
    """What a process and its children took of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Print the medians beside what is asked for; an interpreter that does nothing is taken off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("demo"))
    parser.add_argument("--times", type=int, default=7)
    given = parser.parse_args()
    python, module = sys.executable, [sys.executable, "-m", "blindspots"]
    commands = [
        [python, "-c", "import blindspots"],
        [*module, "--help"],
        [*module, "table", str(given.run)],
    ]
    nothing = statistics.median(seconds([python, "-c", ""]) for _ in range(given.times))
    late = False
    for (what, asked), command in zip(ASKED.items(), commands, strict=True):
        taken = statistics.median(seconds(command) for _ in range(given.times)) - nothing
        late |= taken > asked
        print(f"{what:22} {taken:5.2f} CPU s, asked {asked}")
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
