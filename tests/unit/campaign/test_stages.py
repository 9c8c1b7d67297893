"""What a finished training leaves behind, and what is lost of it afterwards."""

import shutil

import pytest

from collinear.campaign.files import read_json
from collinear.campaign.outcome import ProgramError
from collinear.campaign.stages import Context, finetune, pretrain
from collinear.campaign.trials import TrialName

PROGRAM = """
import json, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
settings = json.loads(pathlib.Path(sys.argv[2]).read_text())["settings"]
(out / "curve.tsv").write_text("epoch")
if settings["weights"] == "folder":
    (out / "weights.pt").mkdir(exist_ok=True)
elif settings["weights"]:
    (out / "weights.pt").write_text(settings["weights"])
(out / "metrics.json").write_text('{"status": "done"}')
"""
TRIAL = TrialName("0-1", 1)


@pytest.fixture
def make_context(make_campaign, settings, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def make(weights, attempt=1):
        application = settings["application"] | {
            "pretrain": ["{python}", str(program)],
            "finetune": ["{python}", str(program)],
            "values": ["niqe", "rmse"],
            "score": ["program", "score"],
            "settings": {"weights": weights},
        }
        campaign = make_campaign(application=application)
        return Context(campaign, tmp_path / "small", tmp_path / "log", attempt)

    return make


def test_weights_that_were_lost_are_not_replaced_by_an_empty_file(make_context):
    context = make_context("numbers")
    pretrain(context)
    finetune(context, TRIAL)
    for stage, run in {
        "pretrain": lambda: pretrain(context),
        "trials/0-1/seed1": lambda: finetune(context, TRIAL),
    }.items():
        folder = context.root / stage
        assert (folder / "weights.pt").read_text() == "numbers"
        for place in (folder, folder / "work"):
            (place / "weights.pt").unlink()
        with pytest.raises(ProgramError, match=r"weights\.pt is missing.*train again"):
            run()
        assert not (folder / "weights.pt").exists()
        shutil.rmtree(folder / "work")
        run()
        assert (folder / "weights.pt").read_text() == "numbers"


def test_a_program_without_weights_has_an_empty_file_however_often(make_context):
    context = make_context("")
    for _ in range(2):
        pretrain(context)
        assert (context.root / "pretrain/weights.pt").read_text() == ""


def test_weights_that_are_a_folder_are_a_failed_trial(make_context):
    pretrain(make_context(""))
    context = make_context("folder")
    (context.root / "settings.json").unlink()
    for attempt in (1, 2, 3):
        with pytest.raises(ProgramError, match=r"weights\.pt must be a file"):
            finetune(make_context("folder", attempt), TRIAL)
    finetune(make_context("folder", 4), TRIAL)
    folder = context.root / "trials/0-1/seed1"
    assert (folder / "weights.pt").read_text() == ""
    record = read_json(folder / "metrics.json")
    assert record["status"] == "failed"
    assert "must be a file" in record["reason"]
    starts = len((folder / "work/attempts.jsonl").read_text().splitlines())
    finetune(make_context("folder", 1), TRIAL)  # a later visit starts nothing
    assert len((folder / "work/attempts.jsonl").read_text().splitlines()) == starts
    assert read_json(folder / "metrics.json") == record
