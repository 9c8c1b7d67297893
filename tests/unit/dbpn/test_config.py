"""Settings: defaults, a trial's params, and every refusal with its key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collinear.dbpn.config import as_json, warnings_of
from collinear.dbpn.read_settings import load_settings
from collinear.dbpn.request import read_request
from collinear.dbpn.section import ConfigError

NAN = float("nan")
SHIPPED = Path(__file__).parents[3] / "config" / "dbpn"


def test_defaults_are_those_of_the_authors(tiny_mapping):
    settings = load_settings(
        {"scale": 4, "pretrain": {"epochs": 1000}, "finetune": {"epochs": 250}}
    )
    stage = settings.finetune
    assert (settings.model.stages, settings.model.base, settings.model.feat) == (
        7,
        64,
        256,
    )
    weights = (stage.w_mse, stage.w_perceptual, stage.w_adversarial, stage.w_style)
    assert weights == (0.01, 0.1, 0.001, 10.0)
    assert stage.count_iterations(800) == 25_000


def test_epochs_round_up_to_whole_updates(tiny):
    settings = tiny({"pretrain": {"iterations": None, "epochs": 1.5}})
    assert settings.pretrain.count_iterations(5) == 4  # 7.5 patches in minibatches of 2


def test_params_of_a_trial_replace_keys_of_finetune(tiny):
    settings = tiny(params={"learning_rate": 0.02, "w_style": 0, "epochs": 3})
    assert settings.finetune.learning_rate == 0.02
    assert settings.finetune.w_style == 0
    assert (settings.finetune.epochs, settings.finetune.iterations) == (3, None)
    assert settings.pretrain == tiny().pretrain


def test_settings_become_json(tiny):
    text = json.dumps(as_json(tiny()))
    assert json.loads(text)["finetune"]["discriminator"] == {"base": 2, "head": "dense"}


def test_legal_but_odd_settings_are_warned_about(tiny):
    found = warnings_of(tiny({"finetune": {"w_mse": 0, "minibatch": 1, "patch": 16}}))
    assert len(found) == 2
    assert "finetune.w_mse is 0" in found[0]
    assert warnings_of(tiny()) == []


def test_a_discriminator_of_four_places_needs_one_patch(tiny):
    """18 pixels are two places on a side, behind four halvings that round up."""
    gap = {"head": "gap", "base": 2}
    assert tiny({"finetune": {"patch": 9, "minibatch": 1, "discriminator": gap}})


BAD_SETTINGS = [
    ({"scale": 3}, "scale must be one of 2, 4, 8, but got 3"),
    ({"scale": None}, "scale is needed"),
    ({"modle": {}}, "unknown key modle; did you mean model"),
    ({"model": {"stages": 1}}, "model.stages must be at least 2, but got 1"),
    ({"model": {"stages": 2.5}}, "model.stages must be a whole number"),
    ({"model": {"chain": 7}}, "model.chain is for variant iterative only"),
    ({"model": {"variant": "dens"}}, "model.variant must be .* did you mean dense"),
    ({"model": {"residual": 1}}, "model.residual must be true or false"),
    ({"model": []}, "model must be a mapping"),
    ({"data": {"source": "folder"}}, "data.train must be a folder"),
    ({"data": {"train": "china"}}, "data.train must be a list"),
    ({"data": {"train": []}}, "data.train must be a list of names"),
    ({"pretrain": {"epochs": 3}}, "pretrain needs either epochs or iterations.*both"),
    ({"pretrain": {"iterations": None}}, "pretrain needs .* neither"),
    ({"pretrain": {"w_style": 1}}, "unknown key pretrain.w_style"),
    ({"pretrain": {"iterations": 0}}, "pretrain.iterations must be at least 1"),
    ({"finetune": {"learning_rate": "1e-6"}}, "YAML reads 1e-6 as a string"),
    ({"finetune": {"learning_rate": 0}}, "finetune.learning_rate must be above 0"),
    ({"finetune": {"w_style": -1}}, "finetune.w_style must be at least 0"),
    ({"finetune": {"w_style": NAN}}, "finetune.w_style must be finite"),
    ({"finetune": {"w_style": True}}, "finetune.w_style must be a number"),
    ({"finetune": {"learning_rat": 1}}, "did you mean learning_rate"),
    ({"finetune": {"ema": 1}}, "finetune.ema must be below 1"),
    ({"finetune": {"decay_at": [0.5, 0.5]}}, "finetune.decay_at must ascend"),
    ({"finetune": {"decay_at": [1.5]}}, "finetune.decay_at must be below 1"),
    ({"finetune": {"decay_at": 0.5}}, "finetune.decay_at must be a list"),
    ({"finetune": {"patch": 10}}, "finetune.patch 10 .* gives 20 .* multiple of 16"),
    (
        {"finetune": {"patch": 7, "discriminator": {"head": "gap"}}},
        "the discriminator needs 16",
    ),
    (
        {"finetune": {"minibatch": 2, "accumulate": 2}},
        "normalises over two or more; raise finetune.minibatch / accumulate, 1 here",
    ),
    (
        {"finetune": {"iterations": 10**400}},
        "iterations is too large a number",
    ),
    ({"features": {"seed": 2**64}}, "features.seed must be below"),
    ({"features": {"taps": ["pool5"]}}, "pool5 of features.taps needs 32"),
    ({"features": {"taps": ["pool2", "pool1"]}}, "features.taps must be some of"),
    ({"features": {"kind": "vgg19", "width_divisor": 1}}, "features.file is needed"),
    ({"features": {"file": "a.pth"}}, "features.file is only for"),
    ({"features": {"width_divisor": 3}}, "features.width_divisor must be one of"),
    ({"device": "gpu"}, "device must be one of auto, cpu, cuda"),
    ({"precision": "fp16"}, "precision must be one of"),
    ({"abort": {"max_rms": 3}}, "did you mean max_rmse"),
    ({"save_every": 0}, "save_every must be at least 1"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_SETTINGS)
def test_bad_settings_are_refused_with_their_key(tiny, changes, message):
    with pytest.raises(ConfigError, match=message):
        tiny(changes)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"w_styl": 1}, "unknown key params.w_styl; did you mean w_style"),
        ({"learning_rate": -1}, "params.learning_rate must be above 0"),
        ({"learning_rate": "1e-6"}, "params.learning_rate must be a number"),
        ({"w_style": float("inf")}, "params.w_style must be finite"),
        (
            {"w_mse": 0, "w_perceptual": 0, "w_adversarial": 0, "w_style": 0},
            "finetune: w_mse, .* must not all be 0",
        ),
    ],
)
def test_bad_params_are_refused_with_their_key(tiny, params, message):
    with pytest.raises(ConfigError, match=message):
        tiny(params=params)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "settings must be a mapping"),
        ("{}", "the key settings is needed"),
        ('{"settings": {}, "paramz": {}}', r"in\.json: .*scale|unknown key paramz"),
        ('{"settings": {"scale": 4}}', r"in\.json: pretrain needs"),
    ],
)
def test_bad_requests_are_refused_with_their_file(tmp_path, text, message):
    (tmp_path / "in.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_request(tmp_path / "in.json")


def test_threads_come_from_the_request_or_the_environment(
    tmp_path, tiny_mapping, monkeypatch
):
    request = {"settings": tiny_mapping()}
    path = tmp_path / "in.json"
    path.write_text(json.dumps(request))
    monkeypatch.delenv("COLLINEAR_THREADS", raising=False)
    assert read_request(path).threads == 1
    monkeypatch.setenv("COLLINEAR_THREADS", "3")
    assert read_request(path).threads == 3
    path.write_text(json.dumps(request | {"threads": 2}))
    assert read_request(path).threads == 2


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_settings_are_accepted(path):
    assert read_request(path).scale in (4, 8)


def test_paper_settings_are_the_authors():
    """Values of main_gan.py and main.py of alterzero/DBPN-Pytorch 6eb48ca."""
    gan = read_request(SHIPPED / "paper_gan.yaml")
    stage = gan.finetune
    weights = (stage.w_mse, stage.w_perceptual, stage.w_adversarial, stage.w_style)
    assert weights == (0.01, 0.1, 0.001, 10.0)
    assert (stage.learning_rate, stage.decay_at, stage.decay_factor) == (
        1e-4,
        (0.5,),
        0.1,
    )
    assert (stage.epochs, stage.minibatch, stage.patch, stage.ema) == (2000, 1, 60, 0)
    assert (gan.model.stages, gan.model.residual) == (10, False)
    assert (gan.model.normalisation, gan.pretrain.loss) == ("imagenet", "mse")
    psnr = read_request(SHIPPED / "paper_psnr.yaml")
    assert (psnr.scale, psnr.model.residual, psnr.model.normalisation) == (
        8,
        True,
        "none",
    )
    assert (psnr.pretrain.loss, psnr.pretrain.patch) == ("l1", 40)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"normalisation": "mean"}}, "model.normalisation must be one of"),
        ({"pretrain": {"loss": "l2"}}, "pretrain.loss must be one of mse, l1"),
        ({"pretrain": {"gram": "image"}}, "unknown key pretrain.gram"),
        ({"finetune": {"gram": "all"}}, "finetune.gram must be one of"),
        ({"finetune": {"augment": 8}}, "finetune.augment must be one of square"),
        ({"finetune": {"accumulate": 0}}, "finetune.accumulate must be at least 1"),
        (
            {"finetune": {"minibatch": 4, "accumulate": 3}},
            "finetune.minibatch must be a multiple of finetune.accumulate",
        ),
        (
            {"finetune": {"accumulate": 2, "gram": "minibatch"}},
            "finetune.gram: minibatch needs the whole minibatch",
        ),
        ({"channels_last": 1}, "channels_last must be true or false"),
        ({"compile": "fast"}, "compile must be one of none, default, graphs"),
    ],
)
def test_later_keys_are_checked_too(tiny, changes, message):
    with pytest.raises(ConfigError, match=message):
        tiny(changes)


def test_a_trial_may_set_the_shape_of_the_network(tiny):
    settings = tiny(params={"stages": 3.0, "feat": 16, "learning_rate": 1e-4})
    assert (settings.model.stages, settings.model.feat) == (3, 16)
    assert settings.finetune.learning_rate == 1e-4
    with pytest.raises(ConfigError, match=r"params\.stages must be at least 2"):
        tiny(params={"stages": 1})
    with pytest.raises(ConfigError, match=r"unknown key params\.stage"):
        tiny(params={"stage": 3})
