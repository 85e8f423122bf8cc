# Requirements: Python 3.11 to 3.14, and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo check test pytest interop golden bench lock clean
.DEFAULT_GOAL := demo

# Two lock files with hashes: dependencies of probec, and those that development adds. They are
# complete, so nothing is resolved. Bytecode is compiled by the first import, most of it never.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps

.venv/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("probec needs Python 3.11 to 3.14, this is %d.%d (set PYTHON=...)" % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] <= (3, 14) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.run requirements-dev.lock
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

install: .venv/.run  ## the probec command, in .venv/bin

demo: .venv/.run  ## build specs/demo.yaml with the embedded model: no key, no network
	@$(BIN)/probec build specs/demo.yaml
	@echo; echo "probec is in $(BIN): source $(BIN)/activate puts it on your PATH"

check: .venv/.dev  ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: .venv/.dev  ## everything CI runs, checks beside tests; FULL=1 tries more examples
	@$(MAKE) --no-print-directory -j 2 check pytest

pytest: .venv/.dev
	$(BIN)/pytest -n 3 $(if $(FULL),--full)

INTEROP := llmock mock-ai-api steadybatch promptbatch inspect lm-eval

.venv-interop/%/.done: tests/interop/%.lock
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

interop: .venv/.dev $(INTEROP:%=.venv-interop/%/.done)  ## third-party servers, clients and harnesses against probec's
	$(BIN)/pytest -n 0 tests/interop

golden: .venv/.dev  ## accept changed golden files; read the diff before committing
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
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -c requirements.lock -o requirements-dev.lock --extra dev --extra build

clean:  ## remove the environment and build outputs (never the paid replies in .probec/)
	rm -rf .venv .venv-interop build/objects build/steps build/heads build/datasets build/receipts build/shipped build/staged
