"""Every shipped campaign passes the schema and says what its document says."""

from pathlib import Path

import pytest
import yaml

from collinear.campaign.config import load_campaign

REPOSITORY = Path(__file__).parents[3]
CONFIGS = sorted((REPOSITORY / "config").glob("*.yaml"))


def load(name, schema):
    text = (REPOSITORY / "config" / f"{name}.yaml").read_text()
    return load_campaign(yaml.safe_load(text), schema)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_is_valid_and_named_as_its_file(path, schema):
    campaign = load_campaign(yaml.safe_load(path.read_text()), schema)
    assert campaign.name == path.stem


def test_every_config_is_in_the_table_of_campaigns():
    readme = (REPOSITORY / "config" / "README.md").read_text()
    for path in CONFIGS:
        assert f"`{Path(path).name}`" in readme


def test_jh220044_has_the_documents_grid_and_result(schema):
    campaign = load("jh220044", schema)
    assert campaign.space.shape == (10, 11, 11, 11)
    assert campaign.space.size == 13310
    assert campaign.goal.limits == ()
    assert campaign.space.locate(campaign.conventional) is None  # w2 = 2 is off it
    documented = campaign.documented_result
    assert campaign.space.locate(documented["setting"]) == (4, 8, 7, 1)
    assert (documented["trials"], documented["batches"]) == (363, 27)
    settings = campaign.application.settings
    assert settings["pretrain"]["epochs"] == 1000
    assert settings["pretrain"]["minibatch"] == 8
    assert settings["finetune"]["epochs"] == 250


def test_poster_has_the_documents_grid_and_limit(schema):
    campaign = load("poster", schema)
    assert campaign.space.shape == (15, 16, 16, 16)
    assert [(li.name, li.maximum) for li in campaign.goal.limits] == [("rmse", 12.5)]
    assert campaign.documented_result["objective"] == 2.517
    wide, narrow = campaign.space.axes, load("jh220044", schema).space.axes
    for ours, theirs in zip(wide, narrow, strict=True):
        assert set(theirs.values) <= set(ours.values)


def test_demo_runs_on_the_documents_grid(schema):
    demo, paper = load("demo", schema), load("jh220044", schema)
    assert demo.space == paper.space
    assert 30 <= demo.search_trials <= 40
    assert demo.search_trials == 36  # the runs that the README shows


def test_real_campaigns_keep_trials_for_finals(schema):
    for name, left in (("jh220044", 339), ("poster", 521)):
        campaign = load(name, schema)
        assert campaign.finals_shape == (8, 3)
        assert campaign.search_trials == left
    assert load("demo", schema).finals_shape == (2, 4)
    assert load("smoke", schema).finals is None
