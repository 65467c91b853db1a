"""Half an hour of real traversals while a worker is killed every minute.

    python -m benchmarks.soak [--minutes 30] [--every 60] [--backend ray] [--out FILE.md]

Two workers do a plan that is far too long for the time. At a random moment of every minute one of
them is killed. In the end the run is interrupted, and what is in its directory is held against what
was there at each kill: every row that was stored must still be there, once, with its files, and a
sample of them must come out the same when it is computed again. The memory of the driver and its
workers together is looked at every few seconds. Prints a markdown table; exit status 1
where anything was lost or memory grew beyond its first five minutes by more than a tenth.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from benchmarks.hardware import hardware
from blindspots.engine.device import find_device

MODELS = ("zoo:shapes-resnet", "zoo:shapes-vit")
SETTLED, MOST_GROWTH, LOOKS = 300.0, 1.10, 5.0
VERIFY = (sys.executable, "-m", "blindspots", "verify", "--sources", "40")
STARTED_BY = {"ray": ("ray::Actor", "spawn_main"), "processes": ("spawn_main",)}


@dataclass
class Watched:
    """A run in progress: what was stored when, what memory it took, how often it was hurt."""

    process: subprocess.Popen
    out: Path
    backend: str
    began: float
    kills: int = 0
    seen: set[str] = field(default_factory=set)
    early: float = 0.0
    late: float = 0.0

    def look(self) -> None:
        """Take its memory down, in MiB."""
        driver = psutil.Process(self.process.pid)
        mib = sum(map(_mib, [driver, *workers(driver.pid, self.backend)]))
        if time.monotonic() - self.began < SETTLED:
            self.early = max(self.early, mib)
        else:
            self.late = max(self.late, mib)

    def hurt(self) -> None:
        """Remember what is stored, then kill a worker."""
        self.seen |= set(stored(self.out))
        if own := workers(self.process.pid, self.backend):
            random.choice(own).kill()
            self.kills += 1


def workers(driver: int, backend: str) -> list[psutil.Process]:
    """The processes of a driver's workers; with Ray, actors and the process of each."""
    below = psutil.Process(driver).children(recursive=True)
    return [one for one in below if any(name in _line(one) for name in STARTED_BY[backend])]


def _line(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _mib(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return process.memory_info().rss / 2**20
    return 0.0


def stored(out: Path) -> list[str]:
    """The pairs that have a row; a gathering may be on its way, so a file may go while we look."""
    names: list[str] = []
    for file in [*out.glob("parts/pairs-*.parquet"), *out.glob("pairs.parquet")]:
        try:
            names += pq.read_table(file, columns=["pair_id"])["pair_id"].to_pylist()
        except FileNotFoundError:
            return stored(out)
    return names


def start(out: Path, backend: str) -> subprocess.Popen:
    """The run; its output goes to a file beside it."""
    models = [part for name in MODELS for part in ("--model", name)]
    plan = ["--images", "sample:shapes?n=3000", "--sources", "2000", "--keep", "found"]
    how = ["--backend", backend, "--workers", "2", "--out", str(out)]
    line = [sys.executable, "-m", "blindspots", "run", *models, *plan, *how]
    with out.with_suffix(".log").open("w") as log:
        return subprocess.Popen(line, stdout=log, stderr=log, preexec_fn=_interruptible)


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def soak(watched: Watched, minutes: float, every: float) -> None:
    """Watch, and hurt at a random moment of every interval."""
    until = watched.began + 60 * minutes
    turn, kill = 0, random.uniform(0, every)
    while (now := time.monotonic()) < until and watched.process.poll() is None:
        watched.look()
        if now - watched.began > turn * every + kill:
            watched.hurt()
            turn, kill = turn + 1, random.uniform(0, every)
        time.sleep(LOOKS)
    watched.process.send_signal(signal.SIGINT)
    watched.process.wait(120)


def losses(watched: Watched) -> list[str]:
    """What is wrong with the directory that is left."""
    names = stored(watched.out)
    lost, files = watched.seen - set(names), watched.out / "found"
    lacking = [name for name in names if not (files / f"{name}.safetensors").exists()]
    wrong = [f"{len(lost)} rows were lost"] if lost else []
    twice = len(names) - len(set(names))
    wrong += [f"{twice} rows are twice"] if twice else []
    wrong += [f"{len(lacking)} rows have no found image"] if lacking else []
    checked = subprocess.run(
        [*VERIFY, str(watched.out), "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    return wrong + ([f"verify: {checked.stderr.strip()}"] if checked.returncode else [])


def main() -> None:
    """Soak, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=60)
    parser.add_argument("--backend", choices=STARTED_BY, default="ray")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        watched = Watched(start(out, given.backend), out, given.backend, time.monotonic())
        soak(watched, given.minutes, given.every)
        ended, wrong = watched.process.returncode, losses(watched)
        rows = set(stored(out))
    wrong += [f"the run ended with {ended}, not 130"] if ended != 130 else []
    if watched.late > MOST_GROWTH * watched.early:
        wrong.append("memory grew")
    text = table(watched, rows, given.minutes, wrong)
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    sys.exit(bool(wrong))


def table(watched: Watched, rows: set[str], minutes: float, wrong: list[str]) -> str:
    """What was done, and what was found wrong."""
    return "\n".join(
        [
            f"{minutes:g} minutes, two workers ({watched.backend}), Star on "
            f"{' and '.join(MODELS)}. {hardware(find_device('cpu'))}",
            "",
            "| kills | pairs stored | stored before a kill and there in the end | wrong "
            "| MiB, first 5 minutes | MiB, after | asked |",
            "|---|---|---|---|---|---|---|",
            f"| {watched.kills} | {len(rows)} | {len(watched.seen & rows)} of {len(watched.seen)} "
            f"| {'; '.join(wrong) or 'nothing'} | {watched.early:.0f} | {watched.late:.0f} "
            f"| ≤ {MOST_GROWTH * watched.early:.0f} |",
            "",
        ]
    )


if __name__ == "__main__":
    main()
