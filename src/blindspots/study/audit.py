"""What must stand in a run's tables by its plan: the exact rows, told without asking a model.

The rows follow from `run.json` and from what the models said of the clean images: the sources are
the first images of the seeded order that every model names correctly, their targets the plan's
draw, and each pair's id is a hash of all that decides its result.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from blindspots.errors import UsageError, can_compute
from blindspots.images.listing import seeded_order
from blindspots.schema import ALL_TABLES, CONFINED_SCORES, GROUPED_METHODS, TABLES, Ending
from blindspots.settings import MOST_LISTED_PAIRS, WHOLE, plan_hash
from blindspots.store.parquet import row_files
from blindspots.store.reader import Row, Run, of_model
from blindspots.store.run_info import missing_members, row_sum
from blindspots.study.audit_pictures import PictureAudit
from blindspots.study.audit_rows import ModelAudit, StoredTables
from blindspots.study.pairs import PairsByModel, plan_pairs
from blindspots.study.targets import draw_targets

if TYPE_CHECKING:
    from blindspots.methods.method import Method

Edge = tuple[str, str]
MOST_LISTED = 20
PLANNED = ("models", "images", "method", "score", "seed", "precision")
# What a changed file may make Python or torch raise: that is a disagreement, not an error of ours.
UNFORESEEN = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


class Disagreements(list[str]):
    """Sentences about what disagrees, of each kind no more than can be read."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: Counter[str] = Counter()

    def take(self, kind: str, sentences: Iterable[str]) -> None:
        try:
            for sentence in sentences:
                self._kinds[kind] += 1
                if self._kinds[kind] <= MOST_LISTED:
                    self.append(sentence)
        except UsageError:
            raise
        except UNFORESEEN as error:
            self.append(f"{kind} holds what no run writes ({' '.join(str(error).split())[:200]})")

    def close(self) -> None:
        for kind, count in self._kinds.items():
            if count > MOST_LISTED:
                self.append(f"{kind}: {count - MOST_LISTED} more of these")
        self._kinds.clear()


@dataclass(frozen=True)
class Audit:
    """The stored tables of a run beside what its plan asks for; no model is asked."""

    tables: StoredTables
    found: Disagreements = field(default_factory=Disagreements)

    @property
    def run(self) -> Run:
        """The run itself."""
        return self.tables.run

    def all(self) -> Disagreements:
        self.found.take("run.json", self._info())
        for table in ALL_TABLES:
            self.found.take(f"{table}.parquet", self._table(table))
        for facts in self.run.info.models:
            for table, sentences in ModelAudit(self.tables, facts, self.method).all().items():
                self.found.take(f"{table}.parquet", sentences)
        self.found.take("models", self._models())
        if self.run.finished:
            self.found.take("counts", self._counts())
            self.found.take("pictures", PictureAudit(self.run).foreign())
            self.found.take("the plan", PlanAudit(self.tables).all())
        return self.found

    @cached_property
    def method(self) -> "Method | None":
        """The plan's method; None where it describes none, and where torch is not installed."""
        if not can_compute():
            return None
        from blindspots.methods import METHODS

        settings = {**self.run.info.method}
        try:
            return METHODS[settings.pop("name")](**settings)
        except (KeyError, TypeError, ValueError, UsageError):
            return None

    def _info(self) -> Iterator[str]:
        info = self.run.info
        if info.plan_hash is not None and plan_hash(info.plan) != info.plan_hash:
            yield "run.json: plan_hash is not the hash of plan"
        known = {facts.name: facts.fingerprint for facts in info.models}
        if info.plan.get("models") != known:
            yield "run.json: plan.models and models are not the same models"
        yield from (f"run.json: plan has no {name}" for name in PLANNED if name not in info.plan)
        yield from self._lacking() if self.run.finished else ()
        yield from self._unknown() if can_compute() else ()

    def _lacking(self) -> Iterator[str]:
        """What is not there, though every finished run of the version that wrote it has it."""
        info, given = self.run.info, isinstance(self.run.plan.get("pairs"), list)
        for name in missing_members(self.run.path):
            # A case of the explorer has none.
            if name != "pairs_hash" or not given:
                yield f"run.json has no {name}, and every finished run has one"
        for name, stored in (("pairs", info.pairs), ("row_sums", info.row_sums)):
            if stored is not None and stored.keys() != {facts.name for facts in info.models}:
                yield f"run.json: {name} and models do not name the same models"
        for facts in info.models:
            told = facts.preflight
            known = (told.mean_confidence, told.accuracy if told.labelled else 0.0)
            if facts.num_classes and None in known:
                yield f"run.json: preflight of {facts.name} lacks accuracy or mean_confidence"

    def _unknown(self) -> Iterator[str]:
        from blindspots.scores import SCORES

        if self.method is None:
            yield "run.json: plan.method describes no method of this version"
        elif self.run.info.straight not in (None, self.method.straight):
            yield "run.json: straight is another than that of plan.method"
        if self.run.info.score.get("name") not in SCORES:
            yield "run.json: plan.score describes no score of this version"

    def _models(self) -> Iterator[str]:
        named = Counter(facts.name for facts in self.run.info.models)
        known = set(named)
        yield from (f"run.json names {n} {count} times" for n, count in named.items() if count > 1)
        for table in ALL_TABLES:
            names = self.tables.table(table)["model"].unique().to_pylist()
            for name in (name for name in names if name not in known):
                yield f"{table}.parquet has rows of {name}, which run.json does not name"

    def _table(self, table: str) -> Iterator[str]:
        """Keys that are null, there twice or out of order, and files that are not there."""
        files = row_files(self.run.path, table)
        if not files and self._wanted(table):
            yield f"{table}.parquet is missing"
        _, key = ALL_TABLES[table]
        keys = self.tables.table(table).select(key).to_pydict()
        rows = list(zip(*keys.values(), strict=True))
        for row, count in Counter(rows).items():
            if None in row:
                yield f"{table}.parquet has a row without {_first_null(key, row)}"
            elif count > 1:
                yield f"{table}.parquet has {count} rows of {' '.join(map(str, row))}"
        final = [file.name for file in files] == [f"{table}.parquet"]
        whole = [row for row in rows if None not in row]
        if final and table in TABLES and whole != sorted(whole):
            yield f"{table}.parquet is not in the order in which a run writes it"

    def _wanted(self, table: str) -> bool:
        info = self.run.info
        stored = f"{table}.parquet" in info.tables
        return self.run.finished and (stored or (table == "predictions" and bool(info.pairs_hash)))

    def _counts(self) -> Iterator[str]:
        info, pairs = self.run.info, self.tables.table("pairs")
        for name, count in info.pairs.items():
            rows = of_model(pairs, name)
            own = len(rows) - rows["target_id"].null_count
            if own != count:
                yield f"pairs.parquet has {own} pairs of {name}, and run.json counts {count}"
            ids = rows["pair_id"].drop_null().to_pylist()
            if (info.row_sums or {}).get(name, row_sum(ids)) != row_sum(ids):
                yield f"pairs.parquet has other rows of {name} than row_sums of run.json says"


