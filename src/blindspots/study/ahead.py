"""Work that is done in threads before it is asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def ahead(
    make: Callable[[Given], Made], given: Iterable[Given], depth: int, threads: int
) -> Iterator[tuple[Given, Made]]:
    """Each of what is given with what is made of it, in order, up to `depth` made ahead.

    What is given is taken by the caller's own thread. What `make` raises is raised in its turn.
    """
    queue, waiting = iter(given), deque[tuple[Given, Future[Made]]]()
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        try:
            while True:
                wanted = islice(queue, max(1, depth) - len(waiting))
                waiting.extend((one, pool.submit(make, one)) for one in wanted)
                if not waiting:
                    return
                one, made = waiting.popleft()
                yield one, made.result()
        finally:
            for _, made in waiting:
                made.cancel()
