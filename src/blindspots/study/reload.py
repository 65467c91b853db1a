"""A run's models and images, loaded again from what it stored."""

import random
from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import nan

import torch
from jaxtyping import Float
from torch import Tensor

from blindspots.engine.batch import UNLABELLED, Pair, TraversalResult, from_8bit
from blindspots.errors import UsageError
from blindspots.images.sources.in_memory import MEMORY
from blindspots.models.classifier import Classifier
from blindspots.models.load import load_trusted
from blindspots.models.schemes import CODE_SCHEMES
from blindspots.schema import STARTED, Ending
from blindspots.settings import Trust
from blindspots.store.paths import Place, inside
from blindspots.store.reader import ModelFacts, Row, Run

Image = Float[Tensor, "3 height width"]


def check_stored_spec(spec: str, trust: Trust, typed: Collection[str] = ()) -> None:
    """Refuse a spec that runs code and that a run directory named, unless the user trusts it.

    `typed`: specs that the user named on the command line, which is trust enough.
    """
    if spec.partition(":")[0] in CODE_SCHEMES and spec not in typed and not trust.run_code:
        raise UsageError(
            f"the run names the model {spec}, and loading it runs that code; if you trust it, add "
            "--trust-run-code"
        )


def check_loadable(
    facts: ModelFacts,
    trust: Trust,
    typed: Collection[str] = (),
    own: Sequence[Classifier] = (),
) -> None:
    """Refuse a model that only its maker has, or whose spec runs code that the user did not trust.

    `own`: models that the caller holds; one that is the run's is taken as it is.
    """
    if _among(own, facts) is not None:
        return
    if facts.spec.startswith(f"{MEMORY}:"):
        raise UsageError(
            f"{facts.name} was handed to blindspots.run in memory, so it cannot be loaded again; "
            "expected that model; from Python give it as models=[model], or run it by spec: "
            "model='file:model.py:build'"
        )
    check_stored_spec(facts.spec, trust, typed)


def _among(own: Sequence[Classifier], facts: ModelFacts) -> Classifier | None:
    return next((model for model in own if model.has_fingerprint(facts.fingerprint)), None)


def load_again(
    facts: ModelFacts,
    trust: Trust,
    typed: Collection[str] = (),
    own: Sequence[Classifier] = (),
) -> Classifier:
    """The model that was run, on the CPU or of `own`; refused where its spec now loads another.

    `typed`, `own`: as in `check_loadable`.
    """
    check_loadable(facts, trust, typed, own)
    held = _among(own, facts)
    # A copy: it is moved to a device and laid out, which is no business of the caller's.
    model = load_trusted(facts.spec, trust) if held is None else deepcopy(held)
    if not model.has_fingerprint(facts.fingerprint):
        raise UsageError(
            f"{facts.spec} is not the model that was run (fingerprint {model.fingerprint()}, "
            f"expected {facts.fingerprint}); put the same weights back"
        )
    model.name = facts.name
    return model


def saved_image(run: Run, image_id: str, model: str) -> Image:
    """A source or target exactly as `model` saw it; refused where its file is missing."""
    pixels = run.image(image_id, model)
    if pixels is None:
        raise UsageError(_missing(run.image_path(image_id, model)))
    return from_8bit(torch.from_numpy(pixels.copy())).permute(2, 0, 1)


def saved_found(run: Run, pair_id: str) -> Image:
    """The exact found image of a pair; refused where its file is missing."""
    exact = run.exact(pair_id)
    if exact is None:
        raise UsageError(_missing(inside(run.path / "found", f"{pair_id}.safetensors")))
    return torch.from_numpy(exact)


def label_of(row: Row) -> int:
    """The class that a stored pair kept; -1 where it has none."""
    return UNLABELLED if row["source_class"] is None else row["source_class"]


def saved_outcome(row: Row, source: Image, target: Image, found: Image) -> TraversalResult:
    """What became of a stored pair, without its path."""
    return TraversalResult(
        pair=Pair(row["pair_id"], source, target, label_of(row), row["source_id"]),
        label=label_of(row),
        found=found,
        p_source=nan if row["p_source"] is None else row["p_source"],
        p_found=nan if row["p_found"] is None else row["p_found"],
        ending=Ending(row["ending"]),
        steps=row["steps"],
        evaluations=row["evaluations"],
        seconds=row["seconds"],
        path=None,
        path_step=[],
        path_confidence=[],
        p_path_min=row["p_path_min"],
        check_evaluations=row["check_evaluations"] or 0.0,
    )


def check_kept(run: Run, use: str) -> None:
    """Refuse a run that kept no found images; `use`: what they were wanted for."""
    if run.info.keep == "none":
        raise UsageError(
            f"{run.path} kept no found images (--keep none), so nothing can be {use}; "
            "run it with --keep found"
        )


def _missing(file: Place) -> str:
    return f"{file} is missing, so its row cannot be recomputed; give the run's command again"


@dataclass(frozen=True)
class StoredRows:
    pairs: list[Row]
    triangles: list[Row]
    simplices: list[Row]
    nulls: list[Row]


def draw_rows(run: Run, model: str, sources: int | None) -> StoredRows:
    if sources is not None and sources < 1:
        raise UsageError(f"--sources {sources} was given; expected at least 1, as in --sources 50")
    started = run.columns.pairs_of(model, started=True, names=["source_id"])["source_id"]
    known = sorted(started.unique().drop_null().to_pylist())
    many = len(known) if sources is None else min(sources, len(known))
    chosen = random.Random(0).sample(known, many)
    pairs = [row for row in run.pairs_from(*chosen) if row["ending"] in STARTED]
    simplices, nulls = (
        run.columns.rows(kind, "source_id", chosen) for kind in ("simplices", "nulls")
    )
    tables = pairs, run.triangles_from(*chosen), simplices, nulls
    return StoredRows(*([row for row in rows if row["model"] == model] for rows in tables))


def pair_key(pair: Row) -> tuple[str, str]:
    """What tells a model's pair from its others: the ids of source and target."""
    return pair["source_id"], pair["target_id"]
