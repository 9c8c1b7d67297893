# The report: figures, tables and a page; also part of `snakemake --report`.
#
# REQUIRED INPUTS: results/{campaign}/estimate.json and the weights it names
# OUTPUTS: results/{campaign}/report/{*.svg,photograph.png,*.tsv,index.html}


rule report:
    input:
        estimate=RESULTS + "/estimate.json",
        photograph=get_photograph,
    output:
        history=report(
            RESULTS + "/report/history.svg",
            category="Search",
            caption="../report/history.rst",
        ),
        tradeoff=report(
            RESULTS + "/report/tradeoff.svg",
            category="Search",
            caption="../report/tradeoff.rst",
        ),
        lines=report(
            RESULTS + "/report/lines.svg",
            category="Search",
            caption="../report/lines.rst",
        ),
        jobs=report(
            RESULTS + "/report/jobs.svg",
            category="Jobs",
            caption="../report/jobs.rst",
        ),
        table=report(
            RESULTS + "/report/result.tsv",
            category="Result",
            caption="../report/result.rst",
        ),
        trials=RESULTS + "/report/trials.tsv",
        page=RESULTS + "/report/index.html",
    log:
        RESULTS + "/logs/report.log",
    threads: 1
    script:
        "../scripts/report.py"


rule photograph:
    input:
        estimate=RESULTS + "/estimate.json",
        weights=get_example_weights,
    output:
        report(
            RESULTS + "/report/photograph.png",
            category="Result",
            caption="../report/photograph.rst",
        ),
    log:
        RESULTS + "/logs/photograph.log",
    threads: campaign.threads
    script:
        "../scripts/photograph.py"
