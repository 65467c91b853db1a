"""Where the work of `blindspots run` is done."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

from blindspots.errors import UsageError

if TYPE_CHECKING:
    from blindspots.study.backends.backend import Backend


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BackendFlags:
    """Where the work is done, and by how many.

    Parameters
    ----------
    backend
        serial: this process; processes: several on this machine; ray: actors, here or on a cluster.
        auto: processes where --device names several devices, else serial.
    workers
        How many processes or actors; unless given, one per device or GPU, or one for two cores.
    gpus_per_worker
        GPUs of each Ray actor; may be a fraction, or 0.
    address
        A running Ray cluster, as auto or HOST:PORT; without it Ray is started here.
    """

    backend: Literal["auto", "serial", "processes", "ray"] = "auto"
    workers: int | None = None
    gpus_per_worker: float | None = None
    address: str | None = None

    def build(self, device: str) -> "Backend":
        """The backend they describe for `--device`; refused where they do not fit together."""
        devices = device.split(",")
        name = self.backend if self.backend != "auto" else _usual(devices)
        self._check(name, devices)
        if name == "serial":
            from blindspots.study.backends.serial import Serial

            return Serial()
        if name == "processes":
            from blindspots.study.backends.process_pool import Processes, share

            return Processes(devices if len(devices) > 1 else share(device, self.workers))
        from blindspots.study.backends.ray_pool import Ray

        return Ray(self.workers, self.gpus_per_worker, self.address)

    def _check(self, name: str, devices: list[str]) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"--workers {self.workers} was given; expected at least 1")
        if name == "serial" and self.workers not in (None, 1):
            raise UsageError(
                f"--workers {self.workers} was given for one process; type --backend processes, "
                "or --backend ray"
            )
        for option, given in (("address", self.address), ("gpus-per-worker", self.gpus_per_worker)):
            if given is not None and name != "ray":
                raise UsageError(f"--{option} {given} goes with Ray alone; type --backend ray too")
        if len(devices) > 1 and (name != "processes" or self.workers not in (None, len(devices))):
            raise UsageError(
                f"--device {','.join(devices)} was given; several devices get one process each: "
                "leave --workers out, and --backend too or type --backend processes"
            )


def _usual(devices: list[str]) -> Literal["serial", "processes"]:
    return "processes" if len(devices) > 1 else "serial"
