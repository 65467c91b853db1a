"""One driver a run directory: a lock file that names its holder. No torch here.

The lock counts while its holder lives. Whether it does is asked of the operating system where that
counts the holder's processes too: on the same machine, since the same boot, in the same namespace
of process ids, for containers may share a host's name. Any other holder shows it by touching the
file. A copy of a directory carries a
copy of the lock, which is not the file its holder made, so it does not count. In an object store
the lock is an object that only one of many can create.
"""

import contextlib
import datetime
import json
import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from blindspots.errors import UsageError
from blindspots.store.atomic import write_bytes
from blindspots.store.paths import Place, create, is_remote, make_folder, put

LOCK, TAKEOVER = "run.lock", "run.lock.takeover"
BEAT, SILENT, STARTING = 30.0, 300.0, 10.0
MOST_PID, MOST_BYTES = 2**31, 2**16
_ONE = "expected one driver a run directory; wait for it, stop it, or name another --out"


@dataclass(frozen=True)
class Holder:
    """Who works on a run directory, and since when.

    `born`: when its process began, in the kernel's ticks, so that another process that was given
    its id is not taken for it; empty where the system does not say. `inode`: of the lock
    file. `place`: the run directory, where it is in an object store, which knows no inodes. `boot`,
    `space`: of its machine since when, and in which namespace `pid` is its id; empty where the
    system does not say.
    """

    pid: int
    host: str
    since: str
    born: str = ""
    inode: int = 0
    place: str = ""
    boot: str = ""
    space: str = ""

    def __post_init__(self) -> None:
        numbers = isinstance(self.pid, int) and isinstance(self.inode, int)
        texts = (self.host, self.since, self.born, self.place, self.boot, self.space)
        if not numbers or not 0 < self.pid < MOST_PID or not all(isinstance(t, str) for t in texts):
            raise ValueError("it names no process")

    @classmethod
    def here(cls, inode: int = 0, place: str = "") -> "Holder":
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        born = _born(os.getpid())
        return cls(os.getpid(), socket.gethostname(), now, born, inode, place, *_counted_by())

    @property
    def is_this_process(self) -> bool:
        """Whether it is this process; another machine's may have the same id."""
        return self.pid == os.getpid() and self._is_near

    @property
    def _is_near(self) -> bool:
        here = (socket.gethostname(), *_counted_by())
        return (self.host, self.boot, self.space) == here

    @property
    def alive(self) -> bool | None:
        """Whether its process lives; None where that cannot be asked from here."""
        if not self._is_near or os.name != "posix":
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return _born(self.pid) == self.born


@contextlib.contextmanager
def hold(directory: Place) -> Iterator[None]:
    """Inside, this process alone works on a run directory, which is made where it is not there.

    Refused, naming the holder, where another one works on it. A lock whose holder is dead, or was
    silent for five minutes on another machine, or which is a copy, is taken over.
    """
    lock = make_folder(directory) / LOCK
    if not _create(lock):
        _take_over(lock)
    _clear(lock.with_name(TAKEOVER))
    stop = threading.Event()
    beats = threading.Thread(target=_beat, args=(lock, stop), daemon=True)
    try:
        beats.start()
        yield
    finally:
        stop.set()
        if beats.ident:
            beats.join()
        if (holder := read_holder(directory)) and holder.is_this_process:
            lock.unlink(missing_ok=True)


def refuse_held(directory: Place) -> None:
    """Refuse a run directory that another process works on, before anything is loaded."""
    lock, holder = directory / LOCK, read_holder(directory)
    if holder is None and _is_young(lock):
        raise UsageError(f"{directory} was taken by another process just now; {_ONE}")
    if holder is not None and _counts(lock, holder):
        ahead = holder.alive is None and _age(lock) < -STARTING
        more = f", or remove {lock}, which is of a time to come, if it is no more" if ahead else ""
        raise UsageError(
            f"{directory} is being worked on by process {holder.pid} on {holder.host} since "
            f"{holder.since}; {_ONE}{more}"
        )


def is_lock(name: str) -> bool:
    """Whether a file of that name in a run directory is the lock's, or about it."""
    return name == LOCK or name.startswith(f"{LOCK}.")


def read_holder(directory: Place) -> Holder | None:
    """What the lock of a run directory says; None where there is none, or it says nothing.

    Refused where something else than a file lies in its place.
    """
    lock = directory / LOCK
    # A pipe would be waited for.
    if isinstance(lock, Path) and lock.exists() and not lock.is_file():
        raise UsageError(f"{lock} is no file, so it cannot be the lock of a run; remove it")
    try:
        return Holder(**json.loads(_content(lock)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _content(lock: Place) -> bytes:
    with lock.open("rb") as file:
        return file.read(MOST_BYTES)


def _create(lock: Place) -> bool:
    if not isinstance(lock, Path):
        return create(lock, _signed(Holder.here(place=str(lock.parent))))
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(_signed(Holder.here(os.fstat(descriptor).st_ino)))
    return True


def _signed(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


def _take_over(lock: Place) -> None:
    """Replace a lock that does not count; one process at a time judges and replaces."""
    with _alone(lock.with_name(TAKEOVER)):
        refuse_held(lock.parent)
        lock.unlink(missing_ok=True)
        if not _create(lock):
            refuse_held(lock.parent)


def _clear(guard: Place) -> None:
    """Remove what a driver left that was killed while it took a lock over."""
    if guard.exists() and not _is_young(guard):
        guard.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(guard: Place) -> Iterator[None]:
    while not _create(guard):
        if not _is_young(guard):
            guard.unlink(missing_ok=True)
        time.sleep(0.05)
    try:
        yield
    finally:
        guard.unlink(missing_ok=True)


def _counts(lock: Place, holder: Holder) -> bool:
    try:
        inode = lock.stat().st_ino
        own = str(lock.parent) == holder.place if is_remote(lock) else inode == holder.inode
    except FileNotFoundError:
        return False
    alive = holder.alive
    return own and (_age(lock) < SILENT if alive is None else alive)


def _is_young(file: Place) -> bool:
    """Whether it was made just now; a time to come, beyond what clocks differ by, says nothing."""
    return abs(_age(file)) < STARTING


def _age(file: Place) -> float:
    """Seconds since it was touched, by the clock of its disk, which may be a server's.

    Infinite where there is none.
    """
    stamp = file.with_name(f"{LOCK}.{os.getpid()}.clock")
    try:
        touched = file.stat().st_mtime
        write_bytes(stamp, b"")
        return stamp.stat().st_mtime - touched
    except FileNotFoundError:
        return math.inf
    finally:
        stamp.unlink(missing_ok=True)


def _beat(lock: Place, stop: threading.Event) -> None:
    while not stop.wait(BEAT):
        with contextlib.suppress(OSError):
            _touch(lock)


def _touch(lock: Place) -> None:
    if isinstance(lock, Path):
        os.utime(lock)
    elif (holder := read_holder(lock.parent)) and holder.is_this_process:
        put(lock, _signed(holder))


def _counted_by() -> tuple[str, str]:
    """Which boot of a machine, and which namespace in it, counts process ids here."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return boot, str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "", ""


def _born(pid: int) -> str:
    """When a process began, by Linux's count of ticks; empty elsewhere."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
