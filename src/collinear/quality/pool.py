"""Images side by side in processes, each with one thread for its arithmetic."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

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
        progress: Told after each task how many are done.

    Raises:
        ScoreError: A process ended by itself, for want of memory say.
        ValueError: `jobs` is below 1; and whatever the function raises.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more, but got {jobs}")
    jobs = min(jobs, len(tasks))
    if jobs <= 1:
        results = []
        for done, task in enumerate(tasks, start=1):
            results.append(function(task))
            progress(done)
        return results
    # Not fork: the caller may hold threads (torch does) and their locks.
    context = multiprocessing.get_context("spawn")
    with _one_thread(), ProcessPoolExecutor(jobs, mp_context=context) as pool:
        futures = [pool.submit(function, task) for task in tasks]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                progress(done)
        except BrokenProcessPool as error:
            raise ScoreError(
                "a worker process was ended from outside (out of memory?); "
                "use fewer jobs"
            ) from error
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        return [future.result() for future in futures]


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
