"""The four embedded classifiers of `sample:shapes`: a ResNet and a ViT, each normal and AT."""

from pathlib import Path

from safetensors.torch import load_file
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from blindspots.images.shapes import CLASS_NAMES
from blindspots.models.catalog import WEIGHTS, check_name
from blindspots.models.classifier import Classifier

TRAINING_EPSILON = 8 / 255
CLASSES = 10
SIZE = 64


def small_resnet() -> nn.Module:
    """A ResNet of basic blocks: 3x3 stem, four blocks at 16, 8, 4 and 4 pixels, 339,018 weights."""
    stages = [(24, 1), (48, 1), (96, 2)]
    blocks = tuple(
        ByoBlockCfg(type="basic", d=depth, c=width, s=2, gs=0) for width, depth in stages
    )
    layout = ByoModelCfg(blocks=blocks, stem_chs=16, stem_type="3x3", stem_pool="")
    return ByobNet(layout, num_classes=CLASSES)


def small_vit() -> nn.Module:
    """A ViT of four blocks, width 64, on the 64 tokens of an 8-pixel convolutional stem."""
    return VisionTransformer(
        img_size=SIZE,
        patch_size=8,
        num_classes=CLASSES,
        embed_dim=64,
        depth=4,
        num_heads=2,
        mlp_ratio=2,
        class_token=False,
        global_pool="avg",
        embed_layer=PatchStem,
    )


class PatchStem(nn.Module):
    """Patches of 8 pixels by three strided convolutions; adversarial training of ViTs needs it."""

    def __init__(self, img_size: int, patch_size: int, in_chans: int, embed_dim: int, **_: object):
        super().__init__()
        self.grid_size = (img_size // patch_size, img_size // patch_size)
        self.num_patches = self.grid_size[0] * self.grid_size[1]
        widths = (in_chans, embed_dim // 4, embed_dim // 2)
        self.halvings = nn.Sequential(*map(_halving, widths[:-1], widths[1:]))
        self.last = nn.Conv2d(widths[-1], embed_dim, 3, stride=2, padding=1)

    def _get_name(self) -> str:
        # A model's former fingerprint holds its repr: runs that are stored know this name.
        return "ConvStem"

    def forward(self, images: Tensor) -> Tensor:
        """Tokens (batch, 64, width) of normalised images (batch, 3, 64, 64)."""
        return self.last(self.halvings(images)).flatten(2).transpose(1, 2)


def _halving(inputs: int, outputs: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


_ARCHITECTURES = {"shapes-resnet": small_resnet, "shapes-vit": small_vit}


def architecture(name: str) -> nn.Module:
    check_name(name)
    return _ARCHITECTURES[name.removesuffix("-at")]()


def classifier(name: str, module: nn.Module) -> Classifier:
    """`module` with the normalisation, size and class names that all zoo models share."""
    return Classifier(
        module,
        size=SIZE,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        class_names=CLASS_NAMES,
        name=name,
        training_epsilon=TRAINING_EPSILON if is_adversarial(name) else None,
    )


def load_zoo(name: str, folder: Path | None = None) -> Classifier:
    """The trained model `name`, in eval mode; `folder`: where its weights lie, None: embedded."""
    module = architecture(name)
    module.load_state_dict(load_file((folder or WEIGHTS) / f"{name}.safetensors"))
    return classifier(name, module).eval()


def is_adversarial(name: str) -> bool:
    return name.endswith("-at")
