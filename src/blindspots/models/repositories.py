"""What transformers saves and the hub serves: a directory here, or ORG/NAME in the hub's cache."""

import hashlib
import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from torch import nn

from blindspots.errors import BlindspotsError, UsageError, first_line
from blindspots.models.weights_files import State, describe_unsafe
from blindspots.specs import user_path

_PATH_MARKS = (".", "~", "/")
_PICKLES = "pytorch_model*.bin"
_PROBE_SECONDS = 5


def import_extra(module: str, extra: str, what: str) -> ModuleType:
    """The module; refused where it cannot be imported, with the command that installs it.

    `extra`: which of this package's extras brings it. `what`: the spec that needs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"{what} needs {module}, which cannot be imported ({first_line(error)}); "
            f"type pip install 'blindspots[{extra}]'"
        ) from error


@dataclass(frozen=True)
class Repository:
    """A model's files, in a directory or on the hub.

    `name`: the directory or ORG/NAME. `spec`: what refusals call it. `revision`: the hub's branch,
    tag or commit. `remote_code`: whether Python files among the model's may be run.
    """

    name: str
    spec: str
    revision: str | None = None
    remote_code: bool = False

    @property
    def directory(self) -> Path | None:
        path = user_path(self.name)
        return path if self.name and path.is_dir() else None

    @property
    def folder(self) -> Path:
        """Where the files are: the directory, or the hub's cache once they are loaded."""
        cached_config = None if self.directory else cached(self.name, "config.json", self.revision)
        return cached_config.parent if cached_config else self.directory or Path(self.name)

    @property
    def has_processor(self) -> bool:
        """Whether an image processor may be among the files; on the hub it always may."""
        files = ("preprocessor_config.json", "processor_config.json")
        return self.directory is None or any((self.directory / f).is_file() for f in files)

    def load(self, auto: str, **arguments: Any) -> Any:
        """What transformers' class `auto` loads from here, from the cache where it can.

        Refused: what is neither here nor in the cache nor to be fetched, broken files, and files
        that need code of their own without `remote_code`.
        """
        transformers = import_extra("transformers", "hf", self.spec)
        self._check_name()
        load = getattr(transformers, auto).from_pretrained
        with _quiet(transformers):
            try:
                return self._call(load, local_files_only=True, **arguments)
            except OSError as error:
                if self.directory or not hub_answers():
                    raise UsageError(self._missing(error)) from error
            try:
                return self._call(load, **arguments)
            except OSError as error:
                raise UsageError(self._missing(error)) from error

    def fill(self, kind: Any, config: Any, state: State) -> nn.Module | None:
        """A network of transformers' class `kind` with weights by name; None if they do not fit.

        Files keep the names that an architecture had when they were first published; transformers
        alone knows how they are called today.
        """
        with _quiet(import_extra("transformers", "hf", self.spec)):
            try:
                network, report = kind.from_pretrained(
                    None,
                    config=config,
                    state_dict=dict(state),
                    dtype=torch.float32,
                    output_loading_info=True,
                )
            except (RuntimeError, ValueError):
                return None
        return None if any(report.values()) else network

    def _call(self, load: Callable[..., Any], **arguments: Any) -> Any:
        where = str(self.directory or self.name)
        revision = {"revision": self.revision} if self.revision else {}
        with self.read():
            return load(where, trust_remote_code=self.remote_code, **revision, **arguments)

    @contextmanager
    def read(self) -> Iterator[None]:
        """Around what is made of the files: whatever they make it raise, they are refused."""
        try:
            yield
        except (OSError, BlindspotsError):
            raise
        except Exception as error:
            raise UsageError(self._broken(error)) from error

    def _check_name(self) -> None:
        if self.directory is None and (
            self.name.startswith(_PATH_MARKS) or self.name.count("/") > 1 or not self.name
        ):
            raise UsageError(
                f"{self.spec} was given and there is no directory {self.name!r}; expected one that "
                "save_pretrained wrote, or ORG/NAME on the hub"
            )
        if self.directory and not (self.directory / "config.json").is_file():
            raise UsageError(
                f"{self.spec} has no config.json; expected a directory that save_pretrained wrote"
            )

    def _missing(self, error: OSError) -> str:
        if self.directory:
            return (
                f"{self.spec} cannot be loaded ({first_line(error)}); expected a directory that "
                "save_pretrained wrote of the model and of its image processor"
            )
        return (
            f"{self.spec} is neither a directory here nor whole in the hub's cache, and it cannot "
            "be fetched; run once with a network, or give the directory it was saved in"
        )

    def _broken(self, error: Exception) -> str:
        if isinstance(error, UnpicklingError) and (pickles := self._pickles()):
            return f"{describe_unsafe(pickles, error)}; then type {self.spec}?weights=weights.pth"
        if "trust_remote_code" in str(error):
            return (
                f"{self.spec} comes with Python code of its own; where you trust it, add "
                "--trust-remote-code (in Python trust_remote_code=True)"
            )
        return (
            f"{self.spec} cannot be loaded ({type(error).__name__}: {first_line(error)}); "
            "fetch or save it again"
        )

    def _pickles(self) -> list[Path]:
        return sorted(self.folder.glob(_PICKLES))


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without transformers' progress bars and reports, which would stand among ours."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(log.CRITICAL)
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()


def cached(repository: str, filename: str, revision: str | None = None) -> Path | None:
    """Where the hub's cache on this machine has the file; None where it has not."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, filename, revision=revision)
    return Path(found) if isinstance(found, str) else None


def fetched(repository: str, filename: str) -> Path | None:
    """The file from the cache, else from the hub; None where it is in neither or out of reach."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    known = cached(repository, filename)
    if known is not None or not hub_answers():
        return known
    try:
        return Path(hf_hub_download(repository, filename))
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError):
        return None


def hub_answers() -> bool:
    """Whether the hub can be reached; asked first because the hub's client retries for a minute."""
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE and answers(constants.ENDPOINT)


def published_file(address: str, what: str, instead: str) -> Path:
    """A file that torchvision publishes, from torch's hub cache or fetched; refused where neither.

    `address`: where it is published, the hash's first digits in its name. `what`: what refusals
    call it. `instead`: what to do where it cannot be had.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    if not file.exists():
        _fetch(address, file, what, instead)
    expected = re.search(r"-([0-9a-f]{8,})\.", file.name)
    if expected and not file_digest(file).startswith(expected[1]):
        raise UsageError(
            f"{file} is not the file that torchvision published (its SHA-256 does not begin with "
            f"{expected[1]}); remove it, and it is fetched again"
        )
    return file


def _fetch(address: str, file: Path, what: str, instead: str) -> None:
    from huggingface_hub import constants

    try:
        if constants.HF_HUB_OFFLINE or not answers(address):
            raise OSError("it is not in torch's hub cache and cannot be reached")
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(file), progress=False)
    except OSError as error:
        raise UsageError(
            f"the published {what} cannot be had ({first_line(error)}); {instead}"
        ) from error


def file_digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def answers(address: str) -> bool:
    try:
        with urlopen(Request(address, method="HEAD"), timeout=_PROBE_SECONDS):
            return True
    except HTTPError:
        return True
    except OSError:
        return False
