"""Where the real model and images lie, beside the project, and the marks of what needs them."""

from pathlib import Path

import pytest

ASSETS = Path(__file__).resolve().parents[2].parent / "shared" / "assets"
WEIGHTS = ASSETS / "mobilenetv2_imagenet.safetensors"
MODEL = (
    f"timm:mobilenetv2_100?pad_type=same&weights={WEIGHTS}&mean=0.5,0.5,0.5&std=0.5,0.5,0.5"
    f"&classes={ASSETS / 'imagenet_classes.json'}"
)
IMAGES = f"folder:{ASSETS / 'imagenet-sample'}"

REAL = [
    pytest.mark.real,
    pytest.mark.skipif(
        not ASSETS.is_dir(), reason="the real model and images are not in ../shared/assets"
    ),
]
