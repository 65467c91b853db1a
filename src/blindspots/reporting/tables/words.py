"""Tables in the words of the score that a run held."""

from dataclasses import replace

from blindspots.reporting.score_labels import ScoreWords
from blindspots.reporting.tables.table import Column, Table


def in_words(table: Table, words: ScoreWords) -> Table:
    """The table with titles, definitions and notes that name this score."""
    return replace(
        table,
        title=words.say(table.title),
        columns=tuple(column_in_words(column, words) for column in table.columns),
        notes=tuple(map(words.say, table.notes)),
    )


def column_in_words(column: Column, words: ScoreWords) -> Column:
    """A column whose title and definition name this score."""
    return replace(column, title=words.say(column.title), definition=words.say(column.definition))
