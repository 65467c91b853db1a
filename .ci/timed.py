#!/usr/bin/env python3
"""Makes targets one after the other and prints the seconds of each beside its budget.

    .ci/timed.py check test test-faults+demo

Targets with a plus between them are made at once: they wait more than they compute, and each line
that they print begins with its target.

The budgets are in budget.toml beside this file: seconds of the CPUs and by the clock. Machines are
noisy, so a target over its budget is only named loudly; it fails at three times the budget, and on
a machine that counts slower than the one they were measured on, at so many times more. Where a
target fails by itself, the rest is left out and its exit status is kept.
"""

import os
import subprocess
import sys
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

BUDGETS = Path(__file__).with_name("budget.toml")
FACTOR = 3
# What the budgets' machine takes to count so far, in seconds of one CPU.
COUNTED, SECONDS = 3_000_000, 0.3
# Seconds that are waited for the last lines of a target that has ended.
PATIENCE = 5.0
MAKE = ("make", "--no-print-directory")


class Taken(NamedTuple):
    """What a target took, and the last line that it printed."""

    target: str
    status: int
    cpu: float
    wall: float
    last: str


def run(target: str, begin: str = "", make: tuple[str, ...] = MAKE) -> Taken:
    """Make a target; all it prints is shown as it comes, each line after `begin`."""
    print(f"\n==> {target}", flush=True)
    start = time.monotonic()
    process = subprocess.Popen(
        [*make, target],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    last = [""]
    reader = threading.Thread(target=show, args=(process.stdout, begin, last), daemon=True)
    reader.start()
    # Of this process and all that it started and waited for, whatever else runs beside it.
    _, ended, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(ended)
    # What the target left running may hold its output open.
    reader.join(timeout=PATIENCE)
    cpu = usage.ru_utime + usage.ru_stime
    return Taken(target, process.returncode, cpu, time.monotonic() - start, last[0])


def show(output: IO[str], begin: str, last: list[str]) -> None:
    """Print each line, and keep the last one that says something."""
    for line in output:
        print(f"{begin}{line}", end="", flush=True)
        last[0] = line.strip() or last[0]


def run_at_once(group: list[str], make=run) -> list[Taken]:
    """Make the targets of a group together, and wait for all of them."""
    width = max(map(len, group))
    begins = [f"{target:{width}} | " if len(group) > 1 else "" for target in group]
    with ThreadPoolExecutor(len(group)) as threads:
        return list(threads.map(make, group, begins))


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


def main(groups: list[str], budgets: dict[str, dict[str, float]], make=run, count=slowness) -> int:
    """The status of the first target that fails; 1 where one took FACTOR times its budget."""
    done: list[Taken] = []
    began, slow = time.monotonic(), count()
    for group in groups:
        done += run_at_once(group.split("+"), make)
        slow = max(slow, count())
        if any(taken.status for taken in done):
            break
    print("\n==> seconds beside .ci/budget.toml")
    print(*(describe(taken, budgets[taken.target]) for taken in done), sep="\n")
    wall = time.monotonic() - began
    print(f"together {wall / 60:.1f} of {together(groups, budgets) / 60:.1f} minutes")
    if slow > 1:
        print(f"this machine counted {slow:.1f} times as slowly as the one of the budgets")
    if failed := next((taken for taken in done if taken.status), None):
        print(f"{failed.target} failed; what comes after it was left out")
        return failed.status
    most = FACTOR * slow
    far = [taken.target for taken in done if excess(taken, budgets[taken.target]) > most]
    if far:
        print(f"more than {most:.3g} times the budget: {', '.join(far)}")
    return int(bool(far))


def together(groups: list[str], budgets: dict[str, dict[str, float]]) -> float:
    """The seconds that all groups may take: each as long as its longest target."""
    return sum(max(budgets[target]["wall"] for target in group.split("+")) for group in groups)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], tomllib.loads(BUDGETS.read_text(encoding="utf-8"))))
