# A tuning campaign: pretrain once, then candidates -> finetune -> score -> update, in
# lanes, until the search ends; then the finals, the decision and the report.
#
#   snakemake --profile profiles/local --configfile config/demo.yaml
#
# docs/campaign.md explains the files, config/README.md every key.
from snakemake.utils import min_version

min_version("9.27")


# Without this test, --configfile would be merged into the demo's settings.
if "campaign" not in config:

    configfile: "config/demo.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/trial.smk"
include: "workflow/rules/decide.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    ma_model,
    pretrain_race,
    candidates,
    update,
    close_lane,
    decide,
    report,


rule all:
    default_target: True
    input:
        expand("results/{campaign}/report/index.html", campaign=campaign.name),
        get_first_updates,
        get_told_scores,
        get_conventional_score,
        get_prepared,


onstart:
    begin()


onsuccess:
    print(closing_words())
