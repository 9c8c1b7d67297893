"""Tasks side by side: order, errors, and what a worker is given."""

from __future__ import annotations

import os

import pytest

from collinear.quality.measure import ScoreError
from collinear.quality.pool import work_through


def square(number):
    return number * number


def refuse_seven(number):
    if number == 7:
        raise ScoreError("seven is refused")
    return number


def threads_of(_):
    return os.environ.get("OMP_NUM_THREADS")


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_keep_the_order_of_the_tasks(jobs):
    told = []
    found = work_through(square, range(40), jobs, told.append)
    assert found == [number * number for number in range(40)]
    assert told == sorted(told)
    assert told[-1] == 40


def test_no_tasks_have_no_results():
    assert work_through(square, [], 4) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_a_task_is_raised(jobs):
    with pytest.raises(ScoreError, match="seven is refused"):
        work_through(refuse_seven, range(40), jobs)


def test_fewer_than_one_job_is_refused():
    with pytest.raises(ValueError, match="jobs must be 1 or more, but got 0"):
        work_through(square, [1], 0)


def test_the_callers_environment_comes_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    work_through(threads_of, range(4), 2)
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ
