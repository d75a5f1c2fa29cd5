#!/bin/bash
# Predict the maps of all participants with usable data that are not finished: an array of jobs.
#
#     bash array.sh [OPTIONS OF SBATCH]       prints the number of the job
#
#SBATCH --job-name=deeptaskgen
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm_logs/%x-%A_%a.txt
set -euo pipefail

# Participants of a task, one after the other or side by side, and tasks that run at the same time.
PER_TASK=${PER_TASK:-1}
AT_ONCE=${AT_ONCE:-50}

source ./settings.sh
app=(bids-deeptaskgen /data /out participant --model /model "${OPTIONS[@]}")

if [ -z "${SLURM_ARRAY_TASK_ID:-}" ]; then
    mkdir -p "$OUTPUT" slurm_logs
    list=slurm_logs/participants-$(date +%Y%m%d-%H%M%S)-$$.txt
    if [ -n "${LIST:-}" ]; then
        # A file of another system or editor may have empty lines, or no line end after the last label.
        tr -d '\r' <"$LIST" | awk 'NF { print $1 }' >"$list"
        if [ ! -s "$list" ]; then echo "$LIST lists no participant." >&2; exit 2; fi
    else
        "${APPTAINER[@]}" "$IMAGE" "${app[@]}" --dry-run >"$list.plan" ||
            { code=$?; cat "$list.plan" >&2; exit "$code"; }
        # "To do: ..." has no maps yet, "To do, pages only: ..." lacks its pages.
        sed -nE 's/^To do(, pages only)?: .*\((.*)\)\.$/\2/p' "$list.plan" | tr ' ' '\n' >"$list"
        # The plan counts more than 100 participants without pages, but does not list them.
        if grep '^To do, pages only: [^(]*$' "$list.plan" >&2; then
            echo "The plan does not list them. Submit a list of all finished participants: LIST=FILE" >&2
            if [ ! -s "$list" ]; then exit 1; fi
        fi
    fi
    n=$(wc -l <"$list")
    if [ "$n" -eq 0 ]; then echo "All participants with usable data are finished." >&2; exit 4; fi
    echo "$n participants, listed in $list" >&2
    exec sbatch --parsable --array="1-$(((n + PER_TASK - 1) / PER_TASK))%$AT_ONCE" "$@" \
        "$0" "$list" "$PER_TASK"
fi

first=$(((SLURM_ARRAY_TASK_ID - 1) * $2 + 1))
mapfile -t labels < <(sed -n "$first,$((first + $2 - 1))p" "$1")
make_work_folder
if [ -n "${SLURM_JOB_GPUS:-}" ]; then APPTAINER+=(--nv) && app+=(--device cuda); fi
"${APPTAINER[@]}" "$IMAGE" "${app[@]}" --participant-label "${labels[@]}" --work-dir /work
