# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GROUPS_READY = $(VENV)/.ready-$(1)

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench choices zoo torture wheel clean

help:
	@echo "make demo     install, train on the built-in scenes, score, predict, report (about 6 minutes)"
	@echo "make test     install what the tests need and run all tests"
	@echo "make check    format, lint, types, import order"
	@echo "make format   write the format"
	@echo "make bench    side-by-side measurements into benchmarks/results (two hours, on a quiet machine)"
	@echo "make zoo      train every architecture for a moment, write docs/zoo.md (half an hour)"
	@echo "make choices  train once per loss, optimiser and schedule, write docs/choices.md (half an hour)"
	@echo "make wheel    build the wheel, install it into a clean environment, run its demo"
	@echo "make torture  the tests that take minutes"

# An environment is installed once; it is installed again only when pyproject.toml changes.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(call GROUPS_READY,core): $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(call GROUPS_READY,dev): $(call GROUPS_READY,core)
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(call GROUPS_READY,bench): $(call GROUPS_READY,dev)
	$(BIN)/python -m pip install --quiet --group bench
	@touch $@

demo: $(call GROUPS_READY,core)
	$(BIN)/terrazzo demo --out runs/demo

test: $(call GROUPS_READY,dev)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder -m "not slow and not wheel" tests/test_docs.py tests

torture: $(call GROUPS_READY,dev)
	$(BIN)/python -m pytest -m slow

wheel: $(call GROUPS_READY,dev)
	$(BIN)/python -m pytest -m wheel

check: $(call GROUPS_READY,dev)
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(call GROUPS_READY,dev)
	$(BIN)/ruff format src tests benchmarks docs
	$(BIN)/ruff check --fix src tests benchmarks docs

bench: $(call GROUPS_READY,bench)
	$(BIN)/python -m benchmarks.train_speed
	$(BIN)/python -m benchmarks.ten_minutes
	$(BIN)/python -m benchmarks.switches
	$(BIN)/python -m benchmarks.kernels
	$(BIN)/python -m benchmarks.predict_speed
	$(BIN)/python -m benchmarks.prediction_memory
	$(BIN)/python -m benchmarks.scoring
	$(BIN)/python -m benchmarks.raster

zoo: $(call GROUPS_READY,bench)
	$(BIN)/python -m benchmarks.zoo

choices: $(call GROUPS_READY,bench)
	$(BIN)/python -m benchmarks.choices --jobs 2

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
