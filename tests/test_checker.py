"""Calls of the package are checked in unit tests, and in those alone."""

from typing import Literal

import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from blindspots.methods.method import mix
from blindspots.settings import MachineSettings
from tests.support import checker


@pytest.fixture
def unwatched():
    checker.watch(False)
    yield
    checker.watch(True)


def mix_three_with_two():
    return mix(torch.zeros(1, 3), torch.zeros(2, 3, 1, 1))


def test_a_wrong_shape_is_caught():
    with pytest.raises(TypeCheckError, match=r"parameters of blindspots\.methods\.method\.mix"):
        mix_three_with_two()


def test_a_dataclass_and_a_static_method_are_checked():
    with pytest.raises(TypeCheckError, match="__init__"):
        MachineSettings(device=3)
    with pytest.raises(TypeCheckError, match="archives"):
        MachineSettings.archives("many")


def test_a_property_and_a_class_method_are_checked():
    class Wrong:
        @property
        @checker.decorate(typechecker=checker.checked)
        def size(self) -> int:
            return "large"

        @checker.decorate(typechecker=checker.checked)
        @classmethod
        def make(cls, size: int):
            return cls() if size else None

    with pytest.raises(TypeCheckError):
        Wrong().size  # noqa: B018
    with pytest.raises(TypeCheckError):
        Wrong.make("large")


def test_where_nothing_is_watched_the_function_itself_is_called(unwatched):
    with pytest.raises(RuntimeError, match="einsum"):
        mix_three_with_two()


def test_an_int_will_do_where_a_float_is_asked_for():
    @checker.decorate(typechecker=checker.checked)
    def half(number: float) -> float:
        return number / 2

    assert half(3) == 1.5
    with pytest.raises(TypeCheckError):
        half("3")


def test_a_check_is_built_once_and_not_before_it_is_needed(monkeypatch):
    built = []
    monkeypatch.setattr(checker, "build_check", lambda function, **_: built.append(1) or function)
    decorated = checker.decorate(lambda: None, typechecker=checker.checked)
    assert built == []
    decorated(), decorated()
    assert built == [1]


def test_what_passed_once_is_checked_again_where_a_shape_or_a_type_is_another():
    @checker.decorate(typechecker=checker.checked)
    def first(images: Float[Tensor, "n 3"], wish: object) -> Float[Tensor, "3"]:
        return wish

    good, bad = torch.zeros(3), torch.zeros(4)
    for _ in range(2):
        assert first(torch.zeros(2, 3), good) is good
    for images, wish in (
        (torch.zeros(2, 4), good),
        (torch.zeros(2, 3).int(), good),
        ([0.0], good),
        (torch.zeros(2, 3), bad),
        (torch.zeros(2, 3), None),
    ):
        with pytest.raises(TypeCheckError):
            first(images, wish)
    assert first(torch.zeros(2, 3), good) is good


def test_a_result_is_checked_where_arguments_alike_give_another():
    results = iter([1, 2, "three", 4])

    @checker.decorate(typechecker=checker.checked)
    def following() -> int:
        return next(results)

    assert (following(), following()) == (1, 2)
    with pytest.raises(TypeCheckError, match="return"):
        following()
    assert following() == 4


def test_values_that_an_annotation_names_are_checked_at_every_call():
    @checker.decorate(typechecker=checker.checked)
    def grid(name: Literal["full", "reference"]) -> str:
        return name

    assert grid("full") == "full"
    with pytest.raises(TypeCheckError):
        grid("half")


def test_a_function_that_is_defined_anew_is_checked_anew_where_its_calls_differ():
    def make():
        @checker.decorate(typechecker=checker.checked)
        def half(number: float) -> float:
            return number / 2

        return half

    assert [make()(3.0) for _ in range(2)] == [1.5, 1.5]
    with pytest.raises(TypeCheckError):
        make()("3")
