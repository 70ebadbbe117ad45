# The README's two commands: `make run` and `make test`. Both make the environment first, if it is not there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What is never imported need not be compiled: that takes a third of an installation. Python compiles the rest, once.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt
# Processes that share the tests, and with them the cores.
WORKERS ?= 2
PYTEST := python -m pytest --numprocesses $(WORKERS) --dist worksteal
# A second environment with zarr 3 and copick 2. What it does not hold itself, it takes from the first: torch is not
# installed twice.
NEXT ?= .venv-next
NEXT_TESTS := $(wildcard tests/tomograms/test_*.py) tests/fuzz tests/evaluation/test_copick_cv.py \
	tests/evaluation/test_tomogram_types.py tests/submissions/export tests/submissions/kaggle tests/submissions/test_cli.py
PURELIB := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'

.PHONY: run test test-next fuzz docs env clean

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
	$(BIN)/$(PYTEST)

test-next: $(NEXT)/installed
	$(NEXT)/bin/$(PYTEST) $(NEXT_TESTS)

$(NEXT)/installed: $(VENV)/installed-dev constraints-next.txt
	$(BIN)/python -m venv $(NEXT)
	$(BIN)/python $(PURELIB) > "$$($(NEXT)/bin/python $(PURELIB))/first.pth"
	awk -F== 'NR == FNR {own[$$1]; print; next} !($$1 in own)' constraints-next.txt constraints.txt > $(NEXT)/constraints.txt
	$(NEXT)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint $(NEXT)/constraints.txt --editable '.[dev]'
	touch $@

fuzz: $(VENV)/installed-dev
	$(BIN)/python -m tests.fuzz

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf $(VENV) $(NEXT) runs site fuzz-found
