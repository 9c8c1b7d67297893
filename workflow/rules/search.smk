# The search: ask for candidates, tell their results, lane by lane; then the finals, a
# lane of the same kind.
#
# REQUIRED INPUTS: results/{campaign}/trials/{point}/seed{seed}/score.json
# OUTPUTS: results/{campaign}/lanes/{lane}/{step}/{candidates.tsv,update.json},
#          results/{campaign}/lanes/{lane}/closed.json


checkpoint candidates:
    input:
        get_ask_inputs,
    output:
        "results/{campaign}/lanes/{lane}/{step}/candidates.tsv",
    log:
        "results/{campaign}/logs/candidates/{lane}-{step}.log",
    conda:
        "../envs/collinear.yaml"
    threads: 1
    params:
        search=get_ask_key,
    script:
        "../scripts/candidates.py"


rule update:
    input:
        get_batch_inputs,
    output:
        "results/{campaign}/lanes/{lane}/{step}/update.json",
    log:
        "results/{campaign}/logs/update/{lane}-{step}.log",
    conda:
        "../envs/collinear.yaml"
    threads: 1
    script:
        "../scripts/update.py"


rule close_lane:
    input:
        first=get_first_update,
        steps=get_lane_inputs,
    output:
        "results/{campaign}/lanes/{lane}/closed.json",
    log:
        "results/{campaign}/logs/close_lane/{lane}.log",
    conda:
        "../envs/collinear.yaml"
    threads: 1
    script:
        "../scripts/close_lane.py"
