"""Distances between images, and statistics of confidences; each a number per sample.

| name | formula | source |
|---|---|---|
| `rmse` | √ mean (a − b)² over channels and pixels | |
| `linf` | max abs(a − b) | |
| `ssim` | Wang et al. 2004, Gaussian window 11, σ 1.5, K₁ .01, K₂ .03, valid region | |
| `Lpips` | Σ_layers mean_xy Σ_c w_c (φ̂_c(a) − φ̂_c(b))², AlexNet | Zhang et al. 2018 |

SSIM is written out here because torchmetrics ≥ 1.4.2 averages over padded borders and kornia, which
does not, would be a dependency for twenty lines; LPIPS because its classes fetch their backbone from
the network and check no file that is already there.
"""

import hashlib
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from blindspots.errors import UsageError
from blindspots.schema import LPIPS_SMALLEST

Images = Float[Tensor, "batch channel height width"]
PerSample = Float[Tensor, " batch"]

SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2

LPIPS_FILE = "alexnet-owt-7be5be79.pth"
_LPIPS_SHA256 = "7be5be79"
_HEADS = Path(__file__).with_name("lpips-heads.safetensors")
_LPIPS_LAYERS = (1, 4, 7, 9, 11)
_LPIPS_SHIFT, _LPIPS_SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


def rmse(a: Images, b: Images) -> PerSample:
    """Root mean square difference of each image of `a` and its partner in `b`; in [0, 1]."""
    return (_precise(a) - _precise(b)).square().flatten(1).mean(1).sqrt()


def linf(a: Images, b: Images) -> PerSample:
    """Largest absolute difference of a pixel's channel, for each pair of images; in [0, 1]."""
    return (_precise(a) - _precise(b)).abs().flatten(1).amax(1)


def ssim(a: Images, b: Images) -> PerSample:
    """Structural similarity of each pair of images in [0, 1]; 1 where they are equal.

    Gaussian window of 11 pixels, σ = 1.5, data range 1, averaged over channels and over the
    pixels whose window lies inside the image: equal to scikit-image with Wang's settings.
    Refused for images with a side below 11 pixels.
    """
    if min(a.shape[-2:]) < SSIM_WINDOW:
        raise UsageError(
            f"SSIM needs images of at least {SSIM_WINDOW} × {SSIM_WINDOW} pixels, but these are "
            f"{a.shape[-2]} × {a.shape[-1]}; work at a larger size"
        )
    a, b = _precise(a), _precise(b)
    mean_a, mean_b, aa, bb, ab = _blur(torch.stack([a, b, a * a, b * b, a * b]))
    luminance = (2 * mean_a * mean_b + _SSIM_C1) / (mean_a**2 + mean_b**2 + _SSIM_C1)
    variances = (aa - mean_a**2) + (bb - mean_b**2)
    structure = (2 * (ab - mean_a * mean_b) + _SSIM_C2) / (variances + _SSIM_C2)
    return (luminance * structure).flatten(1).mean(1)


