"""Tasks cover what is to be done, each source once; a leader loses none of them."""

import time
from collections import deque
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindspots.errors import UsageError, WorkFailed
from blindspots.methods import describe_method, make_method
from blindspots.progress import silent
from blindspots.schema import Ending
from blindspots.settings import ScienceSettings
from blindspots.specs import without_folders
from blindspots.store.writer import Store
from blindspots.study.backends.backend import RunJob
from blindspots.study.backends.leader import ATTEMPTS, FEWEST_WORKERS, Leader
from blindspots.study.backends.tasks import FEWEST, MOST_PAIRS, TaskPlan
from blindspots.study.backends.worker import Worker
from blindspots.study.backends.worker_process import (
    Died,
    Done,
    Failed,
    Progress,
    Ready,
    Started,
    Warned,
)
from blindspots.study.pairs import plan_pairs
from blindspots.study.prepare import prepare
from blindspots.study.subjects import RunRequest
from tests.support.sleeping_model import model_spec, save_pictures

MODEL = without_folders(model_spec().partition("?")[0], "")

SCIENCE = {"method": {}, "score": {}, "seed": 0, "precision": "fp32"}


def planned(counts):
    """Sources 0, 1, … with so many targets each."""
    source = np.repeat(np.arange(len(counts)), counts)
    target = np.concatenate([(s + 1 + np.arange(n)) for s, n in enumerate(counts)] or [[]])
    images = [f"image-{i}" for i in range(len(counts) + max(counts, default=0) + 1)]
    labels = np.arange(len(images))
    return plan_pairs("f", images, source, target.astype(np.int64), labels, SCIENCE)


def plan(store, pairs):
    return TaskPlan(MODEL, pairs, store, dropped=True)


def write(store, pairs, ending=Ending.FINISHED):
    rows = [
        {"model": MODEL, "pair_id": p.pair_id, "source_id": p.source_id, "ending": str(ending)}
        for p in pairs
    ]
    store.append("pairs", rows)
    for pair in pairs if ending.started else ():
        store.save_found(
            pair.pair_id, np.zeros((3, 1, 1), np.float32), np.zeros((3, 1, 1), np.uint8)
        )


def measure(store, *tasks):
    """The rows of hulls and nulls that tasks lack; as many targets as the key needs."""
    for table in FEWEST:
        names = [name for task in tasks for name in task.lacking[table]]
        row = {"model": MODEL, "target_1": "a", "target_2": "b", "target_id": "a"}
        keys = {"triangles": ("target_1", "target_2"), "nulls": ("target_id",), "simplices": ()}
        own = {"model": row["model"], **{key: row[key] for key in keys[table]}}
        store.append(table, [{**own, "source_id": name} for name in names])


@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    done=st.data(),
    workers=st.integers(1, 4),
)
@settings(max_examples=12, deadline=None)
def test_units_are_what_is_left_each_source_once_and_whole(tmp_path_factory, counts, done, workers):
    store, pairs = Store(tmp_path_factory.mktemp("run")), planned(counts)
    stored = done.draw(st.sets(st.sampled_from(range(len(pairs)))))
    write(store, [pairs[i] for i in sorted(stored)])
    tasks = list(plan(store, pairs).tasks(workers))
    missing = [name for task in tasks for name in task.missing]
    assert sorted(missing) == sorted(
        {p.pair_id for p in pairs} - {pairs[i].pair_id for i in stored}
    )
    sources = [source for task in tasks for source in {p.source_id for p in task.pairs}]
    assert len(sources) == len(set(sources)) == len(counts)
    for task in tasks:
        assert task.missing | task.started == {p.pair_id for p in task.pairs}
        assert all(p.target_label == int(p.target_id[6:]) for p in task.pairs)
        assert len(task.pairs) <= max(MOST_PAIRS, len(pairs)) + max(counts)
        for table, fewest in FEWEST.items():
            able = {f"image-{s}" for s, n in enumerate(counts) if n >= fewest}
            assert task.lacking[table] == able & {p.source_id for p in task.pairs}
    # The first by itself, and all others at once: each write to the disk takes its time.
    for done in (tasks[:1], tasks[1:]):
        write(store, [p for task in done for p in task.pairs if p.pair_id in task.missing])
        measure(store, *done)
        assert [plan(store, pairs).again(task) for task in done] == [None] * len(done)
    assert not plan(store, pairs).unfinished.any()


def test_without_hulls_a_run_is_done_when_its_pairs_are_and_with_them_it_goes_on(tmp_path):
    store, pairs = Store(tmp_path), planned([3, 2])
    without = TaskPlan(MODEL, pairs, store, dropped=True, measured={})
    tasks = list(without.tasks(1))
    assert sum(len(task.missing) for task in tasks) == 5
    assert [task.lacking for task in tasks] == [{}] * len(tasks)
    write(store, list(pairs))
    assert list(replace(without).tasks(1)) == []
    rest = [
        name for task in plan(store, pairs).tasks(1) for name, own in task.lacking.items() if own
    ]
    assert set(rest) == set(FEWEST)


