# Paths and options. All scripts of this folder read this file, in the folder from which they are submitted.

IMAGE=/shared/containers/bids_deeptaskgen.sif
DERIVATIVES=/data/derivatives/fmriprep
OUTPUT=/data/derivatives/deeptaskgen
# Folder of the model; compute nodes need no internet.
MODEL=/shared/deeptaskgen/models/hcp-ya
# Options of the program, the same for all participants: --omp-nthreads changes the last digits of the maps.
OPTIONS=(--omp-nthreads 4)
# If several users of a group share OUTPUT, remove the # of the next line.
# umask 0002
# Local disk of a compute node. Connectomes wait there: 47 MB for each window of each participant of a task.
SCRATCH=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}

APPTAINER=(apptainer exec --containall --cleanenv --no-home
    --bind "$DERIVATIVES:/data:ro" --bind "$OUTPUT:/out" --bind "$MODEL:/model:ro")

# The program takes its number of CPUs, its memory and its GPU from these variables, which --cleanenv removes.
for name in SLURM_{JOB_ID,CPUS_PER_TASK,CPUS_ON_NODE,MEM_PER_NODE,MEM_PER_CPU,JOB_GPUS} CUDA_VISIBLE_DEVICES; do
    if [ -n "${!name:-}" ]; then export "APPTAINERENV_$name=${!name}"; else unset "APPTAINERENV_$name"; fi
done

# Create a work folder, which is removed at the end. /tmp of the container has only 64 MB.
make_work_folder() {
    remove_old_folders
    work=$(mktemp -d "$SCRATCH/deeptaskgen.${SLURM_CLUSTER_NAME:-cluster}.${SLURM_JOB_ID:-0}.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    APPTAINER+=(--bind "$work:/work")
}

# Remove your work folders of tasks that were killed, for which the trap did not run. The folders are listed first:
# the queue then has the jobs of all that are in use.
remove_old_folders() {
    local folder job jobs folders=("$SCRATCH/deeptaskgen.${SLURM_CLUSTER_NAME:-cluster}".[1-9]*.*)
    jobs=$(squeue --noheader --states=all --format=%A --user="$(id -un)" 2>/dev/null) && [ -n "$jobs" ] || return 0
    for folder in "${folders[@]}"; do
        job=${folder%.*} && job=${job##*.}
        if [ -d "$folder" ] && [ -O "$folder" ] && ! grep -qx "$job" <<<"$jobs"; then rm -rf "$folder"; fi
    done
}
