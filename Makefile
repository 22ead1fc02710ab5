# Everything a checkout needs, from Debian's python3, make and a package index that pip reaches.
# No path below is absolute, so a checkout may lie in a folder with spaces in its name.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?=
ARGS ?=
FAST ?=
UPGRADE ?=

BIN := .venv/bin
PY := $(BIN)/python
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command 'make lock' $(UPGRADE)

# An environment that lost its interpreter, or was moved here with its checkout and still points at
# the old place, is not ready.
$(shell for kind in runtime dev; do \
	[ -x $(PY) ] && [ -x $(BIN)/foretide ] && \
	[ "$$(cat ".venv/.ready-$$kind" 2>/dev/null)" = "$$(pwd -P)" ] || rm -f ".venv/.ready-$$kind"; \
done)

.PHONY: help setup setup-dev demo test test-fast lint format bench docs lock clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS="..." is handed on to the command, PYTHON=python3.12 chooses the interpreter'

setup: .venv/.ready-runtime ## build .venv with the command .venv/bin/foretide

setup-dev: .venv/.ready-dev ## the same with the tools for tests, lint and docs

.venv/.ready-runtime: tools/venv.sh requirements-build.lock requirements.lock pyproject.toml
	@PYTHON='$(PYTHON)' sh tools/venv.sh runtime

.venv/.ready-dev: .venv/.ready-runtime requirements-dev.lock
	@PYTHON='$(PYTHON)' sh tools/venv.sh dev

demo: setup ## set up, then play a morning of a shop for real; FAST=1 or ARGS="access.log" simulate
	@$(BIN)/foretide demo $(if $(FAST),--fast) $(ARGS)

test: setup-dev ## set up, then run every test
	@$(PY) -m pytest $(ARGS)

test-fast: setup-dev ## only the tests under five seconds
	@$(PY) -m pytest -m 'not slow' $(ARGS)

lint: setup-dev ## format, rules, types and the import rule
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m pyright --pythonpath $(PY)
	@$(BIN)/lint-imports

format: setup-dev ## write the code as `make lint` wants it
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: setup-dev ## print what things cost, one core
	@set -e; for script in benchmarks/*.py; do \
		echo "== $$script"; OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 $(PY) "$$script" $(ARGS); \
	done

docs: setup-dev ## build docs/_build/html, every warning an error
	@$(PY) -m sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build/html
	@echo 'open docs/_build/html/index.html'

lock: setup-dev ## pin what pyproject.toml asks for; UPGRADE=--upgrade takes newer releases
	@$(LOCK) --group build --extra dev --extra docs --extra prophet --extra gbm --extra dask \
		pyproject.toml -o requirements-dev.lock
	@$(LOCK) -c requirements-dev.lock pyproject.toml -o requirements.lock
	@$(LOCK) -c requirements-dev.lock --group build -o requirements-build.lock

clean: ## remove what can be made again; the store in .foretide/ stays
	rm -rf .venv docs/_build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} +
