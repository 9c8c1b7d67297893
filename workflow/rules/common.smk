# Helpers of all rules: the checked campaign and the input functions.
#
# REQUIRED INPUTS: config (checked here against workflow/schemas/config.schema.yaml)
# OUTPUTS: the objects `campaign` and `ROOT`, functions named get_...
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.scheduling.job_scheduler import JobScheduler

from collinear.campaign.designs import design_of, pretrain_folder
from collinear.campaign.digests import TRAIN_RECIPE, scoring_digest, training_digest
from collinear.campaign.files import read_json
from collinear.campaign.journal import FINALS, Step
from collinear.campaign.decide import example_weights
from collinear.campaign.prepare import PRODUCTS, trial_need
from collinear.campaign.schema import ConfigError, load_schema
from collinear.campaign.start import (
    check_application,
    check_commands,
    check_data,
    check_journal,
    check_recorded,
    heed_sigterm,
    hold_campaign,
    open_campaign,
)
from collinear.campaign.steps import (
    candidates_key,
    first_trials,
    lanes_of,
    told_trials,
)
from collinear.campaign.trials import TrialName, conventional_trial, read_candidates
from collinear.quality.fetch_model import DOWNLOADED

heed_sigterm(JobScheduler)  # here: a job on a node runs no hooks
try:
    campaign = open_campaign(
        config,
        load_schema(Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"),
        Path("results"),
    )
    ROOT = Path("results") / campaign.name
    if workflow.is_main_process:
        check_journal(ROOT)
        check_recorded(campaign, ROOT)
        application = campaign.application
        check_application(campaign, application.check, init=application.init)
except ConfigError as error:
    raise WorkflowError(str(error)) from None


# Ma's model, where the campaign asks for the place that rule ma_model fills. Not
# ancient: see the inputs of rule finetune.
MA_MODEL = DOWNLOADED.as_posix()
MA_MODEL_INPUT = (
    [MA_MODEL] if campaign.application.scoring.get("ma_model") == MA_MODEL else []
)


# Tables that a report has when one value has several limits.
LIMIT_TABLES = (
    {name: f"results/{{campaign}}/report/{name}.tsv" for name in ("limits", "front")}
    if campaign.goal.swept is not None
    else {}
)


wildcard_constraints:
    campaign=campaign.name,
    lane=rf"lane\d+|{FINALS}",
    step=r"\d+",
    point=r"\d+(-\d+)*|conventional",
    seed=r"\d+",
    design=r"\d+(-\d+)*|conventional",
    variant=r"[A-Za-z0-9][A-Za-z0-9_-]*",


def by_main(retries):
    """Retries of a rule, all of them by Snakemake's main process.

    The Snakemake of a job reads the rules as well and would start a failed program
    again itself, in the same job: with no more time or memory than had failed.
    """
    return retries if workflow.is_main_process else 0


def begin():
    """Before the first job of a start: one Snakemake a campaign; the data are checked."""
    # Snakemake's limit of 100 job starts a second renews a timer for every event that
    # comes while jobs wait for a slot: after some hundred of them the main process is
    # busy with little else. The slots are limit enough.
    workflow.scheduler.job_rate_limiter = None
    try:
        hold_campaign(ROOT)
        # A program of the nodes of a cluster need not be on this one.
        if not workflow.non_local_exec:
            check_commands(campaign)
        check_data(campaign, ROOT)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def closing_words():
    """What to look at, or that the campaign is not at its end (--until, say)."""
    index = ROOT / "report" / "index.html"
    if index.exists():
        return f"Report: {index}"
    return f"{campaign.name} is not finished; the same command continues it."


def get_pretrain_model(wildcards):
    """Ma's model for the pretraining, as the campaign was started.

    A model that is added later concerns the scores alone; as a new input it would have
    every training published again.
    """
    begun = [ROOT / "pretrain/work/settings.json"]
    begun += sorted((ROOT / "pretrain").glob("*/work/settings.json"))
    begun += sorted((ROOT / "pretrain/race").glob("*/work/settings.json"))
    for started in begun:
        if started.exists():
            asked = read_json(started)["scoring"].get("ma_model") == MA_MODEL
            return MA_MODEL if asked else []
    return MA_MODEL if MA_MODEL_INPUT else []


def get_variants(wildcards):
    """What the variants of the pretraining have shown."""
    race = campaign.pretrain_race
    return [
        f"results/{wildcards.campaign}/pretrain/race/{name}/race.json"
        for name in (race.names if race is not None else ())
    ]


def get_race_choice(wildcards):
    """The choice that the pretraining waits for, where the campaign races."""
    if campaign.pretrain_race is None:
        return []
    return f"results/{wildcards.campaign}/pretrain/race/choice.json"


def get_pretrained(file):
    """A file of the pretraining that a trial starts from."""

    def get(wildcards):
        name = TrialName(wildcards.point, int(wildcards.seed))
        return str(pretrain_folder(ROOT, design_of(campaign, name)) / file)

    return get


def get_attempt(wildcards, attempt):
    return attempt


def get_trial_runtime(wildcards, attempt):
    """Minutes: predicted, when the profile is ready before the trial is started."""
    name = TrialName(wildcards.point, int(wildcards.seed))
    return trial_need(campaign, ROOT, name, attempt).minutes


def get_trial_memory(wildcards, attempt):
    """MB, likewise."""
    name = TrialName(wildcards.point, int(wildcards.seed))
    return trial_need(campaign, ROOT, name, attempt).memory


def get_prepared(wildcards):
    """Files of the measurements that `prepare` asks for."""
    return [
        f"results/{campaign.name}/prepare/{file}"
        for name, file in PRODUCTS.items()
        if getattr(campaign.prepare, name)
    ]


def get_score_paths(names):
    """Score files of trials given by name."""
    return [
        f"results/{campaign.name}/trials/{n.point}/seed{n.seed}/score.json"
        for n in names
    ]


def get_table(lane, step):
    """The candidates of a step, once its checkpoint has run."""
    table = checkpoints.candidates.get(
        campaign=campaign.name, lane=lane, step=str(step)
    )
    return read_candidates(table.output[0])


def get_ask_inputs(wildcards):
    """A step waits for the update before it in its own lane; finals for all lanes."""
    step = int(wildcards.step)
    ended = get_closed_lanes(wildcards) if wildcards.lane == FINALS else []
    if step == 0:
        return ended
    folder = f"results/{wildcards.campaign}/lanes/{wildcards.lane}"
    return [*ended, f"{folder}/{step - 1}/update.json"]


def get_closed_lanes(wildcards):
    """The ends of all lanes of the search."""
    return expand(
        "results/{campaign}/lanes/{lane}/closed.json",
        campaign=campaign.name,
        lane=lanes_of(campaign, ROOT),
    )


def get_ends(wildcards):
    """What the decision waits for: the end of the finals, or else of all lanes."""
    ended = get_closed_lanes(wildcards)
    if campaign.finals is not None:
        ended.append(f"results/{campaign.name}/lanes/{FINALS}/closed.json")
    return ended


def get_ask_key(wildcards):
    """Changes for a lane that is over, when budget or strategy change."""
    return candidates_key(campaign, ROOT, Step(wildcards.lane, int(wildcards.step)))


def get_batch_inputs(wildcards):
    """Scores of a step, and its table where the scores are read from it.

    Step 0 follows from the config: the first -n shows it, and its update does not hang
    on the checkpoint. (When a checkpoint ends, Snakemake replaces the jobs that depend
    on it and drops, even while they run, those that nothing else needs.)
    """
    names = None
    if wildcards.step == "0" and wildcards.lane != FINALS:
        names = first_trials(campaign, ROOT, wildcards.lane)
    if names is not None:
        return get_score_paths(names)
    table = f"results/{campaign.name}/lanes/{wildcards.lane}/{wildcards.step}/candidates.tsv"
    return [table, *get_score_paths(get_table(wildcards.lane, wildcards.step))]


def get_first_update(wildcards):
    """Named, so that the first dry run shows the first batch; finals may have none."""
    if wildcards.lane == FINALS:
        return []
    return f"results/{wildcards.campaign}/lanes/{wildcards.lane}/0/update.json"


def get_lane_inputs(wildcards):
    """Walks one lane to its empty table; a missing table concerns this lane only."""
    updates, names = [], []
    while batch := get_table(wildcards.lane, len(updates)):
        step = len(updates)
        updates.append(
            f"results/{campaign.name}/lanes/{wildcards.lane}/{step}/update.json"
        )
        names += batch
    return [*updates, *get_score_paths(names)]


def get_told_scores(wildcards):
    """Scores of all trials told so far.

    Nothing else asks for them once a lane is closed, so that a score which is deleted
    afterwards would not come back.
    """
    return get_score_paths(told_trials(ROOT))


def get_conventional_score(wildcards):
    """Score of the conventional setting, when the campaign has one."""
    name = conventional_trial(campaign)
    return get_score_paths([name] if name else [])


def get_first_updates(wildcards):
    """What must not hang on a checkpoint alone: see get_batch_inputs."""
    return expand(
        "results/{campaign}/lanes/{lane}/0/update.json",
        campaign=campaign.name,
        lane=lanes_of(campaign, ROOT),
    )


def get_photograph(wildcards):
    """The photograph, where the application draws one."""
    if campaign.application.illustrate is None:
        return []
    return f"results/{campaign.name}/report/photograph.png"


def get_example_weights(wildcards):
    """Weights that the report compares, once the decision has named them."""
    estimate = checkpoints.decide.get(campaign=campaign.name).output[0]
    weights = example_weights(campaign, ROOT, read_json(Path(estimate)))
    return [str(path) for path in weights.values()]