class Lpips(nn.Module):
    """Learned perceptual distance (AlexNet, version 0.1) of pairs of images in [0, 1].

    `weights`: torchvision's AlexNet state dict, `alexnet-owt-7be5be79.pth`; its SHA-256 must begin
    with the digits in that name, else it is refused. The linear heads lie beside
    this module, under their own licence.
    """

    def __init__(self, weights: str | Path, *, sha256: str = _LPIPS_SHA256) -> None:
        super().__init__()
        _check_hash(Path(weights), sha256)
        self.features = _alexnet_features(Path(weights))
        self.heads = nn.ParameterList(_linear_heads())
        self.register_buffer("shift", torch.tensor(_LPIPS_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_LPIPS_SCALE).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    shift: Tensor
    scale: Tensor

    def forward(self, a: Images, b: Images) -> PerSample:
        """The distance of each pair; 0 where they are equal, refused below 31 pixels per side."""
        if min(a.shape[-2:]) < LPIPS_SMALLEST:
            raise UsageError(
                f"LPIPS needs images of at least {LPIPS_SMALLEST} pixels per side, but these are "
                f"{a.shape[-2]} × {a.shape[-1]}; work at a larger size"
            )
        layers = zip(self.heads, self._unit_features(a), self._unit_features(b), strict=True)
        maps = [((one - other) ** 2 * head).sum(1) for head, one, other in layers]
        return torch.stack([layer.flatten(1).mean(1) for layer in maps]).sum(0)

    def _unit_features(self, images: Images) -> list[Float[Tensor, "batch _ _ _"]]:
        """The activations after each ReLU, every pixel's channels brought to length 1."""
        # LPIPS was trained on images in [-1, 1].
        x = (2 * images - 1 - self.shift) / self.scale
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _LPIPS_LAYERS:
                found.append(x / (x.norm(dim=1, keepdim=True) + 1e-10))
        return found


def find_lpips(weights: str | Path | None = None) -> tuple[Lpips | None, str | None]:
    """LPIPS where its backbone is on this machine, else None and a sentence that says what to do.

    `weights`: the backbone's file; None: `alexnet-owt-7be5be79.pth` in torch's hub cache. Nothing
    is downloaded. Refused: a given file that is missing, and any file of another hash.
    """
    if weights is not None:
        return Lpips(weights), None
    cached = Path(torch.hub.get_dir()) / "checkpoints" / LPIPS_FILE
    if cached.is_file():
        return Lpips(cached), None
    return None, (
        f"LPIPS was left out because its backbone {LPIPS_FILE} is not in {cached.parent}; fetch it "
        "with torchvision.models.alexnet(weights='DEFAULT') or give --lpips-weights FILE"
    )


def _precise(values: Tensor) -> Tensor:
    """The values in float64; in float32 on devices that have no doubles."""
    return values.to(torch.float32 if values.device.type == "mps" else torch.float64)


def _blur(maps: Float[Tensor, "map batch channel height width"]) -> Tensor:
    """Each plane under the normalised Gaussian window, valid region only."""
    offsets = torch.arange(SSIM_WINDOW, dtype=maps.dtype, device=maps.device) - SSIM_WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    window = window / window.sum()
    return _slide(_slide(maps, window, dim=-2), window, dim=-1)


def _slide(maps: Tensor, window: Float[Tensor, " taps"], dim: int) -> Tensor:
    # Shifted sums: on a CPU, torch's convolution of doubles takes many times as long.
    length = maps.shape[dim] - len(window) + 1
    total = maps.narrow(dim, 0, length) * window[0]
    for shift in range(1, len(window)):
        total.addcmul_(maps.narrow(dim, shift, length), window[shift])
    return total


def _check_hash(path: Path, expected: str) -> None:
    if not path.is_file():
        raise UsageError(f"there is no file {path} with LPIPS's backbone; give {LPIPS_FILE}")
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if not actual.startswith(expected):
        raise UsageError(
            f"{path} is not LPIPS's backbone: its SHA-256 begins with {actual[:8]}, "
            f"not {expected}; give torchvision's {LPIPS_FILE}"
        )


def _alexnet_features(weights: Path) -> nn.Sequential:
    from torchvision.models import alexnet

    state = cast(dict[str, Tensor], torch.load(weights, map_location="cpu", weights_only=True))
    with torch.device("meta"):
        features = alexnet(weights=None).features
    own = {key.removeprefix("features."): state[key] for key in state if key.startswith("feat")}
    features.load_state_dict(own, assign=True)
    # Out of place: an activation that is kept must not be overwritten by the layer after it.
    layers = [nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in features]
    return nn.Sequential(*layers[: max(_LPIPS_LAYERS) + 1])


def _linear_heads() -> list[Float[Tensor, "1 channel 1 1"]]:
    heads = load_file(_HEADS)
    return [heads[f"head{layer}"] for layer in range(len(_LPIPS_LAYERS))]
