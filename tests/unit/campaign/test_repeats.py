"""A campaign that repeats measured points uses up its budget and ends."""

import time

import numpy as np

from collinear.campaign.journal import Step
from collinear.campaign.steps import journal_of, next_batch
from collinear.search import Proposal, Result, Status

SMALL = {
    "space": {"a": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]},
    "conventional": {"a": 1.0},
    "limits": {},
    "strategy": {"name": "anova", "repeat_every": 1},
    "lanes": 1,
    "batch": 25,
    "max_trials": 160,
}


def outcome(trial):
    chance = np.random.default_rng([*trial.point, trial.seed])
    niqe = 4.0 * abs(trial.point[0] - 3) + chance.standard_normal()
    return Result(
        trial.point, trial.seed, Status.DONE, {"niqe": float(niqe), "rmse": 1.0}
    )


def record(journal, number, trials):
    step = Step("lane00", number)
    journal.record_asked(step, trials, search="x")
    journal.record_told(step, [outcome(t) for t in trials], "s")


def test_repeats_end_with_the_budget_and_are_no_finals(make_campaign, tmp_path):
    campaign, journal = make_campaign(**SMALL), journal_of(tmp_path)
    first = [Proposal((i,)) for i in (0, 1, 2, 5, 6, 7)]
    again = [Proposal((3,), seed, "repeat") for seed in range(1, 101)]
    record(journal, 0, first + again)
    ended, number = None, 1
    while ended is None and number < 9:
        batch, ended = next_batch(campaign, tmp_path, journal, time.time())
        if batch:
            record(journal, number, batch)
        number += 1
    assert ended is not None
    assert ended.rule == "budget"
    keys = [p.key for p in journal.history().proposals]
    assert len(keys) == len(set(keys)) == campaign.search_trials
    assert max(seed for _, seed in keys) <= 100
