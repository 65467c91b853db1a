"""What a benchmark was measured on."""

import os
import platform
from pathlib import Path

import torch


def hardware(device: torch.device) -> str:
    """One line about what it was measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    card = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return (
        f"{processor}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{card}, "
        f"torch {torch.__version__}, load {os.getloadavg()[0]:.1f} at the start"
    )
