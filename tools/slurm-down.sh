#!/usr/bin/env bash
# Stops what slurm-up.sh started, and cancels its jobs first. --purge drops its state.
set -u
state=${SLURM_STATE:-/var/tmp/collinear-slurm}
pids=("$state/slurmd.pid" "$state/slurmctld.pid")
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2> /dev/null; }

if alive "$state/slurmctld.pid"; then
    scancel --user="$(id -un)" 2> /dev/null
    pids+=(/run/munge/munged.pid)
fi
for file in "${pids[@]}"; do
    if alive "$file"; then kill "$(cat "$file")"; fi
done
for _ in $(seq 40); do
    up=0
    for file in "${pids[@]}"; do
        if alive "$file"; then up=1; fi
    done
    [ $up = 0 ] && break
    sleep 0.25
done
if [ "${1:-}" = --purge ]; then rm -rf "$state"; fi
exit 0
