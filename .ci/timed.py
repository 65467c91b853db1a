#!/usr/bin/env python3
"""Makes targets one after the other and prints the seconds of each beside its budget.

    .ci/timed.py check test demo

The budgets are in budget.toml beside this file: seconds of the CPUs and by the clock. Machines are
noisy, so a target over its budget is only named loudly; it fails at three times the budget, and on
a machine that counts slower than the one they were measured on, at so many times more. Where a
target fails by itself, the rest is left out and its exit status is kept.
"""

import resource
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from typing import IO, NamedTuple

BUDGETS = Path(__file__).with_name("budget.toml")
FACTOR = 3
# What the budgets' machine takes to count so far, in seconds of one CPU.
COUNTED, SECONDS = 3_000_000, 0.3
# Seconds that are waited for the last lines of a target that has ended.
PATIENCE = 5.0


class Taken(NamedTuple):
    """What a target took, and the last line that it printed."""

    target: str
    status: int
    cpu: float
    wall: float
    last: str


def run(target: str, make: tuple[str, ...] = ("make", "--no-print-directory")) -> Taken:
    """Make a target; all it prints is shown as it comes."""
    print(f"\n==> {target}", flush=True)
    start, before = time.monotonic(), cpu_of_children()
    process = subprocess.Popen(
        [*make, target],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    last = [""]
    reader = threading.Thread(target=show, args=(process.stdout, last), daemon=True)
    reader.start()
    status = process.wait()
    # What the target left running may hold its output open.
    reader.join(timeout=PATIENCE)
    return Taken(target, status, cpu_of_children() - before, time.monotonic() - start, last[0])


def show(output: IO[str], last: list[str]) -> None:
    """Print each line, and keep the last one that says something."""
    for line in output:
        print(line, end="", flush=True)
        last[0] = line.strip() or last[0]


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def slowness() -> float:
    """How many times as long as the budgets' machine this one takes to count; 1 at least."""
    began, total = time.process_time(), 0
    for number in range(COUNTED):
        total += number
    return max(1.0, (time.process_time() - began) / SECONDS)


def excess(taken: Taken, budget: dict[str, float]) -> float:
    """By what factor the target is over its budget, by the CPUs or by the clock."""
    return max(taken.cpu / budget["cpu"], taken.wall / budget["wall"])


def describe(taken: Taken, budget: dict[str, float]) -> str:
    seconds = f"{taken.cpu:6.0f} of {budget['cpu']:5.0f} CPU s, {taken.wall:6.0f} of"
    line = f"{taken.target:14}{seconds} {budget['wall']:5.0f} s"
    factor = excess(taken, budget)
    if factor > 1:
        line += f"  *** OVER BUDGET: {factor:.1f} times ***"
    return f"{line}  | {taken.last}"


def main(targets: list[str], budgets: dict[str, dict[str, float]], make=run, count=slowness) -> int:
    """The status of the first target that fails; 1 where one took FACTOR times its budget."""
    done: list[Taken] = []
    slow = count()
    for target in targets:
        done.append(make(target))
        slow = max(slow, count())
        if done[-1].status:
            break
    print("\n==> seconds beside .ci/budget.toml")
    print(*(describe(taken, budgets[taken.target]) for taken in done), sep="\n")
    wall, allowed = sum(t.wall for t in done), sum(budgets[t.target]["wall"] for t in done)
    print(f"together {wall / 60:.1f} of {allowed / 60:.1f} minutes")
    if slow > 1:
        print(f"this machine counted {slow:.1f} times as slowly as the one of the budgets")
    if done[-1].status:
        print(f"{done[-1].target} failed; what comes after it was left out")
        return done[-1].status
    most = FACTOR * slow
    far = [taken.target for taken in done if excess(taken, budgets[taken.target]) > most]
    if far:
        print(f"more than {most:.3g} times the budget: {', '.join(far)}")
    return int(bool(far))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], tomllib.loads(BUDGETS.read_text(encoding="utf-8"))))
