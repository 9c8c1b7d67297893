# The one pretraining that every trial starts from.
#
# REQUIRED INPUTS: none; Ma's model, where the scores need it
# OUTPUTS: results/{campaign}/pretrain/{weights.pt,curve.tsv,metrics.json}


rule pretrain:
    input:
        # Scores need it only; but without it no GPU hour should be spent. Not ancient,
        # as the only input: see the inputs of rule finetune.
        ma_model=get_pretrain_model,
    output:
        weights="results/{campaign}/pretrain/weights.pt",
        curve="results/{campaign}/pretrain/curve.tsv",
        metrics="results/{campaign}/pretrain/metrics.json",
    log:
        "results/{campaign}/logs/pretrain.log",
    retries: 3
    conda:
        "../envs/collinear.yaml"
    threads: campaign.threads
    resources:
        gpu=1,
    params:
        training=training_digest(campaign),
    script:
        "../scripts/pretrain.py"
