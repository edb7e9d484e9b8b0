# Everything a newcomer types. Each target sets up what it needs.
PYTHON ?= python3
VENV   := $(or $(KPI_VENV),.venv)
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup crypto churn app airflow notebooks test bench-crypto bench-churn bench-app screenshots lock clean \
  env up init seed ps logs dag-run dag-status churn-watchdog mlops-run \
  backup restore down reset destroy

help:  ## this list
	@awk -F':.*## ' '/^## /{print "\n" substr($$0, 4)} /^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp is newer than the lock files while the environment is what they say.
$(VENV)/.ready: requirements/bootstrap.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@echo "making $(VENV): a minute or two, and it needs the network" >&2
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements/dev.txt
	@$(BIN)/python -c 'import pathlib, site; pathlib.Path(site.getsitepackages()[0], "kpi-delivery.pth").write_text(f"{pathlib.Path.cwd()}\n")'
	@touch $@

setup: $(VENV)/.ready  ## make .venv from the hash-locked requirements

crypto: setup  ## run the crypto flow on the embedded PostgreSQL
	@$(BIN)/luigi --module pipelines CryptoMerge

churn: setup  ## the whole life of the churn model: train, drift, features, scores
	@$(BIN)/luigi --module pipelines Churn

app: setup  ## the app in the browser: scores, models, drift, data quality; Ctrl-C stops it
	@exec $(BIN)/streamlit run app/main.py

airflow: setup  ## a local Airflow with the DAGs; Ctrl-C stops it
	@exec $(BIN)/python -m scripts.airflow_up

# Its kernel is this environment, whatever kernels the user has; and a STATE_DIR is meant from here.
notebooks: setup  ## JupyterLab on notebooks/, at 127.0.0.1, JUPYTER_PORT (8888); Ctrl-C twice stops it
	@case "$$STATE_DIR" in [!/~]*) export STATE_DIR="$$PWD/$$STATE_DIR";; esac; \
	JUPYTER_PATH= JUPYTER_PREFER_ENV_PATH=1 exec $(BIN)/python -m jupyterlab --ip 127.0.0.1 --allow-root --ServerApp.root_dir=notebooks

seed:  ## load the churn files into raw.* as they are, for SQL; where the stack is up, into its database
	@if $(STACK_IS_UP); then echo "into the stack" >&2; docker compose exec -T airflow-worker python -m pipelines seed; \
	else echo "the stack is not up: into the database of this folder" >&2; $(MAKE) --no-print-directory setup && $(BIN)/python -m pipelines seed; fi

test: setup  ## lint, types and all tests, through tox; those that need a browser, Nix or a Docker engine where these are
	@PATH="$(abspath $(BIN)):$$PATH" scripts/test

bench-crypto: setup  ## compare the crypto flow with hand-written SQL, the plain way and dbt
	@$(BIN)/python -m benchmarks.crypto

bench-churn: setup  ## compare the churn flow with DuckDB, pandas, PySpark, scikit-learn and Evidently, bare
	@$(BIN)/python -m benchmarks.churn

bench-app: setup  ## compare the app with a bare one, in Chromium, on the model in production (make churn)
	@$(BIN)/python -m benchmarks.app

screenshots: setup  ## the pictures of README and docs/ anew, from real runs; needs Chromium, and some minutes
	@$(BIN)/python -m scripts.screenshots

lock: setup  ## resolve the requirements again
	@scripts/lock

clean:  ## remove the environment and the caches; data in .state stays
	@rm -rf $(VENV) $(or $(TOX_WORK_DIR),.tox) .mypy_cache .ruff_cache .pytest_cache .hypothesis

## The production stack, in containers
STACK_IS_UP := [ -f "$${COMPOSE_ENV_FILES:-.env}" ] && [ -n "$$(docker compose ps -q --status running airflow-worker 2>/dev/null)" ]
NEED_STACK = @$(STACK_IS_UP) || { echo "The stack is not up: make up" >&2; exit 2; }
RUNS := docker compose exec -T airflow-apiserver python -m scripts.stack_runs
export DAG CONF TO FROM  # no shell reads them; make does: a $ is written $$

env:  ## make .env with new secrets, or add to it what is missing
	@scripts/stack-env

up:  ## build and start everything, tell where it is; with COMPOSE_PROFILES=tools JupyterLab and pgAdmin, too
	@scripts/stack-up

init:  ## make the databases, users, tables and buckets that are missing
	@scripts/stack-change init

ps:  ## how the services are
	@docker compose ps --all

logs:  ## what they say; S=airflow-worker for one of them
	@docker compose logs --follow --tail 100 $(S)

dag-run:  ## run a DAG and wait for it: DAG=crypto_events_dag CONF='{"date": "2023-02-01"}'
	$(NEED_STACK)
	@[ -n "$$DAG" ] || { echo "DAG=… is missing, for example DAG=crypto_events_dag" >&2; exit 2; }
	@$(RUNS) dag-run -- "$$DAG" "$$CONF"

dag-status:  ## the last run of each DAG
	$(NEED_STACK)
	@$(RUNS) dag-status

churn-watchdog:  ## look whether churn files changed, and wait for the training that follows
	$(NEED_STACK)
	@$(RUNS) churn-watchdog

mlops-run:  ## the whole life of the churn models, DAG by DAG, on generated files where there are none
	$(NEED_STACK)
	@$(MAKE) --no-print-directory seed
	@$(RUNS) mlops-run

backup:  ## data and .env into backups/<now>; everything is stopped for that moment
	@scripts/stack-backup

restore:  ## FROM=backups/… in place of what is there
	@scripts/stack-restore

down:  ## stop everything; all data stay
	@scripts/stack-change down

reset:  ## start anew with empty databases and buckets; .env and images stay
	@scripts/stack-change reset

destroy:  ## remove all: containers, data, the images built here, .env
	@scripts/stack-change destroy
