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
made="made up, same format"
for pattern in 1 2; do
    test -e "$out/pattern$pattern.json" && continue
    # ResNet50 takes ten times as long an image: its sweep is shorter.
    sweep=$((pattern == 1 ? 500 : 150))
    $python run.py --pattern $pattern --data "$data/cifar" --label "$made" --divisor 16 \
        --updates 3 --sweep $sweep --out "$out"
done
for pattern in 3 4; do
    test -e "$out/pattern$pattern.json" && continue
    $python run.py --pattern $pattern --data "$data/imagenet" --label "$made" --divisor 16 \
        --updates 2 --largest 64 --sweep 50 --timeline 16 --out "$out"
done
test -e "$out/pattern5.json" || $python run.py --pattern 5 --data ../../config/demo.yaml --label "config/demo.yaml" \
    --updates 2 --largest 32 --sweep 30 --out "$out"
$python run.py --simulate --out "$out"
$python report.py "$out"
