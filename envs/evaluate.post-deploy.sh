#!/usr/bin/env bash
# Run by Snakemake in the new environment, from the project's root.
set -euo pipefail
pip install -r envs/evaluate.txt
pip install --no-deps --editable .
