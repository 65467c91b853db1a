"""Pictures larger than any input and not square, and the command line on a folder of them."""

import json

import numpy as np
import torch
from PIL import Image

from blindspots.cli.main import call
from blindspots.measure import metrics


def make_picture(width=331, height=180, seed=0):
    """A picture of smooth colours with noise on top, which every resampling filter treats anew."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height)), np.int16)
    noisy = smooth + rng.integers(-40, 41, smooth.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def as_seen(model, picture):
    """The picture as the model's preprocessing gives it: (1, 3, height, width) in [0, 1]."""
    pixels = np.array(model.preprocessing(picture))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def answer(model, picture):
    """What the model says of a picture."""
    with torch.no_grad():
        return model.eval()(as_seen(model, picture))


def spread_out(network, scale=0.3):
    """Random weights large enough that the logits tell pictures apart; buffers stay."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(0, scale / max(1, weight[0].numel()) ** 0.5 if weight.dim() > 1 else 0.1)
    return network.eval()


def save_pictures(folder, count=3):
    """The image spec of a new flat folder of pictures."""
    folder.mkdir()
    for seed in range(count):
        make_picture(90, 70, seed).save(folder / f"{seed}.png")
    return f"folder:{folder}"


def write_backbone(folder):
    """A random backbone of LPIPS, called as the published one, whose hash it cannot have."""
    from torchvision.models import alexnet

    # LPIPS does not use the classifier, so it need not be drawn, nor fill 230 MB on disk.
    with torch.device("meta"):
        whole = alexnet(weights=None)
    torch.manual_seed(0)
    for layer in whole.features:
        if isinstance(layer, torch.nn.Conv2d):
            layer.to_empty(device="cpu").reset_parameters()
    state = whole.state_dict()
    unused = {k: torch.zeros(1).expand(v.shape) for k, v in state.items() if "classifier" in k}
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state | unused, folder / metrics.LPIPS_FILE)
    return folder / metrics.LPIPS_FILE


def doctor(spec, images, capsys, *flags):
    """What `blindspots doctor --json` says of a model, which it must not refuse."""
    status = call(["doctor", spec, "--images", images, "--json", "--quiet", *flags])
    said = capsys.readouterr()
    assert status == 0, said.err
    return json.loads(said.out)
