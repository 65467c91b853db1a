"""docs/schemes.md says what the marked tests are, and nothing that is tested is left out of it."""

import pytest

from tests.support.schemes_page import DOES_NOT_APPLY, KINDS, ROOT, collected_marks, page


@pytest.fixture(scope="module")
def marks():
    return collected_marks()


def everything(marks):
    return {name for names in marks.values() for name in names}


def test_the_page_has_the_names_of_the_marked_tests(marks):
    text = (ROOT / "docs" / "schemes.md").read_text(encoding="utf-8")
    assert text == page(marks, passed=everything(marks))


@pytest.mark.parametrize("kind", KINDS)
def test_every_aspect_of_every_scheme_is_tested_or_does_not_apply(marks, kind):
    _, schemes, aspects = KINDS[kind]
    said = {(scheme, aspect) for one, scheme, aspect in marks if one == kind}
    excused = {(scheme, aspect) for one, scheme, aspect in DOES_NOT_APPLY if one == kind}
    assert said | excused == {(scheme, aspect) for scheme in schemes for aspect in aspects}
    assert not said & excused


def test_a_tick_takes_every_test_of_its_cell_to_have_passed(marks):
    name = marks["image", "folder", "broken"][0]
    whole, without = (
        page(marks, passed) for passed in (everything(marks), everything(marks) - {name})
    )
    assert "✗" not in whole.partition("## Model schemes")[2]
    changed = [b for a, b in zip(whole.splitlines(), without.splitlines(), strict=True) if a != b]
    assert [line.count("✗") for line in changed] == [1]
    assert changed[0].startswith("| [`folder`]")
    assert "not tested" in page({}, set())
