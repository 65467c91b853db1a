"""What is published, as it lies in the caches of this machine: the hub's, torch's, RobustBench's.

Nothing is fetched. Where a package or a server is asked, a stand-in at its border answers.
"""

import bz2
import io
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.io
import timm
import torch
from huggingface_hub import constants
from torch import nn
from torchvision import datasets
from torchvision.models import alexnet, resnet18

from blindspots.errors import UsageError
from blindspots.images import load_images
from blindspots.measure import metrics as measured
from blindspots.models.repositories import file_digest, published_file
from blindspots.settings import ScienceSettings
from blindspots.study.backends.leader import _give_up
from blindspots.study.backends.worker_process import Failed
from blindspots.study.subjects import ModelRef, RunRequest, Subject, load_again
from tests.images.material import encoded, noise, write
from tests.images.test_torchvision import write_idx
from tests.images.test_torchvision_family import write_listed
from tests.support import tiny_model
from tests.support.advice_states import States
from tests.support.hub_cache import lay
from tests.support.tiny import MODEL

SPARSE = {"GNU.sparse.map": "0,9", "GNU.sparse.size": "9000", "GNU.sparse.name": "0.png"}


@cache
def backbone() -> dict[str, torch.Tensor]:
    """Weights of the form of LPIPS's backbone."""
    return {k: v for k, v in alexnet(weights=None).state_dict().items() if "features" in k}


def noise32() -> torch.Tensor:
    return torch.rand(1, 3, 32, 32)


@cache
def published() -> dict[str, torch.Tensor]:
    return resnet18(weights=None).state_dict()


def gone(path: Path, table: str) -> list[Path]:
    return [path / f"{table}-of-before.parquet"]


