#!/usr/bin/env bash
# Starts a one-node Slurm with pretended GPUs on this machine, for the tests: no
# systemd. Needs root, and Debian's packages (installed when missing).
# Safe to run twice. Never run it on a machine that belongs to a real cluster.
#
# Variables: SLURM_GPUS (50), SLURM_CPUS (128), SLURM_STATE (/var/tmp/collinear-slurm),
# SLURM_ACCOUNTING (0; 1 starts MariaDB and slurmdbd, so that sacct answers),
# SLURM_CONF (/etc/slurm/slurm.conf) and SLURM_PORT (6817) for a second one beside it.
set -euo pipefail

gpus=${SLURM_GPUS:-50}
cpus=${SLURM_CPUS:-128}
state=${SLURM_STATE:-/var/tmp/collinear-slurm}
host=$(hostname -s)
name=pretended
accounting=${SLURM_ACCOUNTING:-0}
conf=${SLURM_CONF:-/etc/slurm/slurm.conf}
port=${SLURM_PORT:-6817}

if [ "$(id -u)" != 0 ]; then
    echo "slurm-up.sh needs root (device files, the daemons)" >&2
    exit 1
fi
if command -v scontrol > /dev/null && scontrol ping > /dev/null 2>&1; then
    config=$(scontrol show config)
    if grep -Eq "^ClusterName *= *$name *$" <<< "$config"; then
        echo "a pretended Slurm is running"
        exit 0
    fi
    echo "a real Slurm answers here; it is left alone" >&2
    exit 1
fi
if [ -e "$conf" ] && ! grep -Eq "^ClusterName=$name$" "$conf"; then
    echo "$conf is another cluster's; it is left alone" >&2
    exit 1
fi
if ! command -v slurmctld > /dev/null || ! command -v munged > /dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        slurm-wlm slurm-client munge > /dev/null
fi

if [ "$accounting" = 1 ] && ! command -v slurmdbd > /dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        slurmdbd mariadb-server > /dev/null
fi

mkdir -p "$(dirname "$conf")" "$state"/{ctld,d,log,dev}
# One device file a GPU, numbered; with a plain count the node is refused.
for i in $(seq 0 $((gpus - 1))); do
    [ -c "$state/dev/nvidia$i" ] || mknod "$state/dev/nvidia$i" c 1 3
done
cat > "$(dirname "$conf")/gres.conf" << CONF
NodeName=$host Name=gpu Flags=nvidia_gpu_env File=$state/dev/nvidia[0-$((gpus - 1))]
CONF
storage=accounting_storage/none
[ "$accounting" = 1 ] && storage=accounting_storage/slurmdbd
cat > "$conf" << CONF
ClusterName=$name
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
# A requeued job waits as long as its credential lives: 120 s when not said.
AuthInfo=cred_expire=5
StateSaveLocation=$state/ctld
SlurmdSpoolDir=$state/d
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/log/slurmctld.log
SlurmdLogFile=$state/log/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=$storage
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 2))
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
GresTypes=gpu
MpiDefault=none
ReturnToService=2
KillWait=5
# Snakemake asks squeue after the end of a job, so ended jobs must be remembered.
MinJobAge=300
MaxJobCount=20000
SlurmctldTimeout=60
SlurmdTimeout=60
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=1000000 Gres=gpu:$gpus State=UNKNOWN
PartitionName=cx-share Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF

if ! munge -n 2> /dev/null | unmunge > /dev/null 2>&1; then
    mkdir -p /etc/munge /run/munge /var/lib/munge /var/log/munge
    [ -s /etc/munge/munge.key ] \
        || dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none
    chown munge: /etc/munge /etc/munge/munge.key /run/munge /var/lib/munge /var/log/munge
    chmod 400 /etc/munge/munge.key
    chmod 755 /run/munge
    setpriv --reuid munge --regid munge --clear-groups munged
fi
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2> /dev/null; }
# The accounts of jobs: a database of this cluster alone, slurmdbd before it.
start_accounting() {
    local db=$state/db socket=$state/db.sock
    if ! alive "$state/db.pid"; then
        [ -d "$db/mysql" ] || mariadb-install-db --no-defaults --user=root \
            --datadir="$db" --auth-root-authentication-method=normal > /dev/null
        setsid mariadbd --no-defaults --user=root --datadir="$db" --socket="$socket" \
            --pid-file="$state/db.pid" --skip-networking > "$state/log/db.log" 2>&1 &
        for _ in $(seq 60); do
            mariadb-admin --no-defaults --socket="$socket" ping > /dev/null 2>&1 && break
            sleep 0.5
        done
    fi
    mariadb --no-defaults --socket="$socket" \
        -e 'create database if not exists slurm_acct_db'
    cat > "$(dirname "$conf")/slurmdbd.conf" << CONF
AuthType=auth/munge
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=$((port + 2))
SlurmUser=root
LogFile=$state/log/slurmdbd.log
PidFile=$state/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
CONF
    chmod 600 "$(dirname "$conf")/slurmdbd.conf"
    alive "$state/slurmdbd.pid" || MYSQL_UNIX_PORT=$socket slurmdbd
    for _ in $(seq 30); do
        timeout 5 sacctmgr -n list cluster > /dev/null 2>&1 && break
        sleep 0.5
    done
    if ! alive "$state/slurmdbd.pid"; then
        tail -n 5 "$state/log/slurmdbd.log" >&2
        exit 1
    fi
    timeout 20 sacctmgr -i add cluster "$name" > /dev/null 2>&1 || true
}
[ "$accounting" = 1 ] && start_accounting
alive "$state/slurmctld.pid" || slurmctld
alive "$state/slurmd.pid" || slurmd -N "$host"

for _ in $(seq 60); do
    case "$(sinfo -h -o %T 2> /dev/null)" in
        idle | mixed | allocated)
            sinfo -o '%n %T %c %m %G'
            exit 0
            ;;
        *down* | *drain* | *unk*)
            scontrol update "NodeName=$host" State=RESUME 2> /dev/null || true
            ;;
    esac
    sleep 0.5
done
echo "Slurm did not become ready:" >&2
tail -n 20 "$state/log/slurmctld.log" >&2
exit 1
