"""What models and files are called where people read: in words, without this machine's folders."""

import re
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace

from blindspots.errors import UsageError
from blindspots.specs import nearest_names
from blindspots.specs import without_folders as without_folders
from blindspots.store.paths import Place
from blindspots.store.reader import ModelFacts, Run

_SPELLED = {
    **{name.lower(): name for name in ("ResNet", "ResNeXt", "DenseNet", "SqueezeNet", "ViT")},
    **{name.lower(): name for name in ("DeiT", "CNN", "VGG", "ConvNeXt", "EfficientNet", "Swin")},
    **{"mobilenetv2": "MobileNetV2", "mobilenetv3": "MobileNetV3", "alexnet": "AlexNet"},
}
_TRAINED = "adversarially trained"
Names = Mapping[str, str]


def title_of(facts: ModelFacts) -> str:
    """A model in words: as people call it; else made of its spec.

    "zoo:shapes-resnet-at" → "Shapes ResNet, adversarially trained".
    """
    return facts.title or _in_words(facts)


def _in_words(facts: ModelFacts) -> str:
    spec = without_folders(facts.name or facts.spec).split("?")[0]
    plain = (spec.partition(":")[2] or spec).rpartition("…/")[2]
    plain = plain.split(":")[0].removesuffix(".py").split(".")[0]
    words = [word for word in re.split(r"[-_ /]+", plain) if word]
    trained = facts.training_epsilon is not None
    if trained and len(words) > 1 and words[-1].lower() == "at":
        words.pop()
    text = " ".join(_spelled(word) for word in words) or spec
    return f"{text[0].upper()}{text[1:]}{f', {_TRAINED}' * trained}"


def _spelled(word: str) -> str:
    family = re.match(r"[A-Za-z]+?(?:v\d)?(?=\d|$)", word)
    known = _SPELLED.get(family[0].lower()) if family else None
    return (
        word
        if known is None or family is None
        else f"{known}{'-' * (word != family[0])}" + (word[len(family[0]) :])
    )


def titles(run: Run) -> dict[str, str]:
    """What each model of the run is called, by its name; no two alike."""
    return titles_of(run.models)


def titles_of(models: Iterable[ModelFacts]) -> dict[str, str]:
    """What each of these models is called, by its name; no two alike."""
    said = {facts.name: title_of(facts) for facts in models}
    twice = {title for title in said.values() if list(said.values()).count(title) > 1}
    return {name: without_folders(name) if own in twice else own for name, own in said.items()}


def refuse_unknown(names: Names, known: Iterable[str], place: Place) -> None:
    """Refuse a title of what is no model of the run in `place`."""
    models = list(dict.fromkeys(known))
    for name in names:
        if name not in models:
            hint = nearest_names(name, models) or f"it has {', '.join(models)}"
            raise UsageError(f"--name {name}=… was given, which is no model of {place}; {hint}")


def renamed(run: Run, names: Names | None) -> Run:
    """The run with other titles: SPEC or name → title; refused where one is of no model of it."""
    known = [known for facts in run.models for known in (facts.name, facts.spec)]
    refuse_unknown(names or {}, known, run.path)
    if not names:
        return run
    other = copy(run)
    said = ((facts, names.get(facts.name) or names.get(facts.spec)) for facts in run.models)
    # A run is read-only; this is a copy that no one else has.
    vars(other)["models"] = tuple(replace(facts, title=t or facts.title) for facts, t in said)
    return other