@dataclass(frozen=True)
class PlanAudit:
    """Whether sources and targets are those that the plan chooses, in its order."""

    tables: StoredTables

    @property
    def run(self) -> Run:
        """The run itself."""
        return self.tables.run

    def all(self) -> Iterator[str]:
        """Every disagreement; none where the choice cannot be made without the images."""
        plan, whole = self.run.plan, (self.run.info.shard or WHOLE).whole
        listed, drawn = plan.get("pairs"), "sources" in plan and "targets_per_source" in plan
        if drawn == (listed is not None):
            yield "run.json: plan has not either sources and targets_per_source, or pairs"
        elif listed is not None and not isinstance(listed, list):
            yield from self._many(listed, whole)
        elif listed is not None or _tells_sources(self.run):
            sentences = list(self._sources()) if drawn else []
            yield from sentences or (self._targets(listed) if whole else ())

    def _many(self, listed: Any, whole: bool) -> Iterator[str]:
        """Whether there are as many as were given, where these are told by count and hash."""
        count = listed.get("count") if isinstance(listed, dict) else None
        if not isinstance(count, int) or count <= MOST_LISTED_PAIRS or "sha256" not in listed:
            yield f"run.json: plan.pairs is no list, and not of over {MOST_LISTED_PAIRS:,} pairs"
        for name in self.run.info.pairs if whole else ():
            if len(self._with_target(name)) != count:
                yield f"pairs.parquet has not all {count} pairs of the plan for {name}"

    def _sources(self) -> Iterator[str]:
        """Whether each model's sources, and those it misclassifies, are the first of the order."""
        if not self._right:
            return
        wanted, shard = self.run.plan["sources"], self.run.info.shard or WHOLE
        order = _in_order(set.intersection(*map(set, self._right.values())), self.run.plan["seed"])
        right = [all(own[image] for own in self._right.values()) for image in order]
        places = np.flatnonzero(right)[:wanted]
        last = places[-1] + 1 if len(places) == wanted else len(order)
        chosen = [order[i] for i in places][shard.number - 1 :: shard.of]
        for name, own in self._right.items():
            missed = [image for image in order[:last] if not own[image]]
            for ending, expected in (
                ("a source", chosen),
                ("a misclassified source", missed[shard.number - 1 :: shard.of]),
            ):
                stored = self._named(name, drawn=ending == "a source")
                for one in sorted({*expected} ^ stored):
                    word = "is" if one in expected else "is not"
                    yield f"{one} {word} {ending} of {name} by the seed and predictions.parquet"

    def _named(self, model: str, drawn: bool) -> set[str]:
        """The sources of a model's rows with targets, or of those without."""
        own = (row for row in self._pairs if row["model"] == model)
        return {row["source_id"] for row in own if (row["target_id"] is not None) == drawn}

    @cached_property
    def _right(self) -> dict[str, dict[str, bool]]:
        """By model and image: whether the model gives the image its own class."""
        ties = {
            (row["model"], row["source_id"])
            for row in self._pairs
            if row["ending"] == Ending.SOURCE_MISCLASSIFIED
        }
        found: dict[str, dict[str, bool]] = defaultdict(dict)
        rows = self.tables.table("predictions").to_pylist()
        for row in (row for row in rows if None not in row.values()):
            key, best = (row["model"], row["image_id"]), row["confidence"]
            # Of two classes with one confidence, a half at most each, the first is predicted.
            right = row["p_label"] == best > 0 and (best > 0.5 or key not in ties)
            found[row["model"]][row["image_id"]] = right
        return found if found.keys() == self.run.info.pairs.keys() else {}

    @cached_property
    def _pairs(self) -> list[Row]:
        names = ["model", "source_id", "target_id", "source_class", "ending"]
        rows = self.tables.table("pairs").select(names).to_pylist()
        return [row for row in rows if None not in (row["model"], row["source_id"])]

    def _targets(self, listed: Any) -> Iterator[str]:
        """Whether each model's pairs are the listed ones, or those that are drawn."""
        try:
            edges = self._drawn() if listed is None else [(one[0], one[1]) for one in listed]
        except UsageError as error:
            yield f"the targets are not those that the plan draws: {error}"
            return
        # Of what the explorer saved, each model may have found some.
        for name in self.run.info.pairs if self.run.info.pairs_hash else (None,):
            own = {(row["source_id"], row["target_id"]) for row in self._with_target(name)}
            yield from (f"{_pair(name, one)} is not in the plan" for one in own - {*edges})
            yield from (f"{_pair(name, one)} of the plan has no row" for one in {*edges} - own)
        if edges and self._hash(edges) != (self.run.info.pairs_hash or self._hash(edges)):
            yield "pairs_hash of run.json is not that of the pairs in their order"

    def _with_target(self, model: str | None = None) -> list[Row]:
        own = (row for row in self._pairs if model in (None, row["model"]))
        return [row for row in own if row["target_id"] is not None]

    def _drawn(self) -> list[Edge]:
        rows, plan = self._with_target(), self.run.plan
        sources = _in_order({row["source_id"] for row in rows}, plan["seed"])
        known = {(row["model"], row["source_id"]): row["source_class"] for row in rows}
        others = {source: label for (_, source), label in known.items()}
        # An image without a class has one of its own.
        labels = [
            [known.get((name, one), others[one]) for name in self.run.info.pairs] for one in sources
        ]
        classes = [[-2 - i if c is None else c for c in own] for i, own in enumerate(labels)]
        drawn = draw_targets(np.array(classes), plan["targets_per_source"], plan["seed"])
        return [(one, sources[t]) for one, own in zip(sources, drawn, strict=True) for t in own]

    def _hash(self, edges: Sequence[Edge]) -> str:
        images = sorted({name for edge in edges for name in edge})
        places = {name: place for place, name in enumerate(images)}
        source, target = (np.array([places[edge[i]] for edge in edges]) for i in (0, 1))
        plan, label = self.run.plan, np.zeros(len(images), int)
        more = label, plan, plan["method"]["name"] in GROUPED_METHODS
        known = {facts.name: facts.fingerprint for facts in self.run.info.models}
        return PairsByModel(
            list(known),
            lambda name: plan_pairs(known[name], images, source, target, *more),
        ).digest


