"""docs/schemes.md says what the marked tests are, and nothing that is tested is left out of it."""

from blindspots.models.schemes import SCHEMES
from tests.schemes_page import ASPECTS, DOES_NOT_APPLY, ROOT, collected_marks, page


def test_the_page_is_what_the_marked_tests_say():
    marks = collected_marks()
    every_test = {name for names in marks.values() for name in names}
    assert (ROOT / "docs" / "schemes.md").read_text(encoding="utf-8") == page(marks, every_test)


def test_every_aspect_of_every_model_scheme_is_tested_or_does_not_apply():
    said = {(scheme, aspect) for kind, scheme, aspect in collected_marks() if kind == "model"}
    excused = {(scheme, aspect) for kind, scheme, aspect in DOES_NOT_APPLY if kind == "model"}
    assert said | excused == {(scheme, aspect) for scheme in SCHEMES for aspect in ASPECTS}
    assert not said & excused


def test_marks_name_aspects_that_exist():
    assert {aspect for _, _, aspect in collected_marks()} <= ASPECTS.keys()
