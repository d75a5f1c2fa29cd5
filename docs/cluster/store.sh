#!/bin/bash
# Pack the maps of all participants into a cohort store; every task writes a part of its files.
#
#     sbatch --array=1-4 store.sh
#
#SBATCH --job-name=deeptaskgen-store
#SBATCH --mem=2G
#SBATCH --time=02:00:00
#SBATCH --output=slurm_logs/%x-%A_%a.txt
set -euo pipefail

STORE=/data/derivatives/deeptaskgen.zarr

source ./settings.sh
mkdir -p "$STORE"
"${APPTAINER[@]}" --bind "$STORE:/store" "$IMAGE" \
    deeptaskgen store pack /out /store --task "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
