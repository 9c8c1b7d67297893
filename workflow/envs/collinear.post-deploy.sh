#!/usr/bin/env bash
# Installs the library of this checkout; run by Snakemake in the folder of the Snakefile.
set -euo pipefail
python -m pip install --constraint constraints.txt torch
python -m pip install --constraint constraints.txt --editable .
