"""Drivers forked from one process that has everything imported, so that a start costs no import.

The server is `python -m tests.process.drivers SOCKET`. It has one thread and has run nothing, so a
driver begins as after its imports: in a session of its own, with signals, environment, working
directory and output as given, and as `python -m blindspots` from there to its exit. A process
beside it, its parent, waits for it, and kills it when nobody waits for its status any more.
"""

import gc
import importlib
import json
import os
import resource
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

ADDRESS = "blindspots_TEST_DRIVERS"
STARTS = 300.0
_OUTPUTS = ("stdout", "stderr")
# What a run and its verification import on their way, besides what these import themselves.
_IMPORTED = (
    *(
        "blindspots.cli.run_command",
        "blindspots.cli.show_commands",
        "blindspots.study.run",
        "blindspots.study.verify",
    ),
    *(
        "blindspots.reporting.publish",
        "blindspots.models.schemes",
        "blindspots.models.schemes.python_factory",
    ),
    *(
        "blindspots.study.backends.backend",
        "blindspots.study.backends.process_pool",
        "blindspots.study.backends.ray_pool",
    ),
    *("ray", "s3fs", "boto3", "pandas", "pyarrow.dataset"),
)
# Arrow's allocator has a thread of its own else.
_THREADLESS = {"OMP_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


@contextmanager
def serving() -> Iterator[None]:
    """A server, whose address is in the environment of this process and those it starts."""
    with tempfile.TemporaryDirectory(prefix="bs-") as folder:
        address = os.environ[ADDRESS] = f"{folder}/drivers"
        line = [sys.executable, "-m", __name__, address]
        root = Path(__file__).parents[2]
        server = subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            cwd=root,
            env={**os.environ, **_THREADLESS},
            start_new_session=True,
        )
        try:
            yield
        finally:
            # It ends when this pipe does, so also when this process is killed.
            server.communicate()
            del os.environ[ADDRESS]


@dataclass
class Driver:
    """A forked driver, as `subprocess.Popen` has it."""

    pid: int
    _minder: socket.socket
    _output: Path
    returncode: int | None = None
    _heard: bytes = field(default=b"", repr=False)

    def poll(self) -> int | None:
        """Its status, or None while it runs."""
        return self._wait(0)

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it is over."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float = STARTS) -> tuple[str, str]:
        """What it wrote, when it is over."""
        if self._wait(timeout) is None:
            self.send_signal(signal.SIGKILL)
            raise subprocess.TimeoutExpired("driver", timeout, *self._written())
        return self._written()

    def _written(self) -> tuple[str, str]:
        output, error = (self._output / name for name in _OUTPUTS)
        return output.read_text(), error.read_text()

    def _wait(self, seconds: float) -> int | None:
        if self.returncode is None and select.select([self._minder], [], [], seconds)[0]:
            self.returncode = json.loads(_line(self._minder))
            self._minder.close()
        return self.returncode


def start_driver(
    arguments: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    *,
    settings: Mapping[str, Any] | None = None,
    file_limit: tuple[int, int] | None = None,
    sabotage: tuple[str, str, int] | None = None,
) -> Driver:
    """Start `blindspots ARGUMENTS` in a directory.

    `settings`: of the package, by `module.NAME`, to be changed in the driver alone. `file_limit`:
    soft and hard limit of the size of a file in bytes, beyond which writes fail as on a full disk.
    `sabotage`: what `sabotage.arm` is given.
    """
    output = Path(tempfile.mkdtemp(prefix="driver-", dir=directory))
    for name in _OUTPUTS:
        # Here, because a driver may be killed before it could.
        (output / name).touch()
    wish = {
        "arguments": list(arguments),
        "directory": str(directory),
        "environment": dict(environment),
        "output": str(output),
        "settings": dict(settings or {}),
        "file_limit": file_limit,
        "sabotage": sabotage,
    }
    minder = _connect(os.environ[ADDRESS])
    minder.sendall(json.dumps(wish).encode() + b"\n")
    return Driver(json.loads(_line(minder)), minder, output)


def _connect(address: str) -> socket.socket:
    until = time.monotonic() + STARTS
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            assert time.monotonic() < until, "the server of drivers did not start"
            time.sleep(0.1)
        else:
            return connection


def _line(connection: socket.socket) -> bytes:
    read = b""
    while not read.endswith(b"\n"):
        more = connection.recv(65536)
        assert more, "the server of drivers is gone"
        read += more
    return read


def _serve(address: str) -> None:
    """Fork a driver for everyone who asks, for as long as standard input is open."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _import_all()
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(32)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            assert len(os.listdir("/proc/self/task")) == 1, "a process with threads is forked"  # noqa: PTH208
            if os.fork() == 0:
                listener.close()
                _mind(connection)
            connection.close()


def _import_all() -> None:
    for name in _IMPORTED:
        with suppress(ImportError):
            importlib.import_module(name)


def _mind(connection: socket.socket) -> None:
    """Be a driver's parent, and say its status; the driver itself returns from here into it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    wish = json.loads(_line(connection))
    driver = os.fork()
    if driver == 0:
        connection.close()
        _become(wish)
    over = os.pidfd_open(driver)
    _say(connection, driver)
    if over not in select.select([over, connection], [], [])[0]:
        os.kill(driver, signal.SIGKILL)
    _, status = os.waitpid(driver, 0)
    _say(connection, os.waitstatus_to_exitcode(status))
    os._exit(0)


def _say(connection: socket.socket, number: int) -> None:
    with suppress(OSError):
        connection.sendall(f"{number}\n".encode())


def _become(wish: Mapping[str, Any]) -> NoReturn:
    """Be `python -m blindspots`, up to the interpreter's own end."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _redirect(Path(wish["output"]))
    os.chdir(wish["directory"])
    os.environ.clear()
    os.environ.update(wish["environment"])
    if wish["file_limit"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, tuple(wish["file_limit"]))
    for name, value in wish["settings"].items():
        module, _, own = name.rpartition(".")
        setattr(importlib.import_module(module), own, value)
    importlib.import_module("blindspots.reporting.publish").write_figures = lambda *_: []
    if wish["sabotage"]:
        importlib.import_module("tests.process.sabotage").arm(*wish["sabotage"])
    sys.argv[1:] = wish["arguments"]
    runpy.run_module("blindspots", run_name="__main__", alter_sys=True)
    raise SystemExit


def _redirect(folder: Path) -> None:
    for number, file in enumerate((Path(os.devnull), *(folder / name for name in _OUTPUTS))):
        opened = os.open(file, os.O_RDWR)
        os.dup2(opened, number)
        os.close(opened)


if __name__ == "__main__":
    _serve(sys.argv[1])
