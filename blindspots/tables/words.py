"""Tables in the words of the score that a run held: its name and its unit."""

from collections.abc import Callable
from dataclasses import replace

from blindspots.run_reader import Run
from blindspots.tables.table import Column, Table

# What is said of the confidence, and what of another score in its place; longer texts first.
_WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "group": (
        ("Confidence in the source's class", "Probability of the group's classes together"),
        ("confidence in the source's class", "probability of the group's classes together"),
    ),
    "margin": (
        ("Confidence in the source's class", "Margin of the source's class, in logits,"),
        ("confidence in the source's class", "margin of the source's class, in logits"),
        ("confidence", "margin"),
        ("conf", "margin"),
    ),
    "embedding": (
        ("Confidence in the source's class", "Cosine similarity to the source's embedding"),
        ("confidence in the source's class", "cosine similarity to the source's embedding"),
        ("confidence", "similarity"),
        ("conf", "similarity"),
    ),
}


def score_of(run: Run) -> str:
    """The name of the score that a run held."""
    return (run.plan.get("score") or {}).get("name", "confidence")


def in_words(table: Table, score: str) -> Table:
    """The table with titles, definitions and notes that name this score."""
    said = _saying(score)
    return replace(
        table,
        title=said(table.title),
        columns=tuple(_column(column, said) for column in table.columns),
        notes=tuple(map(said, table.notes)),
    )


def _column(column: Column, said: Callable[[str], str]) -> Column:
    return replace(column, title=said(column.title), definition=said(column.definition))


def _saying(score: str) -> Callable[[str], str]:
    def said(text: str) -> str:
        for before, after in _WORDS.get(score, ()):
            text = text.replace(before, after)
        return text

    return said
