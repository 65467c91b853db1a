import warnings
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import blindspots as bs
from blindspots.engine.batch import Pair, from_8bit, to_8bit
from blindspots.engine.evaluator import Evaluator
from blindspots.engine.scheduler import Engine
from blindspots.schema import Ending
from tests.support.toys import (
    OUT_OF_MEMORY,
    Counting,
    Cramped,
    convolutional,
    random_images,
    random_linear,
    toy,
)

SHORT = bs.Reference(max_steps=12, step_size=0.1, jitter=0.02)


def pairs(count, seed=0):
    sources, targets = random_images(count, seed), random_images(count, seed + 1)
    return [Pair(f"pair-{i}", s, t) for i, (s, t) in enumerate(zip(sources, targets, strict=True))]


def outcomes(module, todo, method=SHORT, **options):
    engine = Engine(Evaluator(toy(module)), method, **options)
    return {outcome.pair.id: outcome for ended in engine.run(todo) for outcome in ended}


@pytest.fixture(scope="module")
def alone():
    """What becomes of each of five pairs without company."""
    return outcomes(convolutional(), pairs(5), slots=1)


@settings(max_examples=6)
@given(st.permutations(range(5)), st.integers(1, 6))
def test_a_pair_ends_alike_alone_in_any_batch_and_in_any_order(alone, order, slots):
    todo = pairs(5)
    together = outcomes(convolutional(), [todo[i] for i in order], slots=slots)
    for name, outcome in alone.items():
        torch.testing.assert_close(together[name].found, outcome.found, atol=1e-5, rtol=0)
        assert together[name].ending == outcome.ending


@pytest.mark.parametrize("slots", [1, 3, 50])
def test_an_evaluation_is_one_forward_and_one_gradient_an_iteration(slots):
    module = Counting(convolutional())
    ended = outcomes(module, pairs(5), slots=slots)
    assert module.with_gradient == 5 * (SHORT.max_steps + 1)
    assert module.without == 5
    for outcome in ended.values():
        assert outcome.evaluations == SHORT.max_steps + 1 + 0.5
        assert outcome.steps == SHORT.max_steps
        assert outcome.ending is Ending.FINISHED


@dataclass(frozen=True, kw_only=True)
class Uneven(bs.Reference):
    """A reference whose pairs end after as many steps as their source's first pixel says."""

    def step(self, problem, state, evaluation):
        after = super().step(problem, state, evaluation)
        length = (problem.source[:, 0, 0, 0] * 100).round()
        ending = torch.where(after.steps >= length, 0, -1)
        return type(after)(**{**vars(after), "ending": ending})


def test_slots_are_refilled_while_pairs_wait_and_never_exceeded():
    todo = pairs(12)
    for i, pair in enumerate(todo):
        pair.source[0, 0, 0] = 0.02 + 0.04 * (i % 4)
    pulled = []

    def queue():
        for pair in todo:
            pulled.append(pair.id)
            yield pair

    module, done = Counting(convolutional()), 0
    engine = Engine(Evaluator(toy(module)), Uneven(max_steps=99, jitter=0.0), slots=3)
    for ended in engine.run(queue()):
        assert len(pulled) - done <= 3
        done += len(ended)
    assert done == 12
    assert module.largest == 3
    lengths = [2 + 4 * (i % 4) for i in range(12)]
    assert module.with_gradient == sum(lengths) + 12


def test_every_turn_shows_what_the_model_was_asked_and_what_it_said():
    model, todo = toy(convolutional()), pairs(3)
    turns = list(Engine(Evaluator(model), SHORT, slots=2).turns(todo))
    ended = [outcome.pair.id for turn in turns for outcome in turn.outcomes]
    assert ended == [pair.id for pair in todo]
    shown = [turn.seen for turn in turns if turn.seen is not None]
    assert len(shown) == 2 * (SHORT.max_steps + 1)
    for problem, asked, evaluation in shown:
        scores = bs.Confidence()(model(asked.proposal), problem.kept)
        torch.testing.assert_close(evaluation.score, scores)
    steps = [int(asked.steps[0]) + 1 for _, asked, _ in shown]
    assert steps == 2 * list(range(SHORT.max_steps + 1))


def test_a_turn_that_only_finds_a_pair_unable_to_start_shows_nothing_else():
    (pair,) = pairs(1)
    wrong = Pair(pair.id, pair.source, pair.target, label=_other_than_named(pair.source))
    (turn,) = Engine(Evaluator(toy(convolutional())), SHORT).turns([wrong])
    assert turn.outcomes[0].ending is Ending.SOURCE_MISCLASSIFIED
    assert turn.seen is None


def _other_than_named(image):
    return (int(toy(convolutional())(image[None]).argmax()) + 1) % 5