def test_pairs_that_did_not_start_make_no_unit_of_hulls(tmp_path):
    store, pairs = Store(tmp_path), planned([3, 2])
    write(store, pairs, Ending.DELTA_VACUOUS)
    assert list(plan(store, pairs).tasks(2)) == []


class Scripted:
    """A pool in this process. `fate` says of each task in turn what becomes of it."""

    workers = 2

    def __init__(self, job, fate):
        self.job, self.fate = job, fate
        self.received, self.started, self.stopped = deque(), 0, []

    def prepare(self, config):
        assert config.request is not None

    def start(self):
        self.started += 1
        self.received.append((self.started, Ready()))
        return self.started

    def send(self, worker, task):
        if worker in self.stopped:
            return
        if task is not None:
            self.received.extend((worker, message) for message in self.fate(self.job.store, task))

    def receive(self, _seconds):
        if not self.received:
            time.sleep(0.05)
            return []
        return [self.received.popleft()]

    def stop(self, worker):
        self.stopped.append(worker)
        self.received = deque(one for one in self.received if one[0] != worker)


def does(store, task):
    write(store, [pair for pair in task.pairs if pair.pair_id in task.missing])
    measure(store, task)
    return [Started(task.number), Progress(1.0), Done(task.number)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A plan of six sources with two targets each."""
    method = describe_method(make_method("reference"))
    science = ScienceSettings(method=method, sources=6, targets_per_source=2)
    images = save_pictures(tmp_path_factory.mktemp("pictures") / "photos", 24)
    request = RunRequest(models=[model_spec()], images=images, science=science)
    return prepare(request, None, silent())


@pytest.fixture
def lead(tmp_path, prepared):
    """Has a scripted pool do the plan; the pool and what is left."""

    def leading(fate):
        job = RunJob(
            prepared, make_method("reference"), Store(tmp_path), silent(), "found", True, False
        )
        pool = Scripted(job, fate)
        Leader(job, nullcontext(pool)).run()
        return pool, TaskPlan(MODEL, prepared.pairs[MODEL], job.store, dropped=True)

    return leading


def test_a_crew_that_works_does_all(lead):
    pool, left = lead(does)
    assert pool.started == 2
    assert not left.unfinished.any()


def test_what_a_dead_worker_had_is_done_by_another(lead):
    deaths = iter([True, False, True])

    def fate(store, task):
        if next(deaths, False):
            return [Died("killed")]
        return does(store, task)

    pool, left = lead(fate)
    assert pool.started == 4
    assert not left.unfinished.any()


def test_a_worker_that_stored_before_it_died_leaves_less(lead):
    sizes = []

    def fate(store, task):
        sizes.append(task.size)
        if len(sizes) == 1:
            write(store, [pair for pair in task.pairs if pair.pair_id in task.missing])
            return [Died("killed")]
        return does(store, task)

    _, left = lead(fate)
    assert not left.unfinished.any()


def test_pairs_that_kill_every_worker_end_the_run_named(lead):
    def fate(_store, task):
        return [Started(task.number), Failed("error", "Traceback\nValueError: odd")]

    with pytest.raises(WorkFailed, match=f"{ATTEMPTS + 1} workers ended one after the other"):
        lead(fate)


def test_a_unit_is_not_blamed_for_deaths_before_it_was_begun(lead):
    deaths = iter([True] * (3 * ATTEMPTS))

    def fate(store, task):
        return [Died("killed")] if next(deaths, False) else does(store, task)

    _, left = lead(fate)
    assert not left.unfinished.any()


def dies_at_once(pool, lives=()):
    """Let the workers of a pool that is not among those who live end before they are ready."""

    def start():
        pool.started += 1
        message = Ready() if pool.started in lives else Died("the driver of\nthe card is missing")
        pool.received.append((pool.started, message))
        return pool.started

    pool.start = start
    return pool


@pytest.mark.parametrize("ready", [True, False])
def test_workers_that_end_before_their_first_pair_end_the_run_named(tmp_path, prepared, ready):
    method = make_method("reference")
    job = RunJob(prepared, method, Store(tmp_path), silent(), "found", True, False)
    pool = Scripted(job, lambda _store, _task: [Died("the driver of\nthe card is missing")])
    pool = pool if ready else dies_at_once(pool)
    with pytest.raises(WorkFailed, match=r"before their first pair.*the driver of the card") as end:
        Leader(job, nullcontext(pool)).run()
    assert "\n" not in str(end.value)
    assert pool.started <= ATTEMPTS * FEWEST_WORKERS + pool.workers


def test_one_worker_that_lives_does_all_where_others_cannot_begin(tmp_path, prepared):
    method = make_method("reference")
    job = RunJob(prepared, method, Store(tmp_path), silent(), "found", True, False)
    pool = dies_at_once(Scripted(job, does), lives={2})
    Leader(job, nullcontext(pool)).run()
    assert pool.started <= ATTEMPTS * FEWEST_WORKERS + pool.workers


def test_a_worker_that_says_nothing_any_more_is_replaced(lead, monkeypatch, capsys):
    monkeypatch.setattr("blindspots.study.backends.leader.SILENCE", 0.5)
    hangs = iter([True])

    def fate(store, task):
        return [Started(task.number)] if next(hangs, False) else does(store, task)

    pool, left = lead(fate)
    assert pool.started == 3
    assert len(pool.stopped) == 1
    assert "nothing was heard of it" in " ".join(capsys.readouterr().err.split())
    assert not left.unfinished.any()


def test_what_every_worker_warns_of_is_said_once(lead, capsys):
    lead(lambda store, task: [Warned("out of memory;\n going on"), *does(store, task)])
    assert capsys.readouterr().err.count("out of memory; going on") == 1


@pytest.mark.parametrize(("kind", "error"), [("refused", UsageError), ("failed", WorkFailed)])
def test_what_nobody_could_do_better_ends_the_run_at_once(lead, kind, error):
    with pytest.raises(error, match="no such weights"):
        lead(lambda _store, _task: [Failed(kind, "no such weights")])


class TestWorker:
    """A worker by itself: tasks from a list, messages to a list."""

    @pytest.fixture
    def config(self, tmp_path, prepared):
        job = RunJob(
            prepared, make_method("reference"), Store(tmp_path), silent(), "found", True, False
        )
        pool = Scripted(job, does)
        pool.workers = 1
        taken = []
        pool.prepare = taken.append
        Leader(job, nullcontext(pool)).run()
        return taken[0]

    def test_it_streams_from_unit_to_unit(self, tmp_path, prepared, config, monkeypatch):
        streams, spent = [], []
        whole = Worker._stream
        monkeypatch.setattr(Worker, "_stream", lambda h, u: (streams.append(u.number), whole(h, u)))
        config = replace(
            config, out=tmp_path / "again", method=make_method("reference", {"max_steps": "2"})
        )
        pairs, store = prepared.pairs[MODEL], Store(tmp_path / "again")
        tasks = list(plan_of(pairs, store).tasks(1))
        assert len(tasks) > 3
        messages = self.messages_over(config, [*tasks[:3], None, *tasks[3:], None])
        assert streams == [tasks[0].number, tasks[3].number]
        said = [message for message in messages if not isinstance(message, Progress)]
        spent = [message for message in messages if isinstance(message, Progress)]
        assert spent
        assert said[0] == Ready()
        assert [w.number for w in said if isinstance(w, Started)] == [u.number for u in tasks]
        assert {w.number for w in said if isinstance(w, Done)} == {u.number for u in tasks}
        assert not plan_of(pairs, store).unfinished.any()

    def test_it_is_heard_at_every_forward_while_it_measures(
        self, tmp_path, prepared, config, monkeypatch
    ):
        """Else a slow model that measures thousands of points would pass for one that hangs."""
        monkeypatch.setattr("blindspots.study.backends.worker.SECONDS_BETWEEN_MESSAGES", -1.0)
        method = make_method("reference", {"max_steps": "2"})
        config = replace(config, out=tmp_path / "again", method=method)
        store = Store(tmp_path / "again")
        task = next(iter(plan_of(prepared.pairs[MODEL], store).tasks(1)))
        messages = self.messages_over(config, [task, None])
        done = next(i for i, message in enumerate(messages) if isinstance(message, Done))
        before = [
            message.evaluations for message in messages[:done] if isinstance(message, Progress)
        ]
        traversed = max(i for i, evaluations in enumerate(before) if evaluations)
        assert len(before[traversed + 1 :]) > 4
        spent = sum(message.evaluations for message in messages if isinstance(message, Progress))
        assert spent == pytest.approx(len(task.pairs) * method.most_evaluations())

    @staticmethod
    def messages_over(config, tasks):
        """The messages of a worker that is given these, and then its driver is gone."""
        inbox, messages = deque(tasks), []

        def take():
            if not inbox:
                raise EOFError
            return inbox.popleft()

        Worker(config, take, messages.append).run()
        return messages


def plan_of(pairs, store):
    return TaskPlan(MODEL, pairs, store, dropped=False)
