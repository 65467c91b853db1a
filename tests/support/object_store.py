"""An S3 server of its own on this machine, and what lies in it as a folder."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from blindspots.store.paths import Place

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server():
    """Its address and credentials are in the environment, so that other processes find it too."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "anyone")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        forget_connections()
        yield moto
    forget_connections()
    moto.stop()


def forget_connections():
    """Connections are kept by process, with the address they were made with."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(server):
    """The address of a new, empty bucket."""
    import boto3

    name = f"blindspots-{next(NUMBERS)}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"


def fetch(place: str | Place, to: Path) -> Path:
    """A copy of all that lies below a place."""
    from blindspots.store.paths import find_place

    place = find_place(place)
    for name in names(place):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes((place / name).read_bytes())
    return to


def names(place: str | Place) -> set[str]:
    """What lies below a place, relative to it; asked for at once, because tests wait for it."""
    from blindspots.store.paths import find_place

    place = find_place(place)
    found = place.fs.find(place.path)
    return {name.removeprefix(place.path.rstrip("/")).lstrip("/") for name in found}
