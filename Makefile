# make repro | doctor | flow | ui | demo | test | check | bench | audit | clean
PYTHON ?= python3
VENV   := .venv
# one worker more than there are cores, for tests wait for servers, too
WORKERS = $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() + 1))')
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
export PATH := $(abspath $(BIN)):$(PATH)
export DO_NOT_TRACK := 1

.PHONY: repro doctor flow ui demo test check bench audit clean

repro: $(STAMP)  ## rebuild what params.yaml asks for, then print the results
ifdef PROFILE
	python -m pipeline.params.profile $(PROFILE:%=profiles/%.yaml) $(SET)
endif
	python -m pipeline.doctor.dvc_files
	dvc repro
	python -m pipeline.tables

doctor: $(STAMP)  ## what is missing, before anything is computed
	python -m pipeline.doctor

flow: $(STAMP)  ## the same, as one run in the Prefect UI; ARGS are those of dvc repro
	python -m pipeline.doctor.dvc_files
	python -m pipeline.flow $(ARGS)

demo: $(STAMP)  ## a page on loopback to try the newest model; ARGS are those of `camground demo`
	python -m camground demo $(ARGS)

test: $(STAMP)  ## the test suite: offline, no GPU; the tests of a file share what is costly, and so a process
	python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(STAMP)  ## format, lint, types, import arrows
	ruff format --check .
	ruff check .
	mypy
	lint-imports

bench: $(STAMP)  ## speed against named peers, ten minutes; ARGS are those of `python -m benchmarks`
	python -m benchmarks $(ARGS)

audit: $(STAMP)  ## what is installed against the lock, the wheels' hashes and the imports; offline
	python -m pipeline.doctor.audit

ui: $(STAMP)  ## Prefect server and UI on loopback
	python -m pipeline.flow.ui

clean:  ## remove what can be made again; keeps the environment and DVC's cache
	rm -rf data results .work .pytest_cache .mypy_cache .ruff_cache

$(STAMP): pyproject.toml requirements.lock
	@echo "installing into $(VENV): about 6 GB, a few minutes"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[dev]"
	touch $(STAMP)
