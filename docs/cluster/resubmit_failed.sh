#!/bin/bash
# Show the tasks of an array that did not complete, and submit all participants that are not finished again.
#
#     bash resubmit_failed.sh JOB [OPTIONS OF SBATCH]     e.g. --mem=8G --time=04:00:00
set -euo pipefail

job=$1
shift
sacct --allocations --parsable2 --delimiter=' ' --format=JobID,State,ExitCode,Elapsed,ReqMem,NodeList --jobs "$job" |
    grep -v COMPLETED >&2
bash array.sh "$@"
