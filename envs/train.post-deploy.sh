#!/usr/bin/env bash
# Run by Snakemake in the new environment, from the project's root. flash-attn is built against the installed torch.
set -euo pipefail
pip install -r envs/cpu.lock
pip install --no-build-isolation -r envs/flash-attn.txt
pip install --no-deps --editable .
