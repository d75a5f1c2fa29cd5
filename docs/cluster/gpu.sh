#!/bin/bash
# Predict maps on GPUs: few tasks of many participants, since a GPU waits while a connectome is computed on CPUs.
#
#     bash gpu.sh [OPTIONS OF SBATCH]
set -euo pipefail

PER_TASK=${PER_TASK:-200} AT_ONCE=${AT_ONCE:-4} bash array.sh \
    --partition=gpu --gres=gpu:1 --cpus-per-task=8 --mem=16G --time=04:00:00 "$@"
