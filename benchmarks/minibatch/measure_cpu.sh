#!/usr/bin/env bash
# What README.md shows as measured: narrow networks, one CPU thread, files of the same
# formats made up here.  usage: measure_cpu.sh OUT
set -euo pipefail
cd "$(dirname "$0")"
out=$1
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
python=${PYTHON:-python}
export OMP_NUM_THREADS=1 PYTHONPATH=../../src
$python make_data.py "$data"
small="--label made-up-in-the-same-format --divisor 16"
measure() { # pattern, data, options
    local pattern=$1 folder=$2
    shift 2
    test -e "$out/pattern$pattern.json" ||
        $python run.py --pattern "$pattern" --data "$folder" --out "$out" "$@"
    $python run.py --compare --pattern "$pattern" --data "$folder" --out "$out" "$@"
}
measure 1 "$data/cifar" $small --updates 5
measure 2 "$data/cifar" $small --updates 3 --sweep 150
measure 3 "$data/imagenet" $small --updates 2 --largest 64 --sweep 50 --timeline 16
measure 4 "$data/imagenet" $small --updates 2 --largest 64 --sweep 50 --timeline 16
measure 5 ../../config/demo.yaml --updates 2 --largest 32 --sweep 30
$python run.py --simulate --out "$out"
$python report.py "$out"
