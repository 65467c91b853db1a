"""LPIPS with the published backbone, in the files that people have it in."""

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.transforms.functional import pil_to_tensor

from blindspots.errors import UsageError
from blindspots.measure import metrics
from tests.real.assets import ASSETS, REAL

pytestmark = REAL
PHOTOS = ASSETS / "imagenet-sample"
BACKBONE = ASSETS / "alexnet_features.safetensors"


def test_lpips_of_real_images_is_that_of_the_lpips_package():
    import lpips

    theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = load_file(BACKBONE)
    for key, weight in theirs.net.named_parameters():
        weight.data = state[f"features.{key.partition('.')[2]}"]
    generator = torch.Generator().manual_seed(0)
    files = sorted(PHOTOS.rglob("*.*"))[:4]
    a = torch.stack([pil_to_tensor(Image.open(f).convert("RGB").resize((96, 64))) for f in files])
    a = a / 255
    b = (a + 0.2 * torch.rand(a.shape, generator=generator)).clamp(0, 1).roll(1, 0)
    ours, note = metrics.find_lpips(BACKBONE)
    assert ours is not None
    assert note is None
    with torch.no_grad():
        expected = theirs(2 * a - 1, 2 * b - 1).flatten()
    torch.testing.assert_close(ours(a, b), expected, atol=1e-6, rtol=1e-5)


def test_a_backbone_is_told_by_its_values_whatever_names_and_file_hold_it(tmp_path):
    state = load_file(BACKBONE)
    renamed = {key.replace("features.", "net.slice."): value for key, value in state.items()}
    torch.save({"state_dict": renamed}, tmp_path / "alex.ckpt")
    assert metrics.find_lpips(tmp_path / "alex.ckpt")[0] is not None
    state["features.3.bias"][5] += 1e-4
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="is not LPIPS's backbone"):
        metrics.find_lpips(tmp_path / "other.safetensors")
