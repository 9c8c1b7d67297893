# The search: ask for candidates, tell their results, lane by lane.
#
# REQUIRED INPUTS: results/{campaign}/trials/{point}/seed{seed}/score.json
# OUTPUTS: results/{campaign}/lanes/{lane}/{step}/{candidates.tsv,update.json},
#          results/{campaign}/lanes/{lane}/closed.json


checkpoint candidates:
    input:
        get_ask_inputs,
    output:
        RESULTS + "/lanes/{lane}/{step}/candidates.tsv",
    params:
        search=get_ask_key,
    log:
        RESULTS + "/logs/candidates/{lane}-{step}.log",
    threads: 1
    script:
        "../scripts/candidates.py"


rule update:
    input:
        get_batch_inputs,
    output:
        RESULTS + "/lanes/{lane}/{step}/update.json",
    log:
        RESULTS + "/logs/update/{lane}-{step}.log",
    threads: 1
    script:
        "../scripts/update.py"


rule close_lane:
    input:
        # Named, so that the first dry run shows the first batch.
        first=RESULTS + "/lanes/{lane}/0/update.json",
        steps=get_lane_inputs,
    output:
        RESULTS + "/lanes/{lane}/closed.json",
    log:
        RESULTS + "/logs/close_lane/{lane}.log",
    threads: 1
    script:
        "../scripts/close_lane.py"
