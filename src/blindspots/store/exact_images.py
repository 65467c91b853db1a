"""The folders of a run directory that hold images, and the exact images among them."""

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load

from blindspots.store.archives import Archives

PICTURES = ("images", "found", "path")


def load_exact(found: Archives, pair_id: str) -> Float[np.ndarray, "3 height width"] | None:
    """The exact float32 image of a pair in `found/`; None where it was not kept."""
    content = found.read(f"{pair_id}.safetensors")
    try:
        return None if content is None else load(content)["found"]
    except (SafetensorError, KeyError) as error:
        file = found.folder / f"{pair_id}.safetensors"
        raise OSError(
            f"{file} is damaged ({error}); remove it, and its pair is done again"
        ) from error
