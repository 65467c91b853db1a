"""Decodes what visitors bring, in a process of its own that can be cut off. No torch here.

A file of a few kilobytes may stand for gigabytes of pixels, or for minutes of decoding; neither
must reach the server, which shows other visitors their frames meanwhile.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from blindspots.errors import UsageError
from blindspots.images.decode import Unreadable, decode, past_texts
from blindspots.images.preprocessing import Preprocessing

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MOST_BYTES = 16 * 2**20
MOST_PIXELS, MOST_RATIO = 50_000_000, 100
MOST_SECONDS, MOST_MEMORY = 20.0, 2**30
_STARTS, _NICE = 60.0, 10
_EXPECTED = "expected a JPEG, PNG, WebP or GIF image"
Pixels = UInt8[np.ndarray, "height width 3"]


@dataclass
class UploadDecoder:
    """One upload after the other, from any thread; the process is started for the first one.

    It is ended after so many `seconds` with one upload, and has so many bytes of `memory`.
    """

    seconds: float = MOST_SECONDS
    memory: int = MOST_MEMORY
    process: BaseProcess | None = None
    _pipe: Connection | None = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def decode(self, data: bytes, geometries: Sequence[Preprocessing]) -> list[Pixels]:
        with self._one_at_a_time:
            try:
                answer = self._answer(data, geometries)
            except (EOFError, OSError) as error:
                self.close()
                raise UsageError(
                    f"the file takes more than {self.seconds:.0f} seconds or {self.memory >> 20} "
                    "MB of memory to decode; scale the image down first"
                ) from error
        if isinstance(answer, str):
            raise UsageError(answer)
        return answer

    def close(self) -> None:
        if self.process is not None and self._pipe is not None:
            self.process.kill()
            self.process.join()
            self._pipe.close()
        self.process = self._pipe = None

    def _answer(self, data: bytes, geometries: Sequence[Preprocessing]) -> str | list[Pixels]:
        pipe = self._started()
        pipe.send((data, tuple(geometries)))
        if not pipe.poll(self.seconds):
            raise TimeoutError
        return pipe.recv()

    def _started(self) -> Connection:
        from blindspots.study.backends.worker_process import without_script

        if self.process is not None and not self.process.is_alive():
            self.close()
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, there = context.Pipe()
            self.process = context.Process(target=_serve, args=(there, self.memory), daemon=True)
            with without_script():
                self.process.start()
            there.close()
            if not self._pipe.poll(_STARTS) or self._pipe.recv() is not None:
                raise TimeoutError
        return self._pipe


def seen(data: bytes, geometries: Sequence[Preprocessing]) -> list[Pixels]:
    _check_header(data)
    try:
        image = decode(data).image
    except Unreadable as error:
        raise UsageError(f"the file cannot be used: {error}; {_EXPECTED}") from error
    return [np.array(geometry(image)) for geometry in geometries]


def _serve(pipe: Connection, memory: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit(memory)
    pipe.send(None)
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(_said(*pipe.recv()))


def _said(data: bytes, geometries: Sequence[Preprocessing]) -> str | list[Pixels]:
    try:
        return seen(data, geometries)
    except UsageError as error:
        return str(error)


def _limit(memory: int) -> None:
    """Stand behind the server, and take no more memory than an upload may."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        os.nice(_NICE)
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def _check_header(data: bytes) -> None:
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"the file has more than {MOST_BYTES >> 20} MB; scale the image down first"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            width, height = past_texts(_size, data)
    except Image.DecompressionBombError as error:
        raise UsageError(_too_many()) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise UsageError(f"the file is no image that can be read here; {_EXPECTED}") from error
    if width * height > MOST_PIXELS:
        raise UsageError(_too_many())
    if max(width, height) > MOST_RATIO * min(width, height):
        raise UsageError(
            f"the image has {width:,} × {height:,} pixels, more than {MOST_RATIO} times as many "
            "one way as the other; crop it first"
        )


def _size(data: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(data), formats=FORMATS) as header:
        return header.size


def _too_many() -> str:
    return f"the image has more than {MOST_PIXELS // 10**6} million pixels; scale it down first"
