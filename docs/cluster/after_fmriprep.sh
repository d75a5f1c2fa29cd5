#!/bin/bash
# Run fMRIPrep, predict the maps of each participant after fMRIPrep of that participant, then run the group level.
#
#     bash after_fmriprep.sh
#
#SBATCH --job-name=fmriprep
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=24:00:00
#SBATCH --output=slurm_logs/%x-%A_%a.txt
set -euo pipefail

BIDS=/data
FMRIPREP=/shared/containers/fmriprep.sif
LICENSE=/shared/freesurfer/license.txt
TEMPLATES=/shared/templateflow

source ./settings.sh

if [ -z "${SLURM_ARRAY_TASK_ID:-}" ]; then
    mkdir -p "$DERIVATIVES" "$OUTPUT" slurm_logs
    list=slurm_logs/participants-$(date +%Y%m%d-%H%M%S)-$$.txt
    find -L "$BIDS" -maxdepth 1 -type d -name 'sub-*' -printf '%f\n' | sort >"$list"
    fmriprep=$(sbatch --parsable --array="1-$(wc -l <"$list")%50" "$0" "$list")
    # All three jobs are submitted, or none.
    trap 'scancel "$fmriprep" ${maps:-}' EXIT
    maps=$(LIST=$list PER_TASK=1 bash array.sh --dependency="aftercorr:$fmriprep" --kill-on-invalid-dep=yes)
    group=$(sbatch --parsable --dependency="afterok:$maps" --kill-on-invalid-dep=yes group.sh)
    trap - EXIT
    echo "fMRIPrep: job $fmriprep, maps: job $maps, group level: job $group"
    exit
fi

label=$(sed -n "${SLURM_ARRAY_TASK_ID}p" "$1")
make_work_folder
export APPTAINERENV_TEMPLATEFLOW_HOME=/templateflow
apptainer run --cleanenv --bind "$BIDS:/data:ro" --bind "$DERIVATIVES:/out" --bind "$work:/work" \
    --bind "$LICENSE:/license.txt:ro" --bind "$TEMPLATES:/templateflow" "$FMRIPREP" \
    /data /out participant --participant-label "$label" --output-spaces MNI152NLin6Asym:res-2 \
    --fs-license-file /license.txt --work-dir /work --nprocs "$SLURM_CPUS_PER_TASK"