class Network(States):
    """Everything is offline; caches are folders of the case."""

    def names(self) -> dict[str, Any]:
        return {**super().names(), **globals()}

    def caches(self) -> None:
        """Empty caches, which the case fills."""
        self._patch.setattr(constants, "HF_HUB_CACHE", str(self.place / "hub"))
        self._patch.setattr("datasets.config.HF_DATASETS_CACHE", self.place / "cache")
        self._patch.setattr("datasets.config.HF_HUB_OFFLINE", True)
        self._patch.setenv("TORCH_HOME", str(self.place / "torch"))
        self._patch.chdir(self.place)

    def answers(self) -> None:
        """The hub seems to be there, but gives nothing."""
        for module in ("models.repositories", "models.schemes.timm"):
            self.limit(f"{module}.hub_answers", lambda: True)

    def hub(self, repository: str, name: str, state: dict[str, torch.Tensor]) -> None:
        """A repository of the hub, as it lies in the cache once it was fetched."""
        if name.endswith(".ckpt"):
            self.saved(f"fetched/{name}", {"model": state})
        else:
            (self.place / "fetched").mkdir(exist_ok=True)
            self.tensors(f"fetched/{name}", state)
        lay(self.place / "hub", repository, self.place / "fetched")

    def timm_state(self, name: str) -> dict[str, torch.Tensor]:
        return timm.create_model(name).state_dict()

    def known_backbone(self) -> None:
        """The package takes the made backbone for the published one."""
        digest = measured._digest(t for t in backbone().values())
        self._patch.setattr(measured, "_LPIPS_SHA256", digest[:16])

    def at_hand(self, content: bytes) -> Path:
        """A file where torch keeps what torchvision publishes."""
        return write(self.place / "torch" / "hub" / "checkpoints" / measured.LPIPS_FILE, content)

    @contextmanager
    def _serving(self, folder: Path) -> Iterator[str]:
        class Quiet(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()

    def published_here(self, cached: bytes | None) -> Path:
        """A published file that a server on this machine has; what lies in the cache already."""
        served = Path(self.put("served/file.pth", b"the weights"))
        name = f"net-{file_digest(served)[:8]}.pth"
        served.rename(served.with_name(name))
        if cached is not None:
            write(self.place / "torch" / "hub" / "checkpoints" / name, cached)
        self._patch.setattr(constants, "HF_HUB_OFFLINE", False)
        with self._serving(served.parent) as address:
            return published_file(f"{address}/{name}", "weights", "give a file")

    def without_cached(self) -> None:
        for file in (self.place / "torch").rglob("net-*.pth"):
            file.unlink()

    def photographed(self) -> None:
        """The demo of photographs on a model that takes no minute."""
        self.limit("cli.run_command.PHOTO_MODEL", MODEL)

    def spec_of_svhn(self) -> str:
        return f"torchvision:SVHN?root={self.place}/svhn"

    def usps(self) -> str:
        """USPS as torchvision lays it: three digits."""
        rows = [f"{label} " + " ".join(f"{n}:0.5" for n in range(1, 257)) for label in (1, 10, 4)]
        write(self.place / "usps" / "usps.t.bz2", bz2.compress("\n".join(rows).encode()))
        return f"root={self.place}/usps"

    def svhn(self) -> str:
        out = io.BytesIO()
        pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 2), dtype=np.uint8)
        scipy.io.savemat(out, {"X": pixels, "y": np.array([[1], [10]])})
        ((name, digest),) = write_listed(self.place / "svhn", {"test.mat": out.getvalue()})
        self._patch.setitem(datasets.SVHN.split_list, "test", ["", name, digest])
        return self.spec_of_svhn()

    def mnist(self, label: int) -> str:
        raw = self.place / "mnist" / "MNIST" / "raw"
        for part in ("t10k", "train"):
            write_idx(raw / f"{part}-images-idx3-ubyte", np.zeros((1, 28, 28), dtype=np.uint8))
            write_idx(raw / f"{part}-labels-idx1-ubyte", np.array([label], dtype=np.uint8))
        return f"torchvision:MNIST?root={self.place}/mnist"

    def signs(self) -> str:
        """GTSRB in a version of torchvision that calls what it keeps otherwise."""

        class Newer(datasets.GTSRB):
            def __init__(self, *given: Any, **more: Any) -> None:
                super().__init__(*given, **more)
                self.files = self.__dict__.pop("_samples")

            def __len__(self) -> int:
                return len(self.files)

        folder = self.place / "signs" / "gtsrb"
        write(folder / "GTSRB" / "Final_Test" / "Images" / "0.ppm", encoded(noise(), "PPM"))
        self.put("signs/gtsrb/GT-final_test.csv", "Filename;Width;ClassId\n0.ppm;64;42\n")
        self._patch.setattr(datasets, "GTSRB", Newer)
        return f"torchvision:GTSRB?root={self.place}/signs"

    def splitless(self) -> str:
        """A saved data set without splits."""
        from datasets import Dataset, Image

        kinds = {"image": [{"bytes": encoded(noise()), "path": "a.png"}]}
        made = Dataset.from_dict(kinds).cast_column("image", Image())
        made.save_to_disk(self.place / "saved")
        return f"hf:{self.place}/saved"

    def sparse(self) -> str:
        """A shard whose image is kept without its zeros, as by tar --sparse."""
        out, member = io.BytesIO(), tarfile.TarInfo("0.png")
        member.size, member.pax_headers = 9, SPARSE
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(member, io.BytesIO(bytes(9)))
        return f"webdataset:{self.put('sparse.tar', out.getvalue())}"

    def package(self, name: str = "Other2024") -> None:
        """RobustBench's package, which knows one model."""

        def load(asked: str, **_: Any) -> nn.Module:
            return {name: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))}[asked]

        self._patch.setitem(sys.modules, "robustbench", SimpleNamespace(__path__=[]))
        self._patch.setitem(sys.modules, "robustbench.utils", SimpleNamespace(load_model=load))

    def restless(self, run: Path) -> Path:
        """Files of rows that vanish as soon as they are listed."""
        self._kept["listed"] = pytest.MonkeyPatch()
        self._kept["listed"].setattr("blindspots.store.parquet.PATIENCE", 0.0)
        self._kept["listed"].setattr("blindspots.store.parquet.row_files", gone)
        return run

    def rests(self) -> None:
        self._kept.pop("listed").undo()

    def elsewhere(self, seed: int) -> Subject:
        """The model of a run that was planned with the seed 0, on a machine that has this one."""
        spec, planned = f"{MODEL}&seed={seed}", tiny_model.build()
        method = ScienceSettings(method={"name": "star"})
        request = RunRequest(models=[spec], images=self.photos, science=method)
        role = ModelRef(spec, "tiny", planned.fingerprint(), "")
        return load_again(request, role, load_images(self.photos, planned))

    def passed_on(self, call: Callable[[], Any]) -> Any:
        """What a worker was refused, as its leader says it."""
        try:
            return call()
        except UsageError as error:
            _give_up(Failed("refused", str(error)))
