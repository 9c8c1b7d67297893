#!/usr/bin/env bash
# Stops what slurm-up.sh started, and cancels its jobs first. --purge drops its state.
set -u
state=${SLURM_STATE:-/var/tmp/collinear-slurm}
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2> /dev/null; }
# Ends the processes of pid files and waits for them.
stop() {
    for file in "$@"; do
        if alive "$file"; then kill "$(cat "$file")"; fi
    done
    for _ in $(seq 40); do
        up=0
        for file in "$@"; do
            if alive "$file"; then up=1; fi
        done
        [ $up = 0 ] && break
        sleep 0.25
    done
}

if alive "$state/slurmctld.pid"; then
    scancel --user="$(id -un)" 2> /dev/null
    started=1
fi
stop "$state/slurmd.pid" "$state/slurmctld.pid"
stop "$state/slurmdbd.pid" "$state/db.pid"
# munged serves every cluster of the machine.
if [ "${started:-0}" = 1 ] && ! pgrep -x slurmctld > /dev/null; then
    stop /run/munge/munged.pid
fi
if [ "${1:-}" = --purge ]; then rm -rf "$state"; fi
exit 0
