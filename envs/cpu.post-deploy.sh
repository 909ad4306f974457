#!/usr/bin/env bash
# Run by Snakemake in the new environment, from the project's root.
set -euo pipefail
pip install -r envs/cpu.lock
pip install --no-deps --editable .
