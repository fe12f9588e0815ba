# Every target sets Tunesmith up by itself first, in .venv; an up-to-date set-up costs nothing.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check test-slow gpu-check lock clean

setup:
	@$(PYTHON) bootstrap.py

demo: setup # the whole journey, in ./demo
	@$(BIN)/tunesmith demo

test: check # what CI runs
	@$(BIN)/python -m pytest -m "not slow and not gpu"

check: setup
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports > .venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }

test-slow: setup
	@$(BIN)/python -m pytest -m "slow"

gpu-check: setup # on a GPU: ten minutes, and docs/gpu.md has the figures
	@$(BIN)/python -P -m benchmarks.gpu_check; code=$$?; \
	$(BIN)/python -m pytest -m "gpu" && exit $$code

lock: setup # pin what is installed now
	@$(BIN)/python -m pip freeze --exclude-editable | sed 's/+.*//; s/ @ .*//' > constraints.txt

clean:
	rm -rf .venv
