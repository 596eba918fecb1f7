# EOSeg: `make help` lists what there is. Every target does its own set-up.

# The first of these that is there and can run: Python 3.11, or 3.10.
PYTHON ?= $(shell for p in python3.11 python3.10 python3; do \
	$$p -c 'import sys; raise SystemExit(not (3, 10) <= sys.version_info < (3, 12))' >/dev/null 2>&1 \
	&& { echo $$p; break; }; done)
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
# uv from the PATH, else our own copy.
UV = $(shell command -v uv || echo $(CURDIR)/.uv/bin/uv)
SHELL := /bin/bash
DEMO_WORKDIR ?= work/demo

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

.PHONY: setup
setup: $(VENV)/.installed ## Only the set-up: uv, .venv, the locked packages, EOSeg itself

.PHONY: demo
demo: setup ## Generated scenes in; a served, versioned model, a map and a report out
	$(BIN)/eoseg run demo.yaml --workdir $(DEMO_WORKDIR)

.PHONY: test
test: setup ## The tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: check
check: setup ## ruff, the format, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: bench
bench: setup ## All benchmarks; each ends with one line of JSON
	@for name in $$($(BIN)/eoseg bench); do echo "== $$name"; $(BIN)/eoseg bench $$name || exit 1; done

.PHONY: lock
lock: .uv/bin/uv ## Write requirements-*.txt anew from setup.py
	for v in 3.10 3.11; do $(UV) pip compile setup.py --extra dev --python-version $$v --generate-hashes \
		--no-emit-index-url --no-header -q -o requirements-$$v.txt || exit 1; done

.PHONY: clean
clean: ## Remove what was installed and made (.venv, work/, caches)
	rm -rf $(VENV) .uv .jax work build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: setup.py requirements-3.10.txt requirements-3.11.txt
	@test -n "$(PYTHON)" || { echo "EOSeg needs Python 3.11 or 3.10 on the PATH (or: make PYTHON=/path/to/python3.11 ...)"; exit 1; }
	@command -v uv >/dev/null || $(MAKE) --no-print-directory .uv/bin/uv
	@echo "setting up: Python packages into $(VENV) (about a minute)"
	@$(UV) venv --quiet --clear --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --require-hashes \
		-r requirements-$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.uv/bin/uv:
	@$(PYTHON) -m venv .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
