# The one pretraining that every trial starts from; before it, where the campaign asks
# for that, a race of variants, of which the best goes on.
#
# REQUIRED INPUTS: none; Ma's model, where the scores need it
# OUTPUTS: results/{campaign}/pretrain/{weights.pt,curve.tsv,metrics.json}; with
#          pretrain_axes the same in results/{campaign}/pretrain/{design}/;
#          results/{campaign}/pretrain/race/{{variant}/race.json,choice.json}


rule pretrain_variant:
    input:
        ma_model=get_pretrain_model,
    output:
        "results/{campaign}/pretrain/race/{variant}/race.json",
    log:
        "results/{campaign}/logs/pretrain_variant/{variant}.log",
    retries: by_main(3)
    conda:
        "../envs/collinear.yaml"
    threads: campaign.threads
    resources:
        gpu=1,
        attempt=get_attempt,
    params:
        training=training_digest(campaign),
    script:
        "../scripts/pretrain_variant.py"


rule pretrain_race:
    input:
        get_variants,
    output:
        "results/{campaign}/pretrain/race/choice.json",
    log:
        "results/{campaign}/logs/pretrain_race.log",
    conda:
        "../envs/collinear.yaml"
    threads: 1
    script:
        "../scripts/pretrain_race.py"


rule pretrain:
    input:
        # Scores need it only; but without it no GPU hour should be spent. Not ancient,
        # as the only input: see the inputs of rule finetune.
        ma_model=get_pretrain_model,
        # Nothing in a campaign without a race.
        choice=get_race_choice,
    output:
        weights="results/{campaign}/pretrain/weights.pt",
        curve="results/{campaign}/pretrain/curve.tsv",
        metrics="results/{campaign}/pretrain/metrics.json",
    log:
        "results/{campaign}/logs/pretrain.log",
    retries: by_main(3)
    conda:
        "../envs/collinear.yaml"
    threads: campaign.threads
    resources:
        gpu=1,
    params:
        training=training_digest(campaign),
    script:
        "../scripts/pretrain.py"


# One for each combination of the values of `pretrain_axes` that a trial needs.
rule pretrain_design:
    input:
        ma_model=get_pretrain_model,
    output:
        weights="results/{campaign}/pretrain/{design}/weights.pt",
        curve="results/{campaign}/pretrain/{design}/curve.tsv",
        metrics="results/{campaign}/pretrain/{design}/metrics.json",
    log:
        "results/{campaign}/logs/pretrain/{design}.log",
    retries: by_main(3)
    conda:
        "../envs/collinear.yaml"
    threads: campaign.threads
    resources:
        gpu=1,
    params:
        training=training_digest(campaign),
    script:
        "../scripts/pretrain.py"
