#!/bin/bash
# g2l launch or g2l pipeline as a SLURM job that goes on by itself after its time limit. From the repository's folder,
# with its environment active:
#
#   sbatch --time=12:00:00 --gpus=1 --cpus-per-task=8 experiments/slurm.sh pipeline --dataset 50salads --split all
#   sbatch --time=12:00:00 --gpus=1 --cpus-per-task=8 experiments/slurm.sh launch experiments/50salads_global.yml
#
# sbatch's own options override those below.
#
#SBATCH --job-name=g2l
#SBATCH --nodes=1
#SBATCH --output=slurm-%j.out
#SBATCH --open-mode=append
#SBATCH --requeue
# Two minutes before the time limit, to this script alone. Not TERM, which is what scancel and preemption send: a
# cancelled job must not come back, and a preempted one is requeued by SLURM.
#SBATCH --signal=B:USR1@120

MOST_RESTARTS=100   # of a job whose time limit is too short to get anywhere

: "${SLURM_JOB_ID:?start this script with sbatch}"
command=("$@")

# A resumed pipeline knows its experiments; launch would start another.
if [[ ${1-} = launch ]]; then
    id_file=slurm-$SLURM_JOB_ID.experiment
    (( ${SLURM_RESTART_COUNT:-0} )) || rm -f "$id_file"   # of a former job: a cluster that is set up anew counts from 1
    command+=(--id-file "$id_file")
fi

# Several nodes: NNI's manager runs on the first one, and reaches all of them over ssh. A restart may be on other nodes.
if (( SLURM_JOB_NUM_NODES > 1 )); then
    machines=slurm-$SLURM_JOB_ID.machines.yml
    hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST") || exit
    entry='- host: %s\n  sharedFiles: true\n'
    gpus=${SLURM_GPUS_ON_NODE:-0}   # of this node; with --gpus-per-node, the others have as many
    if (( gpus > 0 )); then
        entry+="  gpuIndices: $(seq -s , 0 $(( gpus - 1 )))\n"
    fi
    { echo machineList:; printf -- "$entry" $hosts; } > "$machines" || exit
    command+=(--machines "$machines")
fi

g2l "${command[@]}" &
g2l=$!
stop() { kill -TERM "$g2l" 2> /dev/null; }   # stops its experiment in order
at_time_limit=
trap 'at_time_limit=yes; stop' USR1
trap stop TERM
while kill -0 "$g2l" 2> /dev/null; do
    wait "$g2l"   # until it ends, or a signal comes
done
wait "$g2l"
code=$?

# 130 and 143: it was stopped, and has not just come to its end, good or bad.
if [[ -z $at_time_limit || ( $code != 130 && $code != 143 ) ]]; then
    exit "$code"
fi
if (( ${SLURM_RESTART_COUNT:-0} >= MOST_RESTARTS )); then
    echo "slurm.sh: restarted $SLURM_RESTART_COUNT times; not once more" >&2
    exit 1
fi
trap '' TERM   # which SLURM sends the job, scontrol included, as soon as it is requeued
echo "slurm.sh: time limit; requeues job $SLURM_JOB_ID, which goes on when it starts again"
if ! scontrol requeue "$SLURM_JOB_ID"; then
    echo "slurm.sh: SLURM does not requeue job $SLURM_JOB_ID; to go on: scontrol requeue $SLURM_JOB_ID" >&2
    exit 1
fi
