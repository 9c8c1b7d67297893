# One trial: fine-tune on one GPU, then score.
#
# REQUIRED INPUTS: results/{campaign}/pretrain/weights.pt
# OUTPUTS: results/{campaign}/trials/{point}/seed{seed}/
#          {weights.pt,curve.tsv,metrics.json,score.json}


rule finetune:
    input:
        # A copied or restored pretraining looks newer; its settings are in params.
        weights=ancient(RESULTS + "/pretrain/weights.pt"),
        # Judged by its content. With nothing but an ancient input, Snakemake 9.27 drops
        # all trainings when a checkpoint ends just as the pretraining does.
        pretrained=RESULTS + "/pretrain/metrics.json",
    output:
        weights=TRIAL + "/weights.pt",
        curve=TRIAL + "/curve.tsv",
        metrics=TRIAL + "/metrics.json",
    params:
        training=training_digest(campaign),
    log:
        RESULTS + "/logs/finetune/{point}_seed{seed}.log",
    threads: campaign.threads
    retries: 3
    resources:
        gpu=1,
        attempt=get_attempt,
    script:
        "../scripts/finetune.py"


rule score:
    input:
        weights=TRIAL + "/weights.pt",
        metrics=TRIAL + "/metrics.json",
    output:
        TRIAL + "/score.json",
    params:
        scoring=scoring_digest(campaign),
    log:
        RESULTS + "/logs/score/{point}_seed{seed}.log",
    threads: campaign.threads
    retries: 3
    resources:
        attempt=get_attempt,
    script:
        "../scripts/score.py"
