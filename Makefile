# Requirements: Python 3.11 to 3.14, and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo check test pytest interop golden bench lock clean
.DEFAULT_GOAL := demo

# Two lock files with hashes: dependencies of probec, and those that development adds. Together they
# are complete and share no package, so nothing is resolved, and both may be installed at once.
# Bytecode is compiled by the first import, most of it never.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("probec needs Python 3.11 to 3.14, this is %d.%d (set PYTHON=...)" % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] <= (3, 14) else 0)'
	$(PYTHON) -m venv .venv

.venv/.run: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements-dev.lock | $(BIN)/python
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

install: .venv/.run  ## the probec command, in .venv/bin

demo: .venv/.run  ## build specs/demo.yaml with the embedded model: no key, no network
	@$(BIN)/probec build specs/demo.yaml
	@echo; echo "probec is in $(BIN): source $(BIN)/activate puts it on your PATH"

check: .venv/.run .venv/.dev  ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyrefly check --summary=none --python-interpreter-path $(BIN)/python
	$(BIN)/lint-imports --no-logo

test:  ## everything CI runs, checks beside tests; FULL=1 tries more examples
	@$(MAKE) --no-print-directory -j 2 check pytest

pytest: .venv/.run .venv/.dev
	$(BIN)/pytest -n 3 $(if $(FULL),--full)

INTEROP := llmock mock-ai-api steadybatch promptbatch inspect lm-eval

.venv-interop/%/.done: tests/interop/%.lock
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

interop: .venv/.run .venv/.dev $(INTEROP:%=.venv-interop/%/.done)  ## third-party servers, clients and harnesses against probec's
	$(BIN)/pytest -n 0 tests/interop

golden: .venv/.run .venv/.dev  ## accept changed golden files; read the diff before committing
	$(BIN)/pytest -n 0 --update-golden

bench: .venv/.run  ## speed of the local stages, as ratios to a floor measured in the same run
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.local_stages
	$(BIN)/python -m benchmarks.batches
	$(BIN)/python -m benchmarks.statistics
	$(BIN)/python -m benchmarks.full_scale 1000 --jobs 2
	$(BIN)/python -m benchmarks.parquet_layout
	$(BIN)/python -m benchmarks.response_log 200000
	$(BIN)/python -m benchmarks.probe_file 2300
	$(BIN)/python -m benchmarks.scale_model
	$(BIN)/python -m benchmarks.rollout_filters specs/data/rollouts.jsonl

lock:  ## re-pin the locks (needs uv on PATH)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements.lock --extra build
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -c requirements.lock -o requirements-dev.lock --extra dev --extra build $$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.lock)

clean:  ## remove the environment and build outputs (never the paid replies in .probec/)
	rm -rf .venv .venv-interop build/objects build/steps build/heads build/datasets build/receipts build/shipped build/staged
