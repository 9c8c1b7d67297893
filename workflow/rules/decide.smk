# The estimate: the best feasible setting beside the conventional one.
#
# REQUIRED INPUTS: closed lanes and finals, the conventional setting's score
# OUTPUTS: results/{campaign}/estimate.json


checkpoint decide:
    input:
        lanes=get_ends,
        conventional=get_conventional_score,
    output:
        "results/{campaign}/estimate.json",
    log:
        "results/{campaign}/logs/decide.log",
    conda:
        "../envs/collinear.yaml"
    threads: 1
    params:
        limits={limit.name: limit.maximum for limit in campaign.goal.limits},
        objective=campaign.goal.objective,
        maximise=not campaign.goal.lower_is_better,
        conventional=campaign.conventional,
    script:
        "../scripts/decide.py"
