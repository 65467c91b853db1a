"""How the score that a run held is called and spoken of. One place for tables, figures, pages."""

import re
from dataclasses import dataclass

from blindspots.records import PROBABILITIES
from blindspots.run_reader import Run


@dataclass(frozen=True)
class ScoreWords:
    """A score in words. Texts are written for the confidence; `say` turns them.

    `noun`: alone; `short`: in a column's title; `full`: of what it is, with its unit; `opening`:
    the same at the head of a title or definition; `source`, `found`, `itself`: the columns'
    titles. `sees`, `gives`: what a model does that believes, or does not, in `believed`, where
    {name} is the source's class and {a_name} has an article. `even`: from where on it believes;
    `sure`: from where on surely.
    """

    name: str
    noun: str
    short: str
    full: str
    opening: str
    source: str = "p source"
    found: str = "p found"
    itself: str = "itself p"
    sees: str = "sees"
    gives: str = "gives"
    believed: str = "{a_name}"
    even: float = 0.5
    sure: float = 0.9

    @property
    def probability(self) -> bool:
        """Whether it is in [0, 1] and is read as a percentage."""
        return self.name in PROBABILITIES

    @property
    def heading(self) -> str:
        """The noun at the beginning of a sentence."""
        return self.noun.capitalize()

    def belief(self, name: str, a_name: str | None = None) -> str:
        """What a model does that believes: "sees goose"; `a_name`: "a goose"."""
        return f"{self.sees} {self.believe(name, a_name)}"

    def believe(self, name: str, a_name: str | None = None) -> str:
        """What it is that a model believes of an image whose source is called so."""
        return self.believed.format(name=name, a_name=a_name or name)

    def say(self, text: str) -> str:
        """A text that speaks of the confidence, in the words of this score."""
        return _SAID.sub(lambda found: getattr(self, _FIELDS[found[0]]), text)


CONFIDENCE = ScoreWords(
    "confidence",
    "confidence",
    "conf",
    "confidence in the source's class",
    "Confidence in the source's class",
)
GROUP = ScoreWords(
    "group",
    "probability",
    "prob",
    "probability of the group's classes together",
    "Probability of the group's classes together",
    believed="a class of the {name}’s group",
)
# A margin is the logit of a confidence: 0 is one half, and 2.2 is .9.
MARGIN = ScoreWords(
    "margin",
    "margin",
    "margin",
    "margin of the source's class, in logits",
    "Margin of the source's class, in logits,",
    source="source margin",
    found="found margin",
    itself="itself, margin",
    even=0.0,
    sure=2.2,
)
EMBEDDING = ScoreWords(
    "embedding",
    "similarity",
    "similarity",
    "cosine similarity to the source's embedding",
    "Cosine similarity to the source's embedding",
    source="source similarity",
    found="found similarity",
    itself="itself, similarity",
    sees="finds it like",
)
_ALL = {words.name: words for words in (CONFIDENCE, GROUP, MARGIN, EMBEDDING)}
_FIELDS = {
    getattr(CONFIDENCE, field): field
    for field in ("opening", "full", "heading", "noun", "short", "source", "found", "itself")
}
_SAID = re.compile(rf"\b({'|'.join(_FIELDS)})\b")


def score_of(run: Run) -> str:
    """The name of the score that a run held."""
    return (run.plan.get("score") or {}).get("name", CONFIDENCE.name)


def words_of(run: Run) -> ScoreWords:
    """The words of the score that a run held."""
    return words_for(score_of(run))


def words_for(name: str) -> ScoreWords:
    """The words of a score by its name; the confidence's where it is not known."""
    return _ALL.get(name, CONFIDENCE)
