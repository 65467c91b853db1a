"""How long a command says nothing on a terminal, and when its first picture is there.

    python -m benchmarks.silence [--out demo-silence] [COMMAND …]

Without a command: `blindspots demo --out OUT`. It runs on a pseudo-terminal, as a person sees it.
Printed are the longest silences with what was said before them, the seconds until the first found
image lies in OUT, and until the command ended. Asked for: no silence above 2 s, a picture within
40 s.
"""

import argparse
import os
import pty
import re
import select
import shutil
import sys
import time
from itertools import pairwise
from pathlib import Path

LONGEST, PICTURE = 2.0, 40.0
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]+")


def watch(command: list[str], out: Path) -> tuple[list[tuple[float, str]], float | None, int]:
    """(second, what was said) of every output; the second of the first picture; the exit status."""
    began, said, picture = time.monotonic(), [(0.0, "(nothing yet)")], None
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.1)
        now = time.monotonic() - began
        if picture is None and next(out.glob("found/*.png"), None):
            picture = now
        try:
            text = os.read(terminal, 65536).decode(errors="replace") if ready else None
        except OSError:
            break
        if text == "":
            break
        if text:
            said.append((now, _ESCAPE.sub(" ", text).strip()[-70:]))
    said.append((time.monotonic() - began, "(the end)"))
    return said, picture, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> int:
    """Print silences and pictures; 1 where one is beyond what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo-silence"))
    parser.add_argument("command", nargs="*")
    given = parser.parse_args()
    shutil.rmtree(given.out, ignore_errors=True)
    usual = [sys.executable, "-m", "blindspots", "demo", "--out", str(given.out)]
    said, picture, status = watch(given.command or usual, given.out)
    gaps = sorted(((b[0] - a[0], a) for a, b in pairwise(said)), reverse=True)
    for gap, (at, text) in gaps[:5]:
        print(f"silent {gap:5.2f} s after second {at:6.1f}: {text}")
    shown = "never" if picture is None else f"second {picture:.1f}"
    print(f"first picture: {shown}; the end: second {said[-1][0]:.1f}, exit status {status}")
    missed = gaps[0][0] > LONGEST or picture is None or picture > PICTURE or status
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
