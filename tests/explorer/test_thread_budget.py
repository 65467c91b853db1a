"""Models that compute at once share the cores; one alone has as many as help it."""

import threading

import pytest
import torch

from blindspots.explorer.model_thread import ThreadBudget


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
