"""Distances between images, and statistics of confidences; each a number per sample.

| name | formula | source |
|---|---|---|
| `rmse` | √ mean (a − b)² over channels and pixels | |
| `linf` | max abs(a − b) | |
| `ssim` | Wang et al. 2004, Gaussian window 11, σ 1.5, K₁ .01, K₂ .03, valid region | |
| `Lpips` | Σ_layers mean_xy Σ_c w_c (φ̂_c(a) − φ̂_c(b))², AlexNet | Zhang et al. 2018 |

SSIM is written out here because torchmetrics ≥ 1.4.2 averages over padded borders, and kornia,
which does not, would be a dependency for twenty lines; LPIPS because its classes fetch their
backbone from the network and check no file that is already there.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from blindspots.errors import UsageError
from blindspots.models.repositories import published_file
from blindspots.models.weights_files import read_weights
from blindspots.schema import LPIPS_DOWNLOAD, LPIPS_FILE, LPIPS_SMALLEST

Images = Float[Tensor, "batch channel height width"]
PerSample = Float[Tensor, " batch"]

SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2

_HEADS = Path(__file__).with_name("lpips-heads.safetensors")
# Of the float32 values of the five convolutions, weight before bias, from the first to the last.
_LPIPS_SHA256 = "2b566cc3a4d6f0a7"
_LPIPS_SHAPES = ((64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3))
_EXPECTED = f"torchvision's AlexNet; give {LPIPS_FILE}, or type --lpips-weights {LPIPS_DOWNLOAD}"
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

    `weights`: any file of tensors with the five convolutions of torchvision's AlexNet, such as
    `alexnet-owt-7be5be79.pth`, by whatever names; refused where their values are others.
    The linear heads lie beside this module, under their own licence.
    """

    def __init__(self, weights: str | Path) -> None:
        super().__init__()
        self.features = _alexnet_features(_convolutions(Path(weights)))
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

    `weights`: the backbone's file; "download": torchvision's, fetched once into torch's hub cache;
    None: that file where it is there already. Refused: a given file that is missing, one that
    cannot be fetched, and any with other values.
    """
    if weights is not None:
        return Lpips(_fetched() if str(weights) == LPIPS_DOWNLOAD else weights), None
    cached = Path(torch.hub.get_dir()) / "checkpoints" / LPIPS_FILE
    if cached.is_file():
        return Lpips(cached), None
    return None, (
        f"LPIPS was left out because its backbone {LPIPS_FILE} is not in torch's hub cache; type "
        f"--lpips-weights {LPIPS_DOWNLOAD} to fetch its 244 MB once, or --lpips-weights FILE"
    )


def _fetched() -> Path:
    from torchvision.models import AlexNet_Weights

    instead = "give a file that has them as --lpips-weights FILE"
    return published_file(AlexNet_Weights.DEFAULT.url, "weights of AlexNet for LPIPS", instead)


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


def _convolutions(path: Path) -> list[Tensor]:
    """The weights and biases of LPIPS's backbone, told by their shapes, in the network's order."""
    state = read_weights(path).state
    found: list[Tensor] = []
    for out, into, side in _LPIPS_SHAPES:
        fitting = [k for k, v in state.items() if v.shape == (out, into, side, side)]
        biases = [key.removesuffix("weight") + "bias" for key in fitting]
        if len(fitting) != 1 or biases[0] not in state:
            raise UsageError(f"{path} lacks the convolutions of {_EXPECTED}")
        found += [state[fitting[0]].float(), state[biases[0]].float()]
    if not (digest := _digest(found)).startswith(_LPIPS_SHA256):
        raise UsageError(
            f"{path} is not LPIPS's backbone: its values' SHA-256 begins with {digest[:8]}, not "
            f"{_LPIPS_SHA256[:8]}; expected {_EXPECTED}"
        )
    return found


def _digest(tensors: Iterable[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _alexnet_features(tensors: Sequence[Tensor]) -> nn.Sequential:
    from torchvision.models import alexnet

    with torch.device("meta"):
        features = alexnet(weights=None).features
    features.load_state_dict(dict(zip(features.state_dict(), tensors, strict=True)), assign=True)
    # Out of place: an activation that is kept must not be overwritten by the layer after it.
    layers = [nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in features]
    return nn.Sequential(*layers[: max(_LPIPS_LAYERS) + 1])


def _linear_heads() -> list[Float[Tensor, "1 channel 1 1"]]:
    heads = load_file(_HEADS)
    return [heads[f"head{layer}"] for layer in range(len(_LPIPS_LAYERS))]