def audit(run: Run) -> Disagreements:
    """What in a run's tables disagrees with its plan and with itself, a sentence each."""
    return Audit(StoredTables(run)).all()


def unproved(run: Run) -> list[str]:
    """What an audit of the run cannot tell, a sentence each."""
    shard, told = run.info.shard or WHOLE, []
    if run.info.earlier:
        told.append(
            "an earlier version wrote it, without sums of its rows, and without a manifest unless "
            "it is a merge: that no file is another, and no row without a target left out"
        )
    if "pairs" in run.plan:
        told.append("its pairs were given, not drawn: that nobody picked them")
    elif not _tells_sources(run):
        told.append("which sources the plan draws for its score")
    if not shard.whole:
        told.append(f"it is shard {shard} alone: anything of the others")
    return told


def _tells_sources(run: Run) -> bool:
    """Whether the sources that the plan draws follow from the predictions."""
    return run.info.score.get("name") not in CONFINED_SCORES


def _in_order(images: Iterable[str], seed: int) -> list[str]:
    names = sorted(images)
    return [names[i] for i in seeded_order(names, seed)]


def _first_null(key: Sequence[str], row: Sequence[Any]) -> str:
    return next(name for name, value in zip(key, row, strict=True) if value is None)


def _pair(model: str | None, edge: Edge) -> str:
    return f"pair {edge[0]} → {edge[1]} of {model or 'any model'}"
