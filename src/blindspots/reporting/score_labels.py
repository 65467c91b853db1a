"""How the score that a run held is called and spoken of. One place for tables, figures, pages."""

import re
from dataclasses import dataclass

from blindspots.schema import PROBABILITIES
from blindspots.store.reader import Run


@dataclass(frozen=True, kw_only=True)
class ScoreWords:
    """A score in words. Texts are written for the confidence; `say` turns them.

    `noun`: alone; `axis`: with its unit; `short`: in a column's title; `full`: all that it is;
    `opening`: the same at the head of a title or definition; `each`: each number of a grid whose
    rows are classes; `source`, `found`, `itself`: in the
    titles of columns. `sees`, `gives`: what a model does that believes, or does not; `believed`:
    what of, where {name} is the source's class, {a_name} the same with an article. `even`: from
    where on a model believes; `sure`: from where on surely. `whose`: what a number belongs to that
    stands alone beside it, as in "goose .98". `of_classes`: the model has classes.
    """

    name: str
    noun: str
    axis: str
    short: str
    full: str
    opening: str
    each: str
    source: str = "p source"
    found: str = "p found"
    itself: str = "itself p"
    sees: str = "sees"
    gives: str = "gives"
    believed: str = "{a_name}"
    whose: str = "{name}"
    even: float = 0.5
    sure: float = 0.9
    of_classes: bool = True

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

    def caption(self, name: str) -> str:
        """What a bare number is of, where the source is called so: "goose", "goose’s group"."""
        return self.whose.format(name=name)

    def say(self, text: str) -> str:
        """A text that speaks of the confidence, in the words of this score."""
        return _SAID.sub(lambda found: getattr(self, _FIELDS[found[0]]), text)


CONFIDENCE = ScoreWords(
    name="confidence",
    noun="confidence",
    axis="confidence",
    short="conf",
    full="confidence in the source's class",
    opening="Confidence in the source's class",
    each="its confidence in the class on the left",
)
GROUP = ScoreWords(
    name="group",
    noun="probability",
    axis="probability",
    short="prob",
    full="probability of the group's classes together",
    opening="Probability of the group's classes together",
    each="the probability of the group's classes together",
    believed="a class of the {name}’s group",
    whose="{name}’s group",
)
# A margin is the logit of a confidence: 0 is one half, and 2.2 is .9.
MARGIN = ScoreWords(
    name="margin",
    noun="margin",
    axis="margin, in logits",
    short="margin",
    full="margin of the source's class, in logits",
    opening="Margin of the source's class, in logits,",
    each="the margin of the class on the left, in logits",
    source="source margin",
    found="found margin",
    itself="itself, margin",
    even=0.0,
    sure=2.2,
)
EMBEDDING = ScoreWords(
    name="embedding",
    noun="similarity",
    axis="cosine similarity",
    short="similarity",
    full="cosine similarity to the source's embedding",
    opening="Cosine similarity to the source's embedding",
    each="the cosine similarity to the embedding of the source",
    source="source similarity",
    found="found similarity",
    itself="itself, similarity",
    sees="finds it like",
    of_classes=False,
)
_ALL = {words.name: words for words in (CONFIDENCE, GROUP, MARGIN, EMBEDDING)}
_FIELDS = {
    getattr(CONFIDENCE, field): field
    for field in ("opening", "full", "heading", "noun", "short", "source", "found", "itself")
}
_SAID = re.compile(rf"\b({'|'.join(_FIELDS)})\b")


def score_of(run: Run) -> str:
    """The name of the score that a run held."""
    return run.info.score.get("name", CONFIDENCE.name)


def score_text(run: Run) -> str:
    """The score that a run held, as `--score` takes it: confidence, group:1,2, margin, …"""
    settings = run.info.score
    classes = ",".join(map(str, settings.get("classes") or ()))
    return f"{score_of(run)}:{classes}" if classes else score_of(run)


def words_of(run: Run) -> ScoreWords:
    """The words of the score that a run held."""
    return words_for(score_of(run))


def words_for(name: str) -> ScoreWords:
    """The words of a score by its name; the confidence's where it is not known."""
    return _ALL.get(name, CONFIDENCE)
