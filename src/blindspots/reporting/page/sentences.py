"""One pair in words: what a person sees, what the model sees, how surely."""

from dataclasses import dataclass

from blindspots.reporting.score_labels import CONFIDENCE, ScoreWords, number
from blindspots.store.reader import Row, reached_target

DIGITS = 2
SAME = 5e-4  # confidences that are no further apart are written alike


@dataclass(frozen=True)
class PairText:
    """One pair in words: what a person sees, what the model sees, how surely.

    `arrived`: whether the image came near enough to be named like its target. `believes`: whether
    the model holds the source's class more likely than not. `percent`: how surely; of a score that
    is no probability its name and value. `real`: how surely the untouched source; `surer`: whether
    less so.
    """

    pair_id: str
    model: str
    seen: str
    believed: str
    source: str
    target: str
    percent: str
    real: str
    surer: bool
    believes: bool
    arrived: bool


def case_of(row: Row, words: ScoreWords = CONFIDENCE) -> PairText:
    target = spoken(row["target_name"], row["target_class"])
    source = spoken(row["source_name"], row["source_class"])
    return PairText(
        pair_id=row["pair_id"],
        model=row["model"],
        seen=with_article(target),
        believed=words.believe(source, with_article(source)),
        source=source,
        target=target,
        percent=surely(row["p_found"], words),
        real=surely(row["p_source"], words),
        surer=row["p_found"] > row["p_source"] + SAME,
        believes=row["p_found"] >= words.even,
        arrived=reached_target(row),
    )


def spoken(name: str | None, index: int | None = None) -> str:
    """A class name for a sentence: no underscores; a bare number becomes "class 7"."""
    text = (name or "").replace("_", " ").strip()
    if not text or text.isdigit():
        return f"class {text or index}" if text or index is not None else "unknown"
    return text


def with_article(name: str) -> str:
    """ "a goose", "an academic gown"; "class 7" stays as it is."""
    if name.startswith("class ") or name == "unknown":
        return name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def surely(value: float, words: ScoreWords) -> str:
    """A score in a sentence: "99.9 %", "margin 9.21"."""
    return percent(value) if words.probability else f"{words.noun} {number(value, DIGITS)}"


def percent(value: float) -> str:
    """A confidence as a percentage that never rounds up to certainty."""
    return f"{min(100 * value, 99.9) if value < 1 else 100:.1f}\u00a0%"
