# Everything a newcomer types. Each target sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup crypto churn airflow seed test bench-crypto bench-churn lock clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp is newer than the lock files while the environment is what they say.
$(VENV)/.ready: requirements/bootstrap.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@echo "making $(VENV): half a minute, and it needs the network" >&2
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements/dev.txt
	@$(BIN)/python -c 'import pathlib, site; pathlib.Path(site.getsitepackages()[0], "kpi-delivery.pth").write_text(f"{pathlib.Path.cwd()}\nimport scripts.airflow_home\n")'
	@touch $@

setup: $(VENV)/.ready  ## make .venv from the hash-locked requirements

crypto: setup  ## run the crypto flow on the embedded PostgreSQL
	@$(BIN)/luigi --module pipelines CryptoMerge

churn: setup  ## the whole life of the churn model: train, drift, features, scores
	@$(BIN)/luigi --module pipelines Churn

airflow: setup  ## a local Airflow with the DAGs; Ctrl-C stops it
	@exec $(BIN)/python -m scripts.airflow_up

seed: setup  ## load the churn files into raw.* as they are, for SQL
	@$(BIN)/python -m pipelines seed

test: setup  ## lint, types and all tests, through tox
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/tox

bench-crypto: setup  ## compare the crypto flow with hand-written SQL, the plain way and dbt
	@$(BIN)/python -m benchmarks.crypto

bench-churn: setup  ## compare the churn flow with DuckDB, pandas, PySpark, scikit-learn and Evidently, bare
	@$(BIN)/python -m benchmarks.churn

lock: setup  ## resolve the requirements again
	@scripts/lock

clean:  ## remove the environment and the caches; data in .state stays
	@rm -rf $(VENV) .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis
