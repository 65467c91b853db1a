"""The matrix of a run's transfer: rows are the models that were traversed, columns the judges."""

from collections.abc import Iterable

from blindspots.reporting.tables.table import (
    NULLS,
    Cell,
    Column,
    Origin,
    Table,
    TableRow,
    share,
    spread,
)
from blindspots.store.reader import Row as StoredRow
from blindspots.store.reader import Run

_TITLE = "Confidence in the source's class at found images, by judge"


def transfer_table(run: Run) -> Table:
    """What each judge says of each model's found images; below, of the clean sources and targets.

    Mean ± standard deviation over pairs; the rows "class kept" hold the share of found images to
    which the judge gives the source's class. Without a stored transfer it has no columns.
    """
    stored = run.arrow("transfer").to_pylist()
    judges = tuple(dict.fromkeys(row["judge"] for row in stored))
    models = dict.fromkeys(row["model"] for row in stored)
    known = [facts.name for facts in run.models if facts.name in models]
    rows = tuple(row for model in known for row in _model_rows(stored, model))
    nulls = tuple(_null_row(stored, origin) for origin in ("source", "target") if stored)
    columns = tuple(Column(judge, judge, f"Confidence that {judge} gives.") for judge in judges)
    return Table("transfer", _TITLE, columns, (*rows, *nulls), tuple(_notes(run, stored)))


def _model_rows(stored: list[StoredRow], model: str) -> tuple[TableRow, TableRow]:
    mine = [row for row in stored if row["model"] == model]
    believed = {judge: spread(r["p_found"] for r in rows) for judge, rows in _by_judge(mine)}
    kept = {judge: share(r["kept_found"] for r in rows) for judge, rows in _by_judge(mine)}
    return TableRow(model, believed), TableRow(model, kept, "kept", "class kept")


def _null_row(stored: list[StoredRow], origin: Origin) -> TableRow:
    cells = {judge: _null(rows, origin) for judge, rows in _by_judge(stored)}
    return TableRow(NULLS[origin], cells, origin)


def _null(rows: list[StoredRow], origin: Origin) -> Cell:
    return spread(row[f"p_{origin}"] for row in rows)


def _by_judge(rows: Iterable[StoredRow]) -> list[tuple[str, list[StoredRow]]]:
    groups: dict[str, list[StoredRow]] = {}
    for row in rows:
        groups.setdefault(row["judge"], []).append(row)
    return list(groups.items())


def _notes(run: Run, stored: list[StoredRow]) -> Iterable[str]:
    if not stored:
        yield f"Nothing was judged yet; type blindspots transfer {run.path}."
        return
    yield (
        "Rows: the model that was traversed; columns: the model that judges. Class kept: the share "
        "of found images to which the judge gives the source's class. Clean source and target "
        "itself: what the judge says of them, over the pairs of all rows."
    )
    resized = dict.fromkeys(row["judge"] for row in stored if row["resized"])
    if resized:
        yield (
            "Images of another size than the judge's were resized through its preprocessing: "
            f"{', '.join(resized)}."
        )
    named = dict.fromkeys(
        row["judge"] for row in stored if row["source_class"] != row["judge_class"]
    )
    if named:
        yield f"Classes were matched by their names for {', '.join(named)}."
    judged = {(row["model"], row["judge"]) for row in stored}
    models, judges = ({pair[i] for pair in judged} for i in (0, 1))
    if len(judged) < len(models) * len(judges):
        yield "–: the two models have different classes."
