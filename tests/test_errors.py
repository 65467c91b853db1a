"""What every error of the package holds to."""

import pytest

from blindspots.errors import BlindspotsError, LimitExceeded, UsageError, WorkFailed, visible

HOSTILE = "a name\r\nof \x1b[2J two\u2028lines\x7f\u202e"


@pytest.mark.parametrize("kind", [BlindspotsError, LimitExceeded, UsageError, WorkFailed])
def test_an_error_is_one_line_that_steers_no_terminal_whatever_names_it_holds(kind):
    said = str(kind(f"{HOSTILE} was given"))
    assert said == r"a name\r\nof \x1b[2J two\u2028lines\x7f\u202e was given"


def test_what_is_shown_keeps_its_lines_and_columns():
    assert visible("one\ttwo\n\x1b[31mthree\r\n") == "one\ttwo\n\\x1b[31mthree\\r\n"


def test_other_letters_stay_as_they_are():
    assert str(UsageError("Käse 🦢 ‘x’ at C:\\run")) == "Käse 🦢 ‘x’ at C:\\run"
