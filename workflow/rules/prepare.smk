# What a campaign needs before its first training, and cannot ship.
#
# REQUIRED INPUTS: none; the network
# OUTPUTS: resources/downloads/ma/model.mat, when application.scoring.ma_model names it;
#          results/{campaign}/prepare/{cost.json,batch.json}, when `prepare` asks for them


rule ma_model:
    output:
        MA_MODEL,
    log:
        "results/logs/ma_model.log",
    conda:
        "../envs/collinear.yaml"
    threads: 1
    script:
        "../scripts/ma_model.py"


# Neither is an input of a training: they change none of its numbers, and a campaign
# that switches them on later must not publish all its trials again.
rule profile:
    output:
        "results/{campaign}/prepare/cost.json",
    log:
        "results/{campaign}/logs/profile.log",
    # The first trials ask for what it predicts.
    priority: 20
    retries: by_main(2)
    conda:
        "../envs/collinear.yaml"
    threads: campaign.threads
    resources:
        gpu=1,
    params:
        name="profile",
        training=training_digest(campaign),
    script:
        "../scripts/prepare.py"


rule tune_minibatch:
    output:
        "results/{campaign}/prepare/batch.json",
    log:
        "results/{campaign}/logs/tune_minibatch.log",
    priority: 20
    retries: by_main(2)
    conda:
        "../envs/collinear.yaml"
    threads: campaign.threads
    resources:
        gpu=1,
    params:
        name="tune_minibatch",
        training=training_digest(campaign),
    script:
        "../scripts/prepare.py"
