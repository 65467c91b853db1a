"""Machine settings: which device, and how many images at once. They do not change results."""

import torch

from blindspots.errors import Refused

PIXELS_AT_ONCE = {"cpu": 32 * 64 * 64, "cuda": 128 * 224 * 224, "mps": 16 * 224 * 224}
SMALLEST_BATCH, LARGEST_BATCH = 8, 512


def find_device(name: str = "auto") -> torch.device:
    """The device of that name; `auto`: CUDA where there is one, else the CPU.

    Refused where torch does not know the name or cannot use the device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise Refused(
            f"--device {name} cannot be used here ({_first_line(error)}); "
            "expected auto, cpu, or a CUDA device of this machine; use --device auto"
        ) from error
    return device


def batch_size(size: tuple[int, int], device: torch.device) -> int:
    """Images at once for a model of that input size: enough to fill the device, measured on a CPU.

    On two CPU cores throughput is flat from 8 images of 224 px or 32 of 64 px on.
    """
    pixels = PIXELS_AT_ONCE.get(device.type, PIXELS_AT_ONCE["cpu"])
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, pixels // (size[0] * size[1])))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
