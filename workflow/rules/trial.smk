# One trial: fine-tune on one GPU, then score.
#
# REQUIRED INPUTS: results/{campaign}/pretrain/weights.pt, or that of the trial's design
# OUTPUTS: results/{campaign}/trials/{point}/seed{seed}/
#          {weights.pt,curve.tsv,metrics.json,score.json}


rule finetune:
    input:
        # A copied or restored pretraining looks newer; its settings are in params.
        weights=ancient(get_pretrained("weights.pt")),
        # Judged by its content. With nothing but an ancient input, Snakemake 9.27 drops
        # all trainings when a checkpoint ends just as the pretraining does.
        pretrained=get_pretrained("metrics.json"),
    output:
        weights="results/{campaign}/trials/{point}/seed{seed}/weights.pt",
        curve="results/{campaign}/trials/{point}/seed{seed}/curve.tsv",
        metrics="results/{campaign}/trials/{point}/seed{seed}/metrics.json",
    log:
        "results/{campaign}/logs/finetune/{point}_seed{seed}.log",
    retries: by_main(3)
    conda:
        "../envs/collinear.yaml"
    threads: campaign.threads
    resources:
        gpu=1,
        attempt=get_attempt,
        # A profile's set-resources wins over these.
        runtime=get_trial_runtime,
        mem_mb=get_trial_memory,
    params:
        training=training_digest(campaign),
    script:
        "../scripts/finetune.py"


rule score:
    input:
        weights="results/{campaign}/trials/{point}/seed{seed}/weights.pt",
        metrics="results/{campaign}/trials/{point}/seed{seed}/metrics.json",
        ma_model=MA_MODEL_INPUT,
    output:
        "results/{campaign}/trials/{point}/seed{seed}/score.json",
    log:
        "results/{campaign}/logs/score/{point}_seed{seed}.log",
    # Before waiting trainings: its lane may go on as soon as the batch is scored.
    priority: 10
    retries: by_main(3)
    conda:
        "../envs/collinear.yaml"
    threads: campaign.threads
    resources:
        attempt=get_attempt,
    params:
        scoring=scoring_digest(campaign),
    script:
        "../scripts/score.py"
