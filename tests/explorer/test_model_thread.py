"""A model's thread: questions pass long work, long work takes turns, and can be ended."""

import asyncio
import threading

import pytest
import torch

from blindspots.engine.evaluator import Evaluator
from blindspots.explorer.model_thread import (
    MOST_WAITING,
    Busy,
    EventQueue,
    ModelThread,
    TabJob,
    ThreadBudget,
)
from tests.support.explorer_client import wait_until
from tests.support.toys import convolutional, random_images, toy

MANY = 5000


@pytest.fixture
def worker():
    working = ModelThread(toy(convolutional()), most_tasks=3, most_questions=4)
    working.start()
    yield working
    working.close()


def watched(worker, *works, before=lambda _: None):
    """All events of long work that is taken at once."""

    async def watch():
        outbox = EventQueue()
        tasks = [worker.take(work, outbox) for work in works]
        job = TabJob(outbox, tasks, [worker.look_again])
        before(job)
        return [event async for event in outbox.events()]

    return asyncio.run(watch())


def test_a_question_is_answered_between_the_batches_of_one_turn(worker):
    def turns():
        answer = worker.ask(lambda evaluator: evaluator.logits(random_images(1)).shape)
        before = answer.done()
        worker.evaluator.logits(random_images(MANY))
        yield {"before": before, "after": answer.done()}

    assert watched(worker, turns()) == [{"before": False, "after": True}]


def test_the_answer_is_the_models_own(worker):
    images = random_images(3)
    answer = worker.ask(lambda evaluator: evaluator.logits(images)).result(timeout=10)
    torch.testing.assert_close(answer, worker.model(images))


def test_what_a_question_raises_comes_to_who_asked(worker):
    with pytest.raises(ZeroDivisionError):
        worker.ask(lambda _: 1 / 0).result(timeout=10)
    assert worker.ask(lambda _: 2).result(timeout=10) == 2


def test_long_work_takes_turns(worker):
    begin = threading.Event()

    def turns(name):
        begin.wait(10)
        for step in range(4):
            yield {"who": name, "step": step}

    events = watched(worker, turns("a"), turns("b"), before=lambda _: begin.set())
    assert [event["who"] for event in events] == ["a", "b"] * 4


def test_a_slow_reader_makes_the_work_wait(worker):
    made = []

    def turns():
        for step in range(3 * MOST_WAITING):
            made.append(step)
            yield {"step": step}

    async def watch():
        outbox = EventQueue()
        worker.take(turns(), outbox)
        await asyncio.to_thread(wait_until, lambda: outbox.full)
        await asyncio.to_thread(worker.ask(lambda _: None).result, 10)
        waiting = len(made)
        return waiting, [event["step"] async for event in outbox.events()]

    waiting, steps = asyncio.run(watch())
    assert waiting == MOST_WAITING
    assert steps == list(range(3 * MOST_WAITING))


def test_cancelled_work_ends_within_its_turn(worker):
    begin, ended = threading.Event(), threading.Event()
    jobs = []

    def started(job):
        jobs.append(job)
        begin.set()

    def turns():
        begin.wait(10)
        try:
            yield {"step": 0}
            jobs[0].cancel()
            worker.evaluator.logits(random_images(MANY))
            yield {"step": 1}
        finally:
            ended.set()

    assert watched(worker, turns(), before=started) == [{"step": 0}]
    assert ended.wait(10)
    wait_until(lambda: worker.tasks == 0)


def test_more_than_it_takes_is_busy(worker):
    def waits():
        yield {"kind": "never"}

    async def fill():
        outbox = EventQueue()
        tasks = []
        for _ in range(3):
            task = worker.take(waits(), outbox)
            task.paused = True
            tasks.append(task)
        with pytest.raises(Busy, match="busy with"):
            worker.take(waits(), outbox)
        TabJob(outbox, tasks, [worker.look_again]).cancel()

    asyncio.run(fill())
    wait_until(lambda: worker.tasks == 0)


def test_more_questions_than_it_takes_are_busy(worker):
    held, free = threading.Event(), threading.Event()

    def hold(_):
        held.set()
        return free.wait(10)

    first = worker.ask(hold)
    held.wait(10)
    waiting = [worker.ask(lambda _: 1) for _ in range(4)]
    with pytest.raises(Busy, match="questions"):
        worker.ask(lambda _: 1)
    free.set()
    assert [first.result(10), *(answer.result(10) for answer in waiting)] == [True, 1, 1, 1, 1]


def test_an_oracle_gives_way_before_every_forward():
    seen = []
    evaluator = Evaluator(toy(convolutional()), chunk=2, give_way=lambda: seen.append(1))
    with evaluator.model.frozen():
        evaluator.logits(random_images(5))
        assert len(seen) == 3
        evaluator.evaluate(random_images(2), torch.tensor([0, 1]))
    assert len(seen) == 4


@pytest.fixture(autouse=True)
def one_thread_afterwards():
    yield
    torch.set_num_threads(1)


def test_alone_all_and_together_a_share():
    cores, inside, told = ThreadBudget(4), threading.Event(), []
    leave = threading.Event()

    def other():
        with cores.taken(4):
            told.append(torch.get_num_threads())
            inside.set()
            leave.wait(5)

    with cores.taken(4):
        told.append(torch.get_num_threads())
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(5)
    leave.set()
    thread.join()
    with cores.taken(4):
        told.append(torch.get_num_threads())
    assert told == [4, 2, 4]


def test_no_more_than_help():
    with ThreadBudget(4).taken(1):
        assert torch.get_num_threads() == 1


@pytest.mark.parametrize(("side", "threads"), [(64, 1), (224, 4)])
def test_small_models_have_one(side, threads):
    assert ThreadBudget(4).useful(side * side) == threads


def test_a_failure_gives_its_share_back():
    cores = ThreadBudget(4)
    with pytest.raises(ZeroDivisionError), cores.taken(4):
        raise ZeroDivisionError
    with cores.taken(4):
        assert torch.get_num_threads() == 4
