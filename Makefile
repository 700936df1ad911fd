PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One thread for each test process: several threads on small networks only get in each other's way.
THREADS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help setup demo test test-slow bench clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## Make .venv with everything that the project needs

$(STAMP): pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c requirements.lock -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP) ## Search, train and ship a network for handwritten digits in a minute
	rm -rf runs/demo
	$(BIN)/azora search digits --budget 60s --out runs/demo
	@echo "open runs/demo/report.html; the model is in runs/demo/model"

test: $(STAMP) ## Style, types, layers and the default tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(THREADS) $(BIN)/pytest -n 2 --dist worksteal -q --durations=12

test-slow: $(STAMP) ## The tests that take minutes
	$(THREADS) $(BIN)/pytest -m slow -q

bench: $(STAMP) ## Speed figures as JSON
	@for file in benchmarks/speed/*.py; do $(BIN)/python $$file || exit 1; done

clean: ## Remove what was made
	rm -rf $(VENV) runs build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
