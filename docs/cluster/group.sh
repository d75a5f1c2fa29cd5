#!/bin/bash
# Group level, once all participants are finished.
#
#     sbatch --dependency=afterok:JOB group.sh    JOB: number that array.sh printed
#
#SBATCH --job-name=deeptaskgen-group
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --output=slurm_logs/%x-%j.txt
set -euo pipefail

source ./settings.sh
make_work_folder
"${APPTAINER[@]}" "$IMAGE" bids-deeptaskgen /data /out group --work-dir /work
