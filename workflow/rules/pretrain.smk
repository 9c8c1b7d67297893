# The one pretraining that every trial starts from.
#
# REQUIRED INPUTS: none
# OUTPUTS: results/{campaign}/pretrain/{weights.pt,curve.tsv,metrics.json}


rule pretrain:
    output:
        weights=RESULTS + "/pretrain/weights.pt",
        curve=RESULTS + "/pretrain/curve.tsv",
        metrics=RESULTS + "/pretrain/metrics.json",
    params:
        training=training_digest(campaign),
    log:
        RESULTS + "/logs/pretrain.log",
    threads: campaign.threads
    retries: 3
    resources:
        gpu=1,
    script:
        "../scripts/pretrain.py"
