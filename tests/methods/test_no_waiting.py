"""Steps decide on the device: on tensors without values, whatever needs a value in Python fails."""

from dataclasses import fields, is_dataclass

import pytest
import torch

from blindspots.engine.scheduler import _failing, _waiting
from blindspots.methods import METHODS
from blindspots.methods.method import Evaluation, Problem

PAIRS, TARGETS, SIDE = 3, 2, 8


def to_meta(batched):
    """The same dataclass of tensors, which have shapes and no values."""
    assert is_dataclass(batched)
    return type(batched)(**{f.name: getattr(batched, f.name).to("meta") for f in fields(batched)})


def problem_for(method):
    targets = (PAIRS, TARGETS) if method.grouped else (PAIRS,)
    return Problem(
        source=torch.rand(PAIRS, 3, SIDE, SIDE),
        target=torch.rand(*targets, 3, SIDE, SIDE),
        kept=torch.zeros(PAIRS, dtype=torch.long),
        p_source=torch.full((PAIRS,), 0.9),
        height=torch.full((PAIRS,), 2.2),
        floor=torch.full((PAIRS,), 0.8),
    )


def evaluation_of(state):
    shape = state.proposal.shape[:-3]
    numbers = (torch.empty(shape, device="meta") for _ in range(3))
    return Evaluation(*numbers, torch.empty_like(state.proposal))


def test_a_value_that_python_wants_fails_here():
    with pytest.raises((RuntimeError, NotImplementedError)):
        bool(torch.ones(1, device="meta").sum() > 0)


@pytest.mark.parametrize("name", METHODS)
def test_a_step_waits_for_no_value(name):
    method = METHODS[name]()
    problem = problem_for(method)
    generators = [torch.Generator().manual_seed(seed) for seed in range(PAIRS)]
    state, problem = to_meta(method.init(problem, generators)), to_meta(problem)
    for _ in range(3):
        evaluation = evaluation_of(state)
        after = _waiting(state, _failing(method.step(problem, state, evaluation), evaluation))
        assert after.proposal.shape == state.proposal.shape
        state = after
