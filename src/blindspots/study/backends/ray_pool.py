"""A pool of Ray actors, on this machine or on a cluster, each with a process that works."""

import contextlib
import math
import os
import pickle
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from blindspots.errors import UsageError, WorkFailed
from blindspots.study.backends.backend import RunJob
from blindspots.study.backends.leader import Leader, Received, WorkerHandle
from blindspots.study.backends.tasks import Task
from blindspots.study.backends.worker import WorkerConfig
from blindspots.study.backends.worker_process import Actor, Died, Message

INSTALL = "--backend ray needs the ray package; type pip install 'blindspots[ray]'"
ANSWERS = 5.0


@dataclass(frozen=True)
class Ray:
    """The backend of Ray actors.

    `workers`: how many; None: one for every GPU share of the cluster, else one for every two of its
    processor's cores. `gpus`: of each worker, 0 without GPUs. `address`: of a running cluster, or
    `auto`; None: Ray is started on this machine and stopped afterwards.
    """

    name: ClassVar[str] = "ray"

    workers: int | None = None
    gpus: float | None = None
    address: str | None = None

    def check(self) -> None:
        """Refuse without the package, or where no cluster listens at the address."""
        try:
            import ray  # noqa: F401
        except ImportError as error:
            raise UsageError(INSTALL) from error
        host, colon, port = (self.address or "").rpartition(":")
        if colon and "/" not in host:
            _check_listening(host, port)

    def run(self, job: RunJob) -> None:
        """Traverse and measure all that is missing."""
        Leader(job, self._opened()).run()

    @contextlib.contextmanager
    def _opened(self) -> Iterator["RayWorkerPool"]:
        with _connected(self.address, self.workers):
            pool = _pool(self.workers, self.gpus)
            try:
                yield pool
            finally:
                pool.close()


@dataclass
class RayWorkerPool:
    """Ray actors with `cpus` cores and `gpus` GPUs each."""

    workers: int
    cpus: float
    gpus: float
    _config: Any = None
    _actors: dict[str, Any] = field(default_factory=dict)
    _messages: dict[Any, str] = field(default_factory=dict)

    def prepare(self, config: WorkerConfig) -> None:
        """Put the config where all nodes can get them once."""
        import ray

        self._config = ray.put(pickle.dumps(config))

    def start(self) -> WorkerHandle:
        """A new actor, which may have to wait for a place."""
        import ray

        options = {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_concurrency": 4}
        actor: Any = (
            ray.remote(Actor).options(**options).remote(self._config, max(1, int(self.cpus)))
        )
        worker = actor._actor_id.hex()
        self._actors[worker] = actor
        self._listen(worker)
        return worker

    def send(self, worker: WorkerHandle, task: Task | None) -> None:
        self._actors[worker].send.remote(task)  # type: ignore[index]

    def receive(self, seconds: float) -> Sequence[Received]:
        """What actors answered; each is asked again at once."""
        import ray

        waiting = list(self._messages)
        ready, _ = ray.wait(waiting, num_returns=1, timeout=seconds)
        more, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        return [received for answer in {*ready, *more} for received in self._answered(answer)]

    def stop(self, worker: WorkerHandle) -> None:
        import ray

        ray.kill(self._actors.pop(worker))  # type: ignore[arg-type]
        self._messages = {message: own for message, own in self._messages.items() if own != worker}

    def close(self) -> None:
        for worker in list(self._actors):
            with contextlib.suppress(Exception):
                self.stop(worker)

    def _listen(self, worker: str) -> None:
        self._messages[self._actors[worker].messages.remote()] = worker

    def _answered(self, answer: Any) -> list[Received]:
        import ray
        from ray.exceptions import RayError

        worker = self._messages.pop(answer)
        try:
            messages: list[Message | Died] = ray.get(answer)
        except RayError as error:
            return [(worker, Died(_first_line(error)))]
        self._listen(worker)
        return [(worker, message) for message in messages]


@contextlib.contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[None]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Else its workers give way to everything else on the machine, this process included.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # Else Ray waits for a first worker before it begins, without end where none comes up.
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
    import ray

    if ray.is_initialized():
        yield
        return
    # Sockets in it have long names, and systems allow few characters.
    scratch = tempfile.mkdtemp(prefix="bs-") if address is None else None
    try:
        _start(address, workers, scratch)
        yield
    finally:
        ray.shutdown()
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)


def _start(address: str | None, workers: int | None, scratch: str | None) -> None:
    """Connect to the cluster there, or start one on this machine that writes to `scratch`."""
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        cores = max(workers or 1, os.cpu_count() or 1)
        options |= {"num_cpus": cores, "include_dashboard": False, "_temp_dir": scratch}
    try:
        ray.init(address=address, **options)
    # Where its processes come up late, Ray raises an Exception of no class of its own.
    except Exception as error:
        if address is None:
            raise WorkFailed(
                f"Ray did not start on this machine ({_first_line(error)}); type the command again "
                "when the machine is less busy, or --backend processes, which needs no Ray"
            ) from error
        raise UsageError(_no_cluster(address, error)) from error


def _pool(workers: int | None, gpus: float | None) -> RayWorkerPool:
    """As many workers as were asked for, or as fit; refused where the cluster cannot hold them."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores, cards = (sum(has.get(kind, 0) for has in nodes) for kind in ("CPU", "GPU"))
    each = gpus if gpus is not None else (1.0 if cards else 0.0)
    most = _places(nodes, 1, each)
    count = workers or (most if each else max(1, int(cores) // 2))
    if not 1 <= count <= most:
        raise UsageError(
            f"--workers {count} was given, with {each:g} GPUs and a core each; the cluster has "
            f"{cards:g} GPUs and {cores:g} cores; expected at most what fits, as in "
            f"--workers {max(1, most)}"
        )
    cpus = 1 if each else max(n for n in range(1, int(cores) + 1) if _places(nodes, n, 0) >= count)
    return RayWorkerPool(count, cpus, each)


def _places(nodes: Sequence[Mapping[str, float]], cpus: int, gpus: float) -> int:
    """How many workers fit, each of which has its cores and GPUs on one node."""
    return sum(
        int(min(has.get("CPU", 0) // cpus, has.get("GPU", 0) // gpus if gpus else math.inf))
        for has in nodes
    )


def _check_listening(host: str, port: str) -> None:
    # Ray itself would wait for minutes.
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWERS):
            pass
    except (OSError, ValueError) as error:
        raise UsageError(_no_cluster(f"{host}:{port}", error)) from error


def _no_cluster(address: str, error: Exception) -> str:
    return (
        f"--address {address} was given and no Ray cluster answers there ({_first_line(error)}); "
        "expected auto or HOST:PORT; type ray start --head first, both with RAY_AUTH_MODE=token "
        "where the cluster has a token, or leave --address out"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
