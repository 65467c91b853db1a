"""The slides' published numbers, shown beside a run of the same model and algorithm."""

import re
from collections.abc import Mapping
from typing import Any

from blindspots.reporting.tables.table import Cell, TableRow

METHODS = ("paper", "reference")
SETTINGS = {"step_size": 1e-2, "epsilon": 2e-3, "delta": 0.2, "max_steps": 400}

# Word borders keep resnet50d or wide_resnet50_2 from passing as the slides' model.
_MODELS = {
    r"(?<!\w)resnet50(?!\w)": "ResNet-50 normal",
    r"Salman2020Do_R50(?!\w)": "ResNet-50 AT",
    r"(?<!\w)deit_small_patch16_224(?!\w)": "DeiT-S normal",
    r"Singh2023Revisiting_ViT-S-ConvStem(?!\w)": "DeiT-S AT",
}
_COLUMNS = {
    "distance": ("rmse", "linf", "ssim", "lpips"),
    "confidence": (
        "p_source",
        "mean",
        "fraction_0.0",
        "fraction_0.1",
        "fraction_0.2",
        "fraction_0.3",
        "segment_mean",
    ),
}
# Slides, tables 1 (distance) and 2 (confidence): mean and standard deviation in turn.
_NUMBERS = {
    "distance": {
        "ResNet-50 normal": "0.008 0.001 0.046 0.020 0.990 0.021 0.002 0.004",
        "ResNet-50 AT": "0.029 0.008 0.746 0.124 0.915 0.041 0.057 0.037",
        "DeiT-S normal": "0.011 0.002 0.116 0.030 0.973 0.024 0.024 0.017",
        "DeiT-S AT": "0.046 0.010 0.821 0.117 0.898 0.041 0.219 0.068",
    },
    "confidence": {
        "ResNet-50 normal": "0.99 0.02 0.56 0.10 0.13 0.15 0.51 0.11 0.53 0.1 0.54 0.10 0.96 0.05",
        "ResNet-50 AT": "0.88 0.11 0.83 0.09 0.49 0.29 0.79 0.13 0.85 0.1 0.88 0.09 0.93 0.06",
        "DeiT-S normal": "0.85 0.06 0.68 0.05 0.54 0.11 0.67 0.06 0.71 0.06 0.73 0.06 0.94 0.02",
        "DeiT-S AT": "0.76 0.08 0.59 0.07 0.20 0.09 0.43 0.14 0.63 0.15 0.76 0.12 0.73 0.06",
    },
}


def published_row(kind: str, model: str, method: str | None) -> TableRow | None:
    """The slides' row for `model`; None where model, method or table is not one of theirs."""
    name = next((name for pattern, name in _MODELS.items() if re.search(pattern, model)), None)
    if name is None or method not in METHODS or kind not in _COLUMNS:
        return None
    numbers = [float(number) for number in _NUMBERS[kind][name].split()]
    digits = 2 if kind == "confidence" else 3
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    cells = [Cell(mean, std, digits=digits) for mean, std in pairs]
    return TableRow(f"{name} (slides)", dict(zip(_COLUMNS[kind], cells, strict=True)), "slides")


def setting_differences(method: Mapping[str, Any]) -> str:
    """Where a run's settings are not the slides', as one phrase; empty where they agree."""
    return ", ".join(
        f"{name} {method[name]:g} (slides: {value:g})"
        for name, value in SETTINGS.items()
        if name in method and method[name] != value
    )
