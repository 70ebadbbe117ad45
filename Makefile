# The README's two commands: `make run` and `make test`. Both make the environment first, if it is not there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test fuzz docs env clean

env: $(VENV)/installed

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# What a run needs; tests and pages need more.
$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/installed-%: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[$*]'
	touch $@

run: env
	$(BIN)/python -m evaluation.cv
	$(BIN)/python -m ensemble.build
	$(BIN)/python -m submissions.make

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

fuzz: $(VENV)/installed-dev
	$(BIN)/python -m tests.fuzz

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf $(VENV) runs site fuzz-found
