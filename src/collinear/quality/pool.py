"""Images side by side in processes, each with one thread for its arithmetic."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from collinear.quality.measure import ScoreError

Task = TypeVar("Task")
Result = TypeVar("Result")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def work_through(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Result]:
    """Apply a function to each task and return the results in the tasks' order.

    Args:
        function: A function at the top of a module, so that a process can import it.
        tasks: What it is applied to.
        jobs: Number of processes; with 1 all happens in this one.
        progress: Told how many are done, after each task of this process.

    Raises:
        ScoreError: A process ended by itself, for want of memory say.
        ValueError: `jobs` is below 1; and whatever the function raises.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more, but got {jobs}")
    jobs = max(1, min(jobs, len(tasks)))
    if jobs > 1:
        found = _side_by_side(function, tasks, progress, jobs)
        return [found[index] for index in range(len(tasks))]
    results = []
    for done, task in enumerate(tasks, start=1):
        results.append(function(task))
        progress(done)
    return results


@dataclass(frozen=True)
class _Counters:
    """What the processes share: the next task, and how many are done."""

    next: Any
    done: Any
    total: int

    def take(self) -> int | None:
        """Return the index of a task that nobody has, or None."""
        with self.next.get_lock():
            index = int(self.next.value)
            self.next.value = index + 1
        return index if index < self.total else None

    def finish(self) -> int:
        """Count one task as done and return how many are."""
        with self.done.get_lock():
            self.done.value += 1
            return int(self.done.value)

    def stop(self) -> None:
        """Leave no task for anybody."""
        with self.next.get_lock():
            self.next.value = self.total


_shared: list[_Counters] = []
"""The counters of a worker process, put here when it starts."""


def _side_by_side(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    progress: Callable[[int], None],
    jobs: int,
) -> dict[int, Result]:
    """Work here too: this process need not start, and takes tasks meanwhile."""
    # Not fork: the caller may hold threads (torch does) and their locks.
    context = multiprocessing.get_context("spawn")
    counters = _Counters(context.Value("q", 0), context.Value("q", 0), len(tasks))
    with (
        _one_thread(),
        ProcessPoolExecutor(
            jobs - 1,
            mp_context=context,
            initializer=_share,
            initargs=(counters,),
        ) as pool,
    ):
        try:
            futures = [pool.submit(_work, function, tasks) for _ in range(jobs - 1)]
            found = _drain(function, tasks, counters, progress)
            for future in futures:
                found |= future.result()
        except BrokenProcessPool as error:
            raise ScoreError(
                "a worker process was ended from outside (out of memory?); "
                "use fewer jobs"
            ) from error
        except BaseException:
            counters.stop()
            raise
    progress(counters.total)
    return found


def _share(counters: _Counters) -> None:
    _shared.append(counters)


def _work(
    function: Callable[[Task], Result], tasks: Sequence[Task]
) -> dict[int, Result]:
    return _drain(function, tasks, _shared[-1], lambda done: None)


def _drain(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    counters: _Counters,
    progress: Callable[[int], None],
) -> dict[int, Result]:
    """Take tasks until none is left, and return the results by index."""
    found = {}
    while (index := counters.take()) is not None:
        try:
            found[index] = function(tasks[index])
        except BaseException:
            counters.stop()
            raise
        progress(counters.finish())
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start now use one thread each."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
