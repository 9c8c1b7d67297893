# What a campaign needs before its first training, and cannot ship.
#
# REQUIRED INPUTS: none; the network
# OUTPUTS: resources/downloads/ma/model.mat, when application.scoring.ma_model names it


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
