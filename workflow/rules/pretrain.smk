# The one pretraining that every trial starts from.
#
# REQUIRED INPUTS: none
# OUTPUTS: results/{campaign}/pretrain/{weights.pt,curve.tsv,metrics.json}


rule pretrain:
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
