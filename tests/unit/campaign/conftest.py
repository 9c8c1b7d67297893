"""A small campaign whose program is never started."""

import copy
from pathlib import Path

import pytest

from collinear.campaign.config import load_campaign
from collinear.campaign.schema import load_schema

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def schema():
    return load_schema(REPOSITORY / "workflow/schemas/config.schema.yaml")


@pytest.fixture
def settings():
    return {
        "campaign": "small",
        "seed": 3,
        "space": {"a": [0.0, 1.0, 2.0], "b": [10.0, 20.0]},
        "objective": "niqe",
        "limits": {"rmse": 12.5},
        "strategy": {"name": "exhaustive"},
        "lanes": 2,
        "batch": 2,
        "max_trials": 5,
        "conventional": {"a": 1.0, "b": 15.0},
        "application": {
            "values": ["niqe", "rmse"],
            "pretrain": ["program", "pretrain"],
            "finetune": ["program", "finetune"],
            "settings": {"epochs": 3},
        },
    }


@pytest.fixture
def make_campaign(settings, schema):
    def make(**changes):
        return load_campaign(copy.deepcopy(settings) | changes, schema)

    return make


@pytest.fixture
def campaign(make_campaign):
    return make_campaign()
