"""From a spec to a `Classifier`; the schemes themselves are in `blindspots.models.schemes`."""

from collections.abc import Sequence

from blindspots.errors import UsageError
from blindspots.models.classifier import Classifier
from blindspots.models.schemes import SCHEMES, parse_model_spec
from blindspots.settings import Trust


def load_model(
    spec: str, *, trust_file: bool = False, trust_remote_code: bool = False
) -> Classifier:
    """The classifier that a spec names, on the CPU, named by the spec without its options.

    Options: `weights=FILE`, `entry=` (which set of weights in it), `mean=` and `std=` (a number, or
    one per channel, of images in [0, 1]), `size=` (a side, or height x width, in pixels),
    `classes=FILE` (see `read_class_table`); any other key goes to the function that builds the
    architecture. What is not said comes from the
    model's own configuration; a `python:` or `file:` model has none, so there `size` must be said,
    and mean 0 and std 1 stand in. `trust_file`: an `exported:` program, which is unpickled, may run
    its code. `trust_remote_code`: an `hf:` model may run the Python files that come with it.
    Refused: whatever cannot be found, read or fitted, and a model that does not return finite
    logits (batch, classes), as many as its class file has names, or embeddings (batch, features)
    where it has no classes.
    """
    return load_trusted(spec, Trust(file=trust_file, remote_code=trust_remote_code))


def load_trusted(spec: str, trust: Trust) -> Classifier:
    """`load_model` with its trust in one."""
    model = load_unchecked(spec, trust)
    _ = model.num_classes, model.features
    return model


def load_unchecked(spec: str, trust: Trust) -> Classifier:
    """As `load_model`, also where the model answers NaN or probabilities: for the doctor."""
    parsed = parse_model_spec(spec)
    model = SCHEMES[parsed.scheme](parsed, trust)
    names = model.class_names
    if names is not None and len(names) != model.count_outputs():
        raise UsageError(
            f"the class table has {len(names)} names, but {model.name} returns "
            f"{model.count_outputs()} classes; give --classes a file with one name a class"
        )
    return model


def name_apart(loaded: Sequence[tuple[str, Classifier]]) -> None:
    """Let models of one name go by what tells their specs apart; twice the same is refused.

    `loaded`: (spec, model). Folders that they share are left out: they name who was here.
    """
    names = [model.name for _, model in loaded]
    for name in {name for name in names if names.count(name) > 1}:
        alike = [(spec, model) for spec, model in loaded if model.name == name]
        for (_, model), told in zip(alike, _apart([spec for spec, _ in alike]), strict=True):
            model.name = told
    if len({model.name for _, model in loaded}) < len(loaded):
        raise UsageError(
            f"--model was given the same model twice among {', '.join(names)}; "
            "expected different ones; name each once"
        )


def _apart(specs: Sequence[str]) -> list[str]:
    """`file:a/model.py:build`: of each spec the end of its name, and the options that differ."""
    heads, queries = zip(*(spec.partition("?")[::2] for spec in specs), strict=True)
    names = _ends([head.partition(":")[2] for head in heads])
    options = [dict(one.partition("=")[::2] for one in query.split("&")) for query in queries]
    keys = dict.fromkeys(key for own in options for key in own)
    values = {key: [own.get(key, "") for own in options] for key in keys}
    ends = {key: _ends(own) for key, own in values.items() if len(set(own)) > 1}
    told = [
        "&".join(f"{key}={end[i]}" for key, end in ends.items() if end[i])
        for i in range(len(specs))
    ]
    return [
        f"{head.partition(':')[0]}:{name}{'?' * bool(query)}{query}"
        for head, name, query in zip(heads, names, told, strict=True)
    ]


def _ends(texts: Sequence[str]) -> list[str]:
    """The fewest last parts of paths, the same number of each, of which no two are alike."""
    parts = [text.split("/") for text in texts]
    ends = (["/".join(one[-n:]) for one in parts] for n in range(1, max(map(len, parts)) + 1))
    return next((end for end in ends if len(set(end)) == len(set(texts))), list(texts))
