"""Scores: the scalar of a model's answer that a traversal holds, and what it differentiates.

    score       s(x), in its unit             height h(x)                     loss
    confidence  softmax(z)_y                  logit s = z_y − lse(z_k, k≠y)   −log s
    group       Σ softmax(z)_k over k ∈ G     logit s = lse(G) − lse(not G)   −log s
    margin      z_y − lse(z_k, k≠y)           s                               −log confidence
    embedding   cos(e(x), e(x_s))             −5 log(1 − s)                   1 − s

z are the logits, e the embedding, lse is logsumexp. The height rises with the score, so it has the
same level sets (the paper's g: ℝᵈ → ℝ, section 3), and it does not saturate where the score does:
near s = 1 both logit s and −log(1 − s) grow by 1 where what is missing to 1 shrinks by e. A cosine
moves through far fewer of these than a classifier's logits do, hence the 5: lengths that methods
give in logits (clearance, aim) then mean alike for all scores.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from blindspots.errors import UsageError, first_line
from blindspots.scores.embedding import Embedding
from blindspots.scores.score import Confidence, Differentiated, Group, Kept, Margin, Score
from blindspots.settings import shortened
from blindspots.specs import nearest_names

__all__ = [
    "SCORES",
    "Confidence",
    "Differentiated",
    "Embedding",
    "Group",
    "Kept",
    "Margin",
    "Score",
    "describe_score",
    "make_score",
    "parse_score",
]

MOST_CLASSES = 100_000

SCORES: dict[str, type[Score]] = {s.name: s for s in (Confidence, Group, Margin, Embedding)}


def parse_score(text: str) -> Score:
    """The score that `--score` names: confidence, group:1,2,3 (or 151-268), margin, embedding."""
    name, colon, rest = text.partition(":")
    if name not in SCORES or (colon and name != Group.name):
        hint = nearest_names(name, SCORES) or "type --score confidence"
        raise UsageError(
            f"--score {shortened(text)} was given; expected confidence, group:1,2,3, margin "
            f"or embedding; {hint}"
        )
    return Group(_classes(text, rest)) if name == Group.name else SCORES[name]()


def make_score(described: Mapping[str, Any]) -> Score:
    settings = {key: value for key, value in described.items() if key != "name"}
    try:
        return SCORES[described["name"]](**settings)
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"the score {shortened(str(dict(described)))} is none of this version "
            f"({first_line(error)}); start the run again with blindspots run and another --out"
        ) from error


def describe_score(score: Score) -> dict[str, Any]:
    """The score's name and settings, as a plan holds them."""
    settings = asdict(score)  # type: ignore[call-overload]
    return {"name": score.name, **{k: list(v) for k, v in settings.items()}}


def _is_index(text: str) -> bool:
    return text.isdecimal() and len(text) <= len(str(MOST_CLASSES))


def _classes(text: str, rest: str) -> list[int]:
    spans = [part.strip().partition("-") for part in rest.split(",")]
    sides = [(low, high or low) for low, _, high in spans]
    whole = all(_is_index(low) and _is_index(high) for low, high in sides)
    if not whole or any(not int(low) <= int(high) < MOST_CLASSES for low, high in sides):
        raise UsageError(
            f"--score {shortened(text)} was given; expected class indices behind group:, "
            "as in --score group:1,2,3 or --score group:151-268"
        )
    return [k for low, high in sides for k in range(int(low), int(high) + 1)]
