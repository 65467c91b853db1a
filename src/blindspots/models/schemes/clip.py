"""`clip:MODEL[:WEIGHTS]`: Radford et al., *Learning Transferable Visual Models From Natural
Language Supervision* (2021), as a zero-shot classifier, through transformers.

Each class is the mean of the normalised embeddings of its name in several templates; its logit is
the cosine similarity with the image's embedding times CLIP's own scale. The texts are embedded
once, when the model is loaded. Without class names the model returns the image's embedding.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from blindspots.errors import UsageError
from blindspots.images.classes import read_class_table
from blindspots.models.classifier import Classifier
from blindspots.models.processors import read_processor
from blindspots.models.repositories import Repository
from blindspots.models.spec_options import (
    ModelOptions,
    SourceInfo,
    assemble,
    model_options,
    refuse_others,
    short_name,
)
from blindspots.models.weights import load_weights
from blindspots.settings import Trust
from blindspots.specs import Spec, nearest_names, read_text, user_path

TEMPLATES = (
    "a photo of a {}.",
    "a close-up photo of a {}.",
    "a blurry photo of a {}.",
    "a photo of a large {}.",
    "a photo of a small {}.",
    "a drawing of a {}.",
)
_GAP = "{}"
_CHUNK = 64

# OpenCLIP's names of models and weights, and the repositories that hold them for transformers.
PUBLISHED = {
    "ViT-B-32:openai": "openai/clip-vit-base-patch32",
    "ViT-B-32:laion2b_s34b_b79k": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "ViT-B-16:openai": "openai/clip-vit-base-patch16",
    "ViT-B-16:laion2b_s34b_b88k": "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
    "ViT-L-14:openai": "openai/clip-vit-large-patch14",
    "ViT-L-14:laion2b_s32b_b82k": "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    "ViT-L-14-336:openai": "openai/clip-vit-large-patch14-336",
    "ViT-H-14:laion2b_s32b_b79k": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
}


class ImageEmbedding(nn.Module):
    """CLIP's image half: embeddings `(batch, features)`, as they are before normalising."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.vision, self.projection = clip.vision_model, clip.visual_projection

    def forward(self, images: Tensor) -> Tensor:
        return self.projection(self.vision(pixel_values=images).pooler_output)


class ZeroShot(nn.Module):
    """CLIP as a classifier whose weights are the texts' embeddings."""

    texts: Tensor
    scale: Tensor

    def __init__(
        self, embedding: ImageEmbedding, texts: Float[Tensor, "classes features"], scale: Tensor
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.register_buffer("texts", texts)
        self.register_buffer("scale", scale)

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * normalize(self.embedding(images), dim=1) @ self.texts.T


def load(spec: Spec, trust: Trust) -> Classifier:
    """The zero-shot classifier over `classes=FILE`; without it, the image embedding.

    `templates=FILE`: one template a line, each with `{}` where the class name goes.
    """
    options = model_options(spec, "templates", "revision")
    refuse_others(spec, options)
    repository = Repository(
        _repository(spec), short_name(spec), spec.options.get("revision"), trust.remote_code
    )
    templates = _templates(spec, options)
    clip = _clip(repository, options)
    seen = read_processor(repository.load("AutoImageProcessor", backend="pil"), repository.spec)
    embedding = ImageEmbedding(clip)
    table = read_class_table(options.classes) if options.classes else None
    known = SourceInfo(
        size=seen.size,
        mean=seen.mean,
        std=seen.std,
        preprocessing=seen.preprocessing,
        table=table,
        embeds=table is None,
    )
    if table is None:
        return assemble(spec, options, embedding, known)
    texts = _embed_classes(clip, repository, table.names, templates)
    return assemble(
        spec, options, ZeroShot(embedding, texts, clip.logit_scale.detach().exp()), known
    )


def _repository(spec: Spec) -> str:
    """The directory or the hub's name of a model; OpenCLIP's names are translated."""
    if user_path(spec.name).is_dir():
        return spec.name
    model, _, weights = spec.name.partition(":")
    tags = [name.partition(":")[2] for name in PUBLISHED if name.partition(":")[0] == model]
    if not tags and not weights:
        return spec.name
    known = PUBLISHED.get(spec.name) or PUBLISHED.get(
        f"{model}:{tags[0]}" if not weights and tags else ""
    )
    if known is None:
        offer = f"it has {', '.join(tags)}" if tags else nearest_names(spec.name, PUBLISHED)
        raise UsageError(
            f"{spec.scheme}:{spec.name} names no weights that are known; "
            f"{offer or 'expected a directory, ORG/NAME on the hub'}; "
            "type clip:ViT-B-32:openai, clip:ORG/NAME or clip:DIRECTORY"
        )
    return known


def _clip(repository: Repository, options: ModelOptions) -> Any:
    config = repository.load("AutoConfig")
    if config.model_type != "clip":
        raise UsageError(
            f"{repository.spec} is a {config.model_type} model; expected CLIP; "
            f"type hf:{repository.name} for other models"
        )
    if options.weights is not None:
        from transformers import CLIPModel

        with repository.read():
            clip = CLIPModel(config)
        load_weights(clip, options.weights, repository.spec, entry=options.entry, unused=_POSITIONS)
        return clip.eval()
    clip, report = repository.load(
        "CLIPModel", config=config, dtype=torch.float32, output_loading_info=True
    )
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise UsageError(
            f"{repository.spec} lacks {len(missing)} of CLIP's weights ({missing[0]} and so on), "
            "which would be random; save or fetch it again"
        )
    return clip.eval()


# Older files hold the positions' numbers, which the model makes itself.
_POSITIONS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")


def _templates(spec: Spec, options: ModelOptions) -> Sequence[str]:
    file = spec.options.get("templates")
    if file is None:
        return TEMPLATES
    if options.classes is None:
        raise UsageError(
            f"templates={file} was given in {spec} without class names; add classes=FILE"
        )
    lines = read_text(user_path(file), f"the templates file {file}").splitlines()
    templates = [line.strip() for line in lines if line.strip()]
    wrong = next((text for text in templates if text.count(_GAP) != 1), None)
    if wrong is not None or not templates:
        given = "no line" if wrong is None else f"the line {wrong!r}"
        raise UsageError(
            f"the templates file {file} has {given}; "
            f"expected one template a line with {_GAP} once, as in {TEMPLATES[0]}"
        )
    return templates


def _embed_classes(
    clip: Any, repository: Repository, names: Sequence[str], templates: Sequence[str]
) -> Float[Tensor, "classes features"]:
    tokenizer = repository.load("AutoTokenizer")
    texts = [template.replace(_GAP, name) for name in names for template in templates]
    chunks = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
    embedded = torch.cat([_embed(clip, tokenizer, chunk) for chunk in chunks])
    means = normalize(embedded, dim=1).view(len(names), len(templates), -1).mean(1)
    return normalize(means, dim=1)


@torch.no_grad()
def _embed(clip: Any, tokenizer: Any, texts: Sequence[str]) -> Float[Tensor, "texts features"]:
    tokens = tokenizer(
        list(texts),
        padding=True,
        truncation=True,
        max_length=clip.config.text_config.max_position_embeddings,
        return_tensors="pt",
    )
    output = clip.text_model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    return clip.text_projection(output.pooler_output)
