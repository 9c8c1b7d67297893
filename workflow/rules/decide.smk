# The estimate: the best feasible setting beside the conventional one.
#
# REQUIRED INPUTS: closed lanes, the conventional setting's score
# OUTPUTS: results/{campaign}/estimate.json


checkpoint decide:
    input:
        lanes=expand(
            RESULTS + "/lanes/{lane}/closed.json",
            lane=campaign.lane_names,
            allow_missing=True,
        ),
        conventional=get_conventional_score,
    output:
        RESULTS + "/estimate.json",
    params:
        limits={limit.name: limit.maximum for limit in campaign.goal.limits},
        objective=campaign.goal.objective,
    log:
        RESULTS + "/logs/decide.log",
    threads: 1
    script:
        "../scripts/decide.py"
