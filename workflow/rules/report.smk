# The report: figures, tables and a page; also part of `snakemake --report`.
#
# REQUIRED INPUTS: results/{campaign}/estimate.json and the weights it names
# OUTPUTS: results/{campaign}/report/{*.svg,photograph.png,*.tsv,index.html}


# The figure and the table of the finals, where the campaign has them.
FINALS_OUTPUTS = (
    {
        "finals": report(
            "results/{campaign}/report/finals.svg",
            category="Result",
            caption="../report/finals.rst",
        ),
        "finals_table": "results/{campaign}/report/finals.tsv",
    }
    if campaign.finals is not None
    else {}
)


# What trials took against what was predicted, where the campaign predicts it.
COST_OUTPUTS = (
    {
        "costs": report(
            "results/{campaign}/report/costs.svg",
            category="Jobs",
            caption="../report/costs.rst",
        )
    }
    if campaign.prepare.profile
    else {}
)


# The trials that were found hopeless, where the campaign stops such.
STOPPING_OUTPUTS = (
    {"stopping": "results/{campaign}/report/stopping.tsv"}
    if campaign.stopping is not None
    else {}
)


# The race of pretrainings, where the campaign has one.
RACE_OUTPUTS = (
    {
        "race": report(
            "results/{campaign}/report/race.svg",
            category="Jobs",
            caption="../report/race.rst",
        ),
        "race_table": "results/{campaign}/report/race.tsv",
    }
    if campaign.pretrain_race is not None
    else {}
)


# Speed against quality, where trials have different networks.
SPEED_OUTPUTS = (
    {
        "speed": report(
            "results/{campaign}/report/speed_front.svg",
            category="Result",
            caption="../report/speed_front.rst",
        ),
        "speed_table": "results/{campaign}/report/speed_front.tsv",
    }
    if campaign.pretrain_axes
    else {}
)


rule report:
    input:
        estimate="results/{campaign}/estimate.json",
        photograph=get_photograph,
        prepared=get_prepared,
    output:
        **LIMIT_TABLES,
        **FINALS_OUTPUTS,
        **COST_OUTPUTS,
        **STOPPING_OUTPUTS,
        **RACE_OUTPUTS,
        **SPEED_OUTPUTS,
        history=report(
            "results/{campaign}/report/history.svg",
            category="Search",
            caption="../report/history.rst",
        ),
        tradeoff=report(
            "results/{campaign}/report/tradeoff.svg",
            category="Search",
            caption="../report/tradeoff.rst",
        ),
        lines=report(
            "results/{campaign}/report/lines.svg",
            category="Search",
            caption="../report/lines.rst",
        ),
        jobs=report(
            "results/{campaign}/report/jobs.svg",
            category="Jobs",
            caption="../report/jobs.rst",
        ),
        table=report(
            "results/{campaign}/report/result.tsv",
            category="Result",
            caption="../report/result.rst",
        ),
        trials="results/{campaign}/report/trials.tsv",
        page="results/{campaign}/report/index.html",
    log:
        "results/{campaign}/logs/report.log",
    conda:
        "../envs/collinear.yaml"
    threads: 1
    params:
        documented=campaign.documented_result,
    script:
        "../scripts/report.py"


rule photograph:
    input:
        estimate="results/{campaign}/estimate.json",
        weights=get_example_weights,
    output:
        report(
            "results/{campaign}/report/photograph.png",
            category="Result",
            caption="../report/photograph.rst",
        ),
    log:
        "results/{campaign}/logs/photograph.log",
    conda:
        "../envs/collinear.yaml"
    threads: campaign.threads
    script:
        "../scripts/photograph.py"