@pytest.mark.parametrize(
    "error",
    [OUT_OF_MEMORY, RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")],
    ids=["GPU", "processor"],
)
def test_out_of_memory_halves_the_batch_says_so_once_and_changes_nothing(error):
    plain = outcomes(convolutional(), pairs(6), slots=6)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        cramped = outcomes(Cramped(convolutional(), 2, error), pairs(6), slots=6)
    texts = [str(w.message) for w in said if "out of memory" in str(w.message)]
    assert texts == [
        "out of memory with 6 images at once; going on with 3",
        "out of memory with 3 images at once; going on with 1",
    ]
    for name, outcome in plain.items():
        torch.testing.assert_close(cramped[name].found, outcome.found, atol=1e-5, rtol=0)


def test_out_of_memory_with_one_image_fails_with_a_way_out():
    with (
        warnings.catch_warnings(),
        pytest.raises(bs.WorkFailed, match="ran out of memory with a single image"),
    ):
        warnings.simplefilter("ignore")
        outcomes(Cramped(convolutional(), 0), pairs(2))


def test_pairs_that_cannot_start_cost_a_forward_and_say_why():
    sources = random_images(2)
    model = random_linear(0, classes=10, scale=0.01)
    named = int(toy(model)(sources[:1]).argmax())
    wrong = Pair("wrong", sources[0], sources[1], (named + 1) % 10)
    vague = Pair("vague", sources[0], sources[1], named)
    ended = outcomes(model, [wrong, vague])
    assert ended["wrong"].ending is Ending.SOURCE_MISCLASSIFIED
    assert ended["vague"].ending is Ending.DELTA_VACUOUS
    for outcome in ended.values():
        assert outcome.evaluations == 0.5
        assert torch.equal(outcome.found, sources[0])


class Poisoned(torch.nn.Module):
    """NaN for images whose first pixel is above .9, and for nothing else in the batch."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, images):
        poison = torch.where(images[:, 0, 0, 0] > 0.9, torch.nan, 0.0)
        return self.module(images) + poison[:, None]


def test_a_nan_ends_its_own_pair_only():
    todo = pairs(3)
    todo[1].source[0, 0, 0] = 1.0
    todo[2].source[0, 0, 0], todo[2].target[0, 0, 0] = 0.85, 1.0
    plain = outcomes(convolutional(), todo)
    ended = outcomes(Poisoned(convolutional()), todo, method=SHORT)
    assert [ended[f"pair-{i}"].ending for i in range(3)] == ["finished", "failed", "failed"]
    torch.testing.assert_close(ended["pair-0"].found, plain["pair-0"].found, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("snapshots", "steps"), [(0, []), (11, [0, 2, 4, 6, 8, 10, 12]), (3, [0, 6, 12])]
)
def test_snapshots_are_even_and_end_with_what_was_found(snapshots, steps):
    (outcome,) = outcomes(convolutional(), pairs(1), snapshots=snapshots).values()
    assert outcome.path_step == steps
    assert len(outcome.path_confidence) == len(steps)
    if steps:
        assert len(outcome.path) == len(steps)
        assert (outcome.path[-1] == to_8bit(outcome.found).numpy()).all()
        assert outcome.path_confidence[-1] == outcome.p_found
        assert outcome.p_path_min <= min(outcome.path_confidence)


def test_the_seed_and_the_id_make_the_jitter():
    source = random_images(1)[0]
    twins = [Pair(name, source, source) for name in "ab"]
    first, again, other = (outcomes(convolutional(), twins, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first["a"].found, again["a"].found)
    assert not torch.equal(first["a"].found, first["b"].found)
    assert not torch.equal(first["a"].found, other["a"].found)


def test_the_model_is_left_as_it_was():
    model = toy(convolutional())
    model.train()
    bs.traverse(model, random_images(1), random_images(1, 1), method=SHORT)
    assert model.module.training
    assert all(weight.requires_grad for weight in model.parameters())


@given(st.integers(0, 255))
def test_eight_bits_round_and_come_back_exactly(value):
    levels = torch.tensor([value], dtype=torch.uint8)
    assert to_8bit(from_8bit(levels)) == levels
    assert to_8bit(from_8bit(levels) + 0.49 / 255) == levels


class Faulty(Counting):
    """Right at first, then with a fault in its forward, its gradient or its answer."""

    def __init__(self, module, fault):
        super().__init__(module)
        self.fault = fault

    def forward(self, images):
        answer = super().forward(images)
        if self.with_gradient <= 2:
            return answer
        if isinstance(self.fault, BaseException):
            raise self.fault
        return self.fault(answer)


class WithoutGradient(torch.autograd.Function):
    """Fails when its gradient is asked for."""

    @staticmethod
    def forward(_ctx, answer):
        return answer.clone()

    @staticmethod
    def backward(_ctx, *_):
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ValueError("odd pixels"), r"raised ValueError \(odd pixels\)"),
        (MemoryError("1 GiB"), "raised MemoryError"),
        (SystemExit(3), "raised SystemExit"),
        (AssertionError(), "raised AssertionError"),
        (WithoutGradient.apply, "raised SystemExit .3. when it was asked for its gradient"),
        (lambda answer: answer * 1j, "numbers of the type torch.complex64"),
        (lambda answer: answer.long(), "numbers of the type torch.int64"),
        (lambda answer: answer[:0], "returns a tensor of shape"),
        (lambda _: None, "returns a NoneType, not a tensor"),
    ],
)
def test_a_model_that_fails_later_ends_the_work_in_a_sentence(fault, said):
    model = toy(random_linear(0))
    # The checker of shapes, which no user has, looks at the classifier's own forward.
    model.forward = Faulty(model.module, fault).forward
    with pytest.raises(bs.WorkFailed, match=f"{said}.*; finished pairs are kept"):
        list(Engine(Evaluator(model), SHORT, slots=1).run(pairs(3)))


def test_answers_in_float64_are_as_good():
    plain = outcomes(Faulty(random_linear(0), lambda answer: answer), pairs(3))
    exact = outcomes(Faulty(random_linear(0), lambda answer: answer.double()), pairs(3))
    for name, outcome in plain.items():
        assert torch.equal(exact[name].found, outcome.found)
