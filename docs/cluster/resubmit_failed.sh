#!/bin/bash
# Show the tasks of an array that did not complete, and submit all participants that are not finished again.
#
#     bash resubmit_failed.sh JOB [OPTIONS OF SBATCH]     e.g. --mem=8G --time=04:00:00
set -euo pipefail

job=$1
shift
if [ -n "$(squeue --noheader --jobs "$job" 2>/dev/null)" ]; then
    echo "Tasks of job $job are in the queue: wait for them, or cancel them (scancel $job)." >&2
    exit 5
fi
sacct --allocations --parsable2 --delimiter=' ' --format=JobID,State,ExitCode,Elapsed,ReqMem,NodeList --jobs "$job" |
    grep -v COMPLETED >&2 || echo "The accounting of Slurm (sacct) does not show job $job." >&2
bash array.sh "$@"
