"""Files of the hub: from its cache on this machine, or fetched when it can be reached."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_PROBE_SECONDS = 5


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


def answers(address: str) -> bool:
    """Whether something answers at a web address, found out within seconds."""
    try:
        with urlopen(Request(address, method="HEAD"), timeout=_PROBE_SECONDS):
            return True
    except HTTPError:
        return True
    except OSError:
        return False
